"""Rigid registration: against known motions of phantoms, and a real pair that others have registered."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from medcycle.body import body_mask
from medcycle.errors import RegistrationFailed
from medcycle.io import read_volume
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.registration import Registration, register_rigid
from medcycle.volume import Grid, Volume

HEAD = HeadPhantom.random(4)


def motion(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def moved(volume: Volume, matrix: np.ndarray) -> Volume:
    return Volume(volume.array, Grid(volume.grid.shape, matrix @ volume.grid.affine))


def error(result: Registration, truth: np.ndarray, fixed: Volume) -> float:
    """Mean distance, mm, of the body's voxels from where they belong (target registration error)."""
    inside = np.argwhere(body_mask(fixed, "mr").array)[::101]
    points = fixed.grid.affine @ np.column_stack([inside, np.ones(len(inside))]).T
    return float(np.linalg.norm((result.matrix @ truth @ points - points)[:3], axis=0).mean())


@pytest.mark.slow
@pytest.mark.parametrize(("degrees", "shift"), [((12, -6, 9), (25, -40, 60)), ((-14, 8, -12), (-300, 200, 900))])
def test_known_motions_are_found(degrees, shift) -> None:
    mr = HEAD.mr(head_grid(spacing=(2, 2, 4)))
    truth = motion(degrees, shift)
    ct = moved(HEAD.ct(head_grid(spacing=(1.5, 1.5, 3), orientation="LPS"), couch=True), truth)
    result = register_rigid(mr, ct, fixed_modality="mr", moving_modality="ct")
    assert result.problem == ""
    assert error(result, truth, mr) < 1.5
    np.testing.assert_allclose(result.matrix[:3, :3] @ result.matrix[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(result.matrix[:3, :3]) == pytest.approx(1)


@pytest.mark.slow
def test_the_same_comes_out_every_time() -> None:
    mr, ct = HEAD.mr(head_grid(spacing=(4, 4, 4))), HEAD.ct(head_grid(spacing=(4, 4, 4)))
    one, other = (register_rigid(mr, ct, fixed_modality="mr", moving_modality="ct") for _ in range(2))
    np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-6)


def test_a_placed_volume_keeps_its_voxels() -> None:
    ct = HEAD.ct(head_grid(spacing=(6, 6, 6)))
    matrix = motion((0, 0, 90), (1, 2, 3))
    placed = Registration(matrix, 0, 0, 1).place(ct)
    assert placed.array is ct.array
    np.testing.assert_allclose(placed.grid.affine @ [0, 0, 0, 1], matrix @ ct.grid.affine @ [0, 0, 0, 1])


@pytest.mark.slow
def test_a_head_of_another_size_is_not_trusted() -> None:
    mr, ct = HEAD.mr(head_grid(spacing=(3, 3, 3))), HEAD.ct(head_grid(spacing=(3, 3, 3)))
    larger = moved(ct, np.diag([1.15, 1.15, 1.15, 1]))
    result = register_rigid(mr, larger, fixed_modality="mr", moving_modality="ct")
    assert result.skin_distance > 3
    assert result.problem


@pytest.mark.parametrize(
    ("result", "words"),
    [(Registration(np.eye(4), 9, 1, 1), "9.0 mm apart"), (Registration(np.eye(4), 0, 1, 0.1), "10% of the body")],
)
def test_what_is_not_trusted_says_why(result, words) -> None:
    assert words in result.problem


def part(volume: Volume, first: int, last: int) -> Volume:
    affine = volume.grid.affine.copy()
    affine[:, 3] = volume.grid.affine @ [0, 0, first, 1]
    array = volume.array[:, :, first:last]
    return Volume(array, Grid(array.shape, affine))


def test_starts_that_end_apart_are_not_trusted(monkeypatch) -> None:
    ends = []
    for shift in ((0.0, 0.0, 0.0), (0.0, 9.0, 0.0), (5.0, 0.0, 0.0)):
        ends.append(sitk.Euler3DTransform())
        ends[-1].SetTranslation(shift)
    monkeypatch.setattr("medcycle.registration._improved", lambda *_: ends)
    mr, ct = HEAD.mr(head_grid(spacing=(4, 4, 4))), HEAD.ct(head_grid(spacing=(4, 4, 4)))
    result = register_rigid(mr, ct, fixed_modality="mr", moving_modality="ct")
    assert result.disagreement == pytest.approx(5)  # the nearer of the next two
    assert result.problem == "independent starts end 5.0 mm apart"


@pytest.mark.slow
def test_what_both_fields_of_view_show_is_measured() -> None:
    mr, ct = HEAD.mr(head_grid(spacing=(3, 3, 3))), HEAD.ct(head_grid(spacing=(3, 3, 3)))
    slices = ct.grid.shape[2]
    whole, half = (
        register_rigid(part(mr, 0, last), part(ct, slices // 3, slices), fixed_modality="mr", moving_modality="ct")
        for last in (slices, 2 * slices // 3)
    )
    assert whole.shared > 0.95
    assert 0.3 < half.shared < 0.8


@pytest.mark.slow
def test_four_slices_have_outlines() -> None:
    mr, ct = HEAD.mr(head_grid((60, 70, 4), (3, 3, 12))), HEAD.ct(head_grid(spacing=(3, 3, 3)))
    result = register_rigid(mr, ct, fixed_modality="mr", moving_modality="ct")
    assert np.isfinite(result.skin_distance)


def test_without_a_body_there_is_nothing_to_register() -> None:
    ct = HEAD.ct(head_grid(spacing=(4, 4, 4)))
    with pytest.raises(RegistrationFailed, match="no body found in the MR"):
        register_rigid(ct.with_array(np.zeros(ct.grid.shape)), ct, fixed_modality="mr", moving_modality="ct")


@pytest.fixture(scope="module")
def pair(shared: Path) -> dict[str, Volume]:
    folder = shared / "data" / "head" / "pair"
    return {name: read_volume(folder / f"{name}.nii.gz") for name in ("mr_t2", "ct_on_mr", "ct_native")}


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [(0, 0, 0), (15, 5, -10), (-10, -15, 15)])
def test_a_real_pair_comes_to_where_others_brought_it(pair: dict[str, Volume], degrees) -> None:
    truth = motion(degrees, (-30, 20, 40))
    moving = moved(pair["ct_on_mr"], truth)
    result = register_rigid(pair["mr_t2"], moving, fixed_modality="mr", moving_modality="ct")
    assert result.problem == ""
    assert error(result, truth, pair["mr_t2"]) < 2  # voxels of 1.2 × 1.2 × 5 mm, and their registration is one too


@pytest.mark.slow
def test_real_pairs_of_two_patients_are_not_trusted(pair: dict[str, Volume], shared: Path) -> None:
    other = read_volume(shared / "data" / "head" / "ct" / "ct04.nii.gz")
    result = register_rigid(pair["mr_t2"], other, fixed_modality="mr", moving_modality="ct")
    assert "one patient?" in result.problem
    native = register_rigid(pair["mr_t2"], pair["ct_native"], fixed_modality="mr", moving_modality="ct")
    assert native.problem == ""
