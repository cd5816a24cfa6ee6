"""Path lengths against closed forms and an independent line integral, on grids of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medcycle.errors import DataError
from medcycle.evaluation.density import HuTable, table
from medcycle.evaluation.wepl import ANGLES, path_lengths, wepl_measures
from medcycle.volume import Grid, Volume
from tests.evaluation.bodies import AIR, box, centred, cylinder, filled, places

GENERIC = table("generic")
ORIENTATIONS = ["RAS", "LPS", "PIR", "SAL", "ASL", "IRP"]
CENTRE = (0.0, 0.0, 0.0)
TURN = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix()


def moved(grid: Grid, voxels: int) -> np.ndarray:
    """The affine of a grid without the first voxels of its first axis."""
    affine = grid.affine.copy()
    affine[:, 3] = grid.affine @ [voxels, 0, 0, 1]
    return affine


def head() -> tuple[Volume, Volume, np.ndarray]:
    """A body of uneven tissue with a skull, the same with other tissue, and its mask; no symmetry."""
    grid = centred((48, 40, 36), (2.5, 3.0, 3.5))
    x, y, z = places(grid)
    body = (x / 50) ** 2 + (y / 45) ** 2 + (z / 45) ** 2 < 1
    tissue = 60 * np.sin(x / 9) * np.cos(y / 7 + z / 11) + 900 * ((x - 20) ** 2 + y**2 + (z + 3) ** 2 < 18**2)
    real = np.where(body, tissue, AIR).astype(np.float32)
    synthetic = np.where(body, 0.8 * tissue + 10, AIR).astype(np.float32)
    return Volume(real, grid), Volume(synthetic, grid), body


@pytest.mark.parametrize("turn", [None, TURN], ids=["straight", "oblique"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 2.0), (2.0, 2.0, 2.0), (1.0, 2.0, 5.0), (3.0, 1.5, 1.0)])
def test_cylinder_of_water_has_its_radius_all_around(spacing, turn) -> None:
    grid = centred([int(150 / side) for side in spacing], spacing, turn)
    body = cylinder(grid, 60)
    lengths = path_lengths(filled(grid, body), body, GENERIC, CENTRE)
    error = np.linalg.norm(np.abs(grid.affine[:3, :3]) @ [0.5, 0.5, 0.5])  # half a voxel's diagonal
    assert np.abs(lengths - 60).max() < error
    assert lengths.mean() == pytest.approx(60, abs=0.2 * max(spacing[:2]))


@pytest.mark.parametrize(
    ("angle", "side"), [(0, (0, 1, 0)), (90, (-1, 0, 0)), (180, (0, -1, 0)), (270, (1, 0, 0))], ids=str
)
def test_bone_lengthens_the_path_of_the_beam_that_comes_from_there(angle: float, side) -> None:
    grid = centred((60, 60, 20), (2.0, 2.0, 3.0))
    body = box(grid, (50, 50, 25))
    water = filled(grid, body)
    bone = box(grid, (4, 4, 30), 30 * np.array(side))
    with_bone = water.with_array(np.where(bone, 1000.0, water.array))
    extra = path_lengths(with_bone, body, GENERIC, CENTRE) - path_lengths(water, body, GENERIC, CENTRE)
    assert extra[ANGLES.index(angle)] == pytest.approx(8 * (GENERIC.of(1000) - 1), abs=0.02)
    assert extra.sum() == pytest.approx(extra[np.abs((np.array(ANGLES) - angle + 180) % 360 - 180) <= 10].sum())


def test_density_between_the_rows_and_air_inside_the_body_count_as_they_are() -> None:
    grid = centred((60, 60, 20), (2.0, 2.0, 3.0))
    body = box(grid, (50, 50, 25))
    lengths = path_lengths(filled(grid, body, hu=-500), body, GENERIC, CENTRE, (0.0,))
    assert lengths[0] == pytest.approx(50 * GENERIC.of(-500), abs=0.05)


def test_agrees_with_an_independent_line_integral() -> None:
    volume, _, body = head()
    density = GENERIC.of(volume.array) * body
    point, angles = np.array([4.0, -6.0, 3.0]), (0.0, 33.0, 125.0, 208.0, 331.0)
    depth = np.arange(0, 80, 0.02) + 0.01
    for angle, length in zip(angles, path_lengths(volume, body, GENERIC, point, angles), strict=True):
        beam = np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle)), 0])
        along = np.linalg.inv(volume.grid.affine) @ np.vstack([(point + depth[:, None] * beam).T, np.ones_like(depth)])
        expected = 0.02 * ndimage.map_coordinates(density, along[:3], order=1, cval=0).sum()
        assert length == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_order_and_direction_of_the_axes_change_nothing(orientation: str) -> None:
    real, synthetic, body = head()
    expected = wepl_measures(real, synthetic, body, body, by=GENERIC)
    mask = real.with_array(body).with_axes(orientation).array
    other = wepl_measures(real.with_axes(orientation), synthetic.with_axes(orientation), mask, mask, by=GENERIC)
    assert other["real_mm"] == pytest.approx(expected["real_mm"], abs=2e-3)
    assert other["true_outline"] == pytest.approx(expected["true_outline"], abs=1e-3)
    assert other["point_mm"] == expected["point_mm"]


@given(angles=st.tuples(*[st.floats(-40, 40)] * 3), shift=st.tuples(*[st.floats(-30, 30)] * 3))
@settings(max_examples=8, deadline=None)
def test_oblique_grids_give_the_same_but_for_their_voxels(angles, shift) -> None:
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    grid = centred((56, 56, 56), (2.5, 2.5, 2.5), turn)
    affine = grid.affine.copy()
    affine[:3, 3] += shift
    body = cylinder(grid, 40, 40)
    volume = Volume(filled(grid, body, 100).array, Grid(grid.shape, affine))
    measures = wepl_measures(volume, volume, body, body, by=GENERIC)
    assert measures["point_mm"] == pytest.approx(shift, abs=0.3)
    assert measures["planes_mm"] == [-20, 0, 20]
    assert np.mean(measures["real_mm"]) == pytest.approx(40 * 1.095, abs=0.6)


def test_equal_volumes_have_no_error() -> None:
    real, _, body = head()
    measures = wepl_measures(real, real, body, body, by=GENERIC)
    for outline in ("own_outline", "true_outline"):
        assert measures[outline].pop("rays") == 216
        assert set(measures[outline].values()) == {0}
    assert measures["real_mm"] == measures["synthetic_mm"] == measures["synthetic_in_true_outline_mm"]
    assert measures["truncated_rays"] == 0
    assert measures["angles_deg"] == list(ANGLES)


def test_a_body_moved_by_3_mm_is_3_mm_off_in_its_own_outline_only() -> None:
    grid = centred((110, 110, 20), (1.0, 1.0, 3.0))
    body, other = box(grid, (40, 40, 25)), box(grid, (40, 40, 25), (-3, 0, 0))
    measures = wepl_measures(filled(grid, body), filled(grid, other), body, other, by=GENERIC, angles=(0, 90, 270))
    real, own, true = (np.array(measures[name]) for name in ("real_mm", "synthetic_mm", "synthetic_in_true_outline_mm"))
    assert own - real == pytest.approx([0, 3, -3], abs=0.02)
    assert true - real == pytest.approx([0, 0, -3], abs=0.02)
    assert measures["own_outline"]["me_mm"] == pytest.approx(0, abs=0.01)
    assert measures["own_outline"]["mae_mm"] == pytest.approx(2, abs=0.02)
    assert measures["own_outline"]["beyond_2mm_percent"] == pytest.approx(200 / 3)
    assert measures["true_outline"]["me_mm"] == pytest.approx(-1, abs=0.01)


def test_other_density_everywhere_is_that_part_of_the_path() -> None:
    grid = centred((60, 60, 30), (2.0, 2.0, 3.0))
    body = cylinder(grid, 50, 40)
    measures = wepl_measures(filled(grid, body), filled(grid, body, 100), body, body, by=GENERIC)
    assert measures["true_outline"]["mae_percent"] == pytest.approx(9.5)
    assert measures["true_outline"]["me_mm"] == pytest.approx(0.095 * 50, abs=0.05)
    assert measures["true_outline"]["beyond_2mm_percent"] == 100


def test_what_is_outside_the_outlines_does_not_count() -> None:
    real, synthetic, body = head()
    couch = real.with_array(np.where(body, real.array, 800.0))
    assert wepl_measures(couch, synthetic, body, body, by=GENERIC) == wepl_measures(
        real, synthetic, body, body, by=GENERIC
    )


def test_a_target_is_where_the_rays_lead() -> None:
    real, synthetic, body = head()
    target = np.zeros_like(body)
    target[30, 20, 20] = True
    measures = wepl_measures(real, synthetic, body, body, by=GENERIC, target=target)
    point = real.grid.affine @ [30, 20, 20, 1]
    assert measures["target"] == "centre of the target"
    assert measures["point_mm"] == pytest.approx(point[:3])
    expected = path_lengths(real, body, GENERIC, point[:3])
    assert measures["real_mm"] == pytest.approx(expected.tolist(), abs=1e-3)


def test_rays_that_leave_the_field_of_view_inside_the_body_are_counted_and_left_out() -> None:
    grid = centred((60, 60, 30), (2.0, 2.0, 3.0))
    body = cylinder(grid, 50, 40)
    whole = filled(grid, body)
    expected = path_lengths(whole, body, GENERIC, CENTRE)
    half = Volume(whole.array[18:], Grid((42, 60, 30), moved(grid, 18)))
    found = path_lengths(half, body[18:], GENERIC, CENTRE)
    left = np.array([-np.sin(np.deg2rad(angle)) * 50 < -24 for angle in ANGLES])
    assert np.isnan(found[left]).mean() > 0.9
    assert found[~left] == pytest.approx(expected[~left], abs=1e-6)
    measures = wepl_measures(half, half, body[18:], body[18:], by=GENERIC)
    cut = sum(value is None for value in measures["real_mm"])
    assert 0 < cut < len(ANGLES) / 2
    assert measures["truncated_rays"] == 3 * cut
    assert measures["true_outline"]["rays"] == measures["rays"] - 3 * cut
    assert [value is None for value in measures["synthetic_mm"]] == [value is None for value in measures["real_mm"]]


def test_what_is_not_valid_is_like_what_is_outside_the_field_of_view() -> None:
    grid = centred((60, 60, 30), (2.0, 2.0, 3.0))
    body = cylinder(grid, 50, 40)
    valid = np.ones_like(body)
    valid[:18] = False
    volume, seen, point = filled(grid, body), body & valid, box(grid, (2, 2, 2))
    measures = wepl_measures(volume, volume, seen, seen, by=GENERIC, target=point, valid=valid)
    cut = [value is None for value in measures["real_mm"]]
    half = path_lengths(Volume(volume.array[18:], Grid((42, 60, 30), moved(grid, 18))), body[18:], GENERIC, CENTRE)
    assert cut == np.isnan(half).tolist()
    whole = wepl_measures(volume, volume, body, body, by=GENERIC, target=point, valid=valid | ~body)
    assert sum(value is None for value in whole["real_mm"]) == 0  # the skin comes first
    unaware = wepl_measures(volume, volume, seen, seen, by=GENERIC, target=point)
    assert unaware["truncated_rays"] == 0


def test_a_body_that_fills_the_field_of_view_has_no_lengths() -> None:
    grid = centred((30, 30, 30), (3.0, 3.0, 3.0))
    body = np.ones(grid.shape, bool)
    measures = wepl_measures(filled(grid, body), filled(grid, body), body, body, by=GENERIC)
    assert measures["true_outline"] is measures["own_outline"] is None
    assert measures["truncated_rays"] == measures["rays"] == 216


def test_planes_outside_the_body_are_dropped() -> None:
    grid = centred((60, 60, 30), (2.0, 2.0, 3.0))
    body = cylinder(grid, 50, 15)
    measures = wepl_measures(filled(grid, body), filled(grid, body), body, body, by=GENERIC)
    assert measures["planes_mm"] == [0]
    assert measures["rays"] == len(ANGLES)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("what", ["empty", "tiny"])
def test_empty_and_tiny_bodies_are_refused(which: int, what: str) -> None:
    real, synthetic, body = head()
    bodies = [body, body.copy()]
    bodies[which] = np.zeros_like(body)
    bodies[which][20:22, 20:22, 20] = what == "tiny"
    with pytest.raises(DataError, match=f"{('real', 'synthetic')[which]} CT is .*give a mask") as caught:
        wepl_measures(real, synthetic, *bodies, by=GENERIC)
    assert ("empty" in str(caught.value)) == (what == "empty")


def test_targets_that_are_empty_or_outside_are_refused() -> None:
    real, synthetic, body = head()
    target = np.zeros_like(body)
    with pytest.raises(DataError, match="target mask is empty"):
        wepl_measures(real, synthetic, body, body, by=GENERIC, target=target)
    target[0, 0, 0] = True
    with pytest.raises(DataError, match="outside the body"):
        wepl_measures(real, synthetic, body, body, by=GENERIC, target=target)


def test_the_table_decides() -> None:
    grid = centred((60, 60, 20), (2.0, 2.0, 3.0))
    body = box(grid, (50, 50, 25))
    double = HuTable("double", (-1000.0, 1000.0), (2.0, 2.0), "spr", "this test")
    assert path_lengths(filled(grid, body), body, double, CENTRE, (0.0,))[0] == pytest.approx(100, abs=0.1)
