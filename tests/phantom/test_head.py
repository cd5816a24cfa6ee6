"""The generated head: one anatomy on every grid, physics against independent forms, and a head that looks like one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from medcycle.io.nifti import read_nifti
from medcycle.phantom import (
    T1_FAT_SUPPRESSED,
    T1_GRADIENT_ECHO,
    T2_FLAIR,
    T2_SPIN_ECHO,
    HeadPhantom,
    MrProtocol,
    Tissue,
    head_grid,
    write_cohort,
)
from medcycle.phantom.tissue import BRIGHTEST, PROPERTIES
from medcycle.volume import Array, Grid, Volume

HEAD = HeadPhantom.random(1)
GRID = head_grid(spacing=(2.0, 2.0, 2.0))
BONE = (Tissue.CORTICAL_BONE, Tissue.MARROW, Tissue.TOOTH)
CLEAN_T1 = replace(T1_GRADIENT_ECHO, bias=0.0, noise=0.0)
CLEAN_T2 = replace(T2_SPIN_ECHO, bias=0.0, noise=0.0)


@pytest.fixture(scope="module")
def labels() -> Array:
    return HEAD.labels(GRID).array


@pytest.fixture(scope="module")
def clean_ct() -> Array:
    return HEAD.ct(GRID, noise=0.0, blur=0.0).array


@pytest.fixture(scope="module")
def clean_mr() -> dict[str, Array]:
    return {"t1": HEAD.mr(GRID, CLEAN_T1).array, "t2": HEAD.mr(GRID, CLEAN_T2).array}


def positions(grid: Grid) -> Array:
    """Patient coordinates of all voxel centres, (3, voxels)."""
    index = np.indices(grid.shape).reshape(3, -1)
    return grid.affine[:3, :3] @ index + grid.affine[:3, 3:]


def centre_of(labels: Array, tissue: Tissue) -> Array:
    """Mean position of a tissue, patient mm."""
    return positions(GRID)[:, labels.ravel() == tissue].mean(axis=1)


def inside(labels: Array, *tissues: Tissue) -> Array:
    """Voxels whose six neighbours are of the same tissues, so that no edge is averaged in."""
    return ndimage.binary_erosion(np.isin(labels, tissues))


def nearest(volume: Volume, grid: Grid) -> tuple[Array, Array]:
    """The volume's nearest voxel at each of a grid's centres, and whether it is in the field of view."""
    at = np.linalg.inv(volume.grid.affine) @ np.vstack([positions(grid), np.ones(np.prod(grid.shape))])
    index = at[:3].round().astype(int)
    seen = np.all((index >= 0) & (index < np.array(volume.grid.shape)[:, None]), axis=0)
    i, j, k = np.where(seen, index, 0)
    return volume.array[i, j, k].reshape(grid.shape), seen.reshape(grid.shape)


def test_a_seed_is_a_patient() -> None:
    grid = head_grid(spacing=(8.0, 8.0, 8.0))
    again, other = HeadPhantom.random(1), HeadPhantom.random(2)
    assert again == HEAD
    assert other != HEAD
    for image in (lambda head: head.mr(grid), lambda head: head.ct(grid), lambda head: head.labels(grid)):
        np.testing.assert_array_equal(image(again).array, image(HEAD).array)
        assert np.mean(image(other).array != image(HEAD).array) > 0.05


@pytest.mark.parametrize("orientation", ["LPS", "PIR", "RSA", "ILA"])
def test_turned_axes_show_the_same_voxels(orientation: str) -> None:
    grid = head_grid((20, 20, 20), (9.0, 9.0, 9.0), orientation)
    assert grid.orientation == orientation
    plain = head_grid((20, 20, 20), (9.0, 9.0, 9.0))
    turned = HEAD.mr(grid, CLEAN_T1, slice_samples=1).to_ras()
    assert turned.grid.is_close(plain)
    np.testing.assert_allclose(turned.array, HEAD.mr(plain, CLEAN_T1, slice_samples=1).array, atol=0.5)


def test_oblique_grid_shows_the_same_head(labels: Array) -> None:
    oblique = HEAD.labels(head_grid(None, (1.5, 1.5, 1.5), "PIR", rotation_degrees=(12.0, -7.0, 20.0)))
    there, seen = nearest(oblique, GRID)
    for tissues in (BONE, (Tissue.WHITE_MATTER,), (Tissue.AIR,), (Tissue.CSF,)):
        here, other = np.isin(labels, tissues) & seen, np.isin(there, tissues) & seen
        assert 2 * (here & other).sum() / (here.sum() + other.sum()) > 0.75, tissues
    assert np.mean(there[seen] == labels[seen]) > 0.93


@pytest.mark.parametrize("tissue", [Tissue.AIR, Tissue.MUSCLE, Tissue.WHITE_MATTER, Tissue.VITREOUS, Tissue.MARROW])
def test_hounsfield_units_of_tissues(labels: Array, clean_ct: Array, tissue: Tissue) -> None:
    expected = HEAD.marrow_hounsfield if tissue is Tissue.MARROW else PROPERTIES[tissue].hounsfield
    deep = inside(labels, tissue)
    assert deep.sum() > 50
    assert np.median(clean_ct[deep]) == pytest.approx(expected, abs=1 + PROPERTIES[tissue].texture)


@pytest.mark.parametrize("tissue", list(Tissue))
@pytest.mark.parametrize("flip_angle", [5.0, 28.0, 90.0])
def test_spoiled_echo_is_the_steady_state_of_its_pulses(tissue: Tissue, flip_angle: float) -> None:
    protocol = MrProtocol("gradient_echo", 20.0, 4.0, flip_angle)
    properties, flip = PROPERTIES[tissue], np.deg2rad(flip_angle)
    longitudinal = properties.density
    for _ in range(3000):
        remaining = longitudinal * np.cos(flip)
        longitudinal = properties.density + (remaining - properties.density) * np.exp(-20 / properties.t1)
    expected = longitudinal * np.sin(flip) * np.exp(-4 / properties.t2_star)
    assert protocol.signal(tissue) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_spin_echo_decays_and_recovers_with_the_tissue() -> None:
    for tissue, (density, t1, t2, *_) in PROPERTIES.items():
        signal = MrProtocol("spin_echo", t1 * np.log(2), t2 * np.log(4)).signal(tissue)
        assert signal == pytest.approx(density / 2 / 4), "half recovered, decayed to a quarter"


def test_contrast_of_the_brain(labels: Array, clean_mr: dict[str, Array]) -> None:
    tissues = (Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.CSF, Tissue.FAT)
    white, grey, csf, fat = (np.median(clean_mr["t1"][labels == tissue]) for tissue in tissues)
    assert csf < 0.8 * grey < 0.8 * white < 0.8 * fat
    white, grey, csf, _ = (np.median(clean_mr["t2"][labels == tissue]) for tissue in tissues)
    assert white < grey < 0.7 * csf


def test_compact_bone_is_dark_in_mr_and_bright_in_ct(labels: Array, clean_mr: dict[str, Array]) -> None:
    # the tables are thinner than these voxels, so a finer grid within the vault's wall
    grid = head_grid((240, 6, 6), (0.7, 0.7, 0.7))
    bone = inside(HEAD.labels(grid).array, Tissue.CORTICAL_BONE)
    assert bone.sum() > 20
    assert np.median(HEAD.mr(grid, CLEAN_T1).array[bone]) < 0.02 * BRIGHTEST
    assert np.median(HEAD.ct(grid, noise=0, blur=0).array[bone]) == pytest.approx(HEAD.cortical_hounsfield, rel=0.1)
    for mr in clean_mr.values():
        assert np.median(mr[inside(labels, Tissue.AIR)]) == 0


def test_a_thick_slice_is_the_mean_of_thin_ones() -> None:
    thick, thin = head_grid((48, 60, 6), (4.0, 4.0, 16.0)), head_grid((48, 60, 24), (4.0, 4.0, 4.0))
    groups = HEAD.mr(thin, CLEAN_T1).array.reshape(48, 60, 6, 4)
    difference = np.abs(HEAD.mr(thick, CLEAN_T1).array - groups.mean(axis=-1))
    # texture is that of the slice's middle
    assert difference.max() < 0.15 * BRIGHTEST
    assert difference.mean() < 0.005 * BRIGHTEST
    single = np.abs(HEAD.mr(thick, CLEAN_T1, slice_samples=1).array - groups.mean(axis=-1))
    assert single.mean() > 4 * difference.mean()


def test_edges_are_partial_volumes(labels: Array, clean_ct: Array) -> None:
    """Tissue fractions keep the mass that the binary labels of a finer grid have."""
    air = labels == Tissue.AIR
    edge = ndimage.binary_dilation(~air) & air
    assert np.mean(clean_ct[edge] > -990) > 0.2
    coarse = head_grid(spacing=(8.0, 8.0, 8.0))
    mass = [
        np.sum(ct + 1000) * np.prod(g.spacing) for g, ct in ((GRID, clean_ct), (coarse, HEAD.ct(coarse, noise=0).array))
    ]
    assert mass[1] == pytest.approx(mass[0], rel=0.05)


def test_noise_is_rician(labels: Array) -> None:
    image = HEAD.mr(GRID, replace(CLEAN_T1, noise=0.05)).array
    background = image[inside(labels, Tissue.AIR)]
    sigma = 0.05 * BRIGHTEST
    assert background.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)
    assert background.std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.02)


def test_bias_is_smooth_and_within_its_amplitude(clean_mr: dict[str, Array]) -> None:
    bright = clean_mr["t1"] > 100
    ratio = HEAD.mr(GRID, replace(CLEAN_T1, bias=0.3)).array / np.where(bright, clean_mr["t1"], np.nan)
    field = ratio[bright]
    assert 0.6999 <= field.min() < field.max() <= 1.3001
    assert field.max() - field.min() > 0.1
    assert np.nanmax(np.abs(np.diff(ratio, axis=0))) < 0.03


def test_up_down_front_and_back_can_be_told_apart(labels: Array) -> None:
    brain, eyes, teeth = (centre_of(labels, t) for t in (Tissue.WHITE_MATTER, Tissue.VITREOUS, Tissue.TOOTH))
    assert eyes[1] > brain[1] + 40, "eyes in front"
    assert brain[2] > eyes[2] > teeth[2] + 20, "brain over eyes over teeth"
    x = positions(GRID)[0, labels.ravel() == Tissue.VITREOUS]
    assert abs(np.mean(x > HEAD.translation[0]) - 0.5) < 0.15, "one eye on each side"


@pytest.mark.parametrize("seed", range(4))
def test_vault_is_closed_round_the_brain(seed: int) -> None:
    head = HeadPhantom.random(seed)
    grid = head_grid((190, 230, 1), (1.0, 1.0, 1.0))
    affine = grid.affine.copy()
    affine[2, 3] = head.translation[2] + 25
    labels = head.labels(Grid(grid.shape, affine)).array[..., 0]
    rooms, _ = ndimage.label(~np.isin(labels, BONE))
    brain = np.unique(rooms[labels == Tissue.WHITE_MATTER])
    assert rooms[0, 0] not in brain


def test_couch_is_in_ct_only_and_behind_the_head(labels: Array, clean_ct: Array) -> None:
    added = HEAD.ct(GRID, couch=True, noise=0.0, blur=0.0).array - clean_ct
    assert added.max() > 500
    assert np.all(added[inside(labels, *(t for t in Tissue if t is not Tissue.AIR))] == 0)
    y = positions(GRID)[1].reshape(GRID.shape)
    assert y[added > 1].max() < HEAD.translation[1]


def test_cohort_holds_unpaired_patients_and_true_pairs(tmp_path: Path) -> None:
    files = write_cohort(tmp_path, patients=2, paired_cases=1, spacing=(8.0, 8.0, 10.0), ct_spacing=(6.0, 6.0, 12.0))
    assert sorted(files) == sorted(tmp_path.rglob("*.nii.gz"))
    assert len(files) == 6
    mr, ct = (read_nifti(tmp_path / "test" / kind / "case000.nii.gz") for kind in ("mr", "ct"))
    mr.grid.require_close(ct.grid, "the pair")
    others = [read_nifti(path) for path in sorted((tmp_path / "ct").iterdir())]
    assert others[0].grid.spacing == pytest.approx((6.0, 6.0, 12.0))
    assert others[0].grid.field_of_view == pytest.approx(ct.grid.field_of_view, abs=12)
    # bright soft tissue in the MR is where the pair's own CT has it
    bright = mr.array > 100
    assert np.percentile(ct.array[bright], 5) > -700
    assert np.mean(others[0].array != others[1].array) > 0.9


def test_an_inversion_takes_the_fluid_away() -> None:
    fluid, white, fat = (T2_FLAIR.signal(tissue) for tissue in (Tissue.CSF, Tissue.WHITE_MATTER, Tissue.FAT))
    assert fluid < 0.02 * white
    assert 0 < white < fat
    plain = replace(T2_FLAIR, inversion_time=0.0)
    assert plain.signal(Tissue.CSF) > plain.signal(Tissue.WHITE_MATTER)


def test_fat_suppression_darkens_fat_alone() -> None:
    plain, suppressed = (
        {tissue: protocol.signal(tissue) for tissue in Tissue} for protocol in (T1_GRADIENT_ECHO, T1_FAT_SUPPRESSED)
    )
    changed = {tissue for tissue in Tissue if suppressed[tissue] != plain[tissue]}
    assert changed == {Tissue.FAT, Tissue.MARROW}
    assert suppressed[Tissue.FAT] == pytest.approx(0.15 * plain[Tissue.FAT])
