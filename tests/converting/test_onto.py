"""Maps on other grids against SimpleITK."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medcycle.converting.onto import averaged_onto, smoothed
from medcycle.errors import GridMismatch
from medcycle.io.itk import to_itk
from medcycle.volume import Grid, Volume
from tests.geometry import grids


def grid_of(
    shape: tuple[int, int, int], spacing: tuple[float, ...], origin: tuple[float, ...], turn: float = 0
) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("zx", [turn, turn / 2], degrees=True).as_matrix() * spacing
    affine[:3, 3] = origin
    return Grid(shape, affine)


def noise(grid: Grid, seed: int = 0) -> Volume:
    return Volume(np.random.default_rng(seed).normal(size=grid.shape).astype(np.float32), grid)


def test_a_grid_as_fine_is_sampled_as_simpleitk_does() -> None:
    source = noise(grid_of((24, 20, 18), (2.0, 2.0, 2.5), (-20, -18, -15)))
    target = grid_of((22, 26, 20), (1.9, 1.8, 2.0), (-22, -20, -14), turn=12)
    made, outside = averaged_onto(source, target, -3.0)
    like = to_itk(Volume(np.zeros(target.shape, np.float32), target))
    expected = sitk.Resample(to_itk(source), like, sitk.Transform(), sitk.sitkLinear, -3.0)
    np.testing.assert_allclose(made.array, sitk.GetArrayFromImage(expected).T, atol=1e-3)
    assert made.grid.is_close(target)
    there = sitk.Resample(to_itk(source.with_array(np.ones_like(source.array))), like, sitk.Transform(), 1, 0.0)
    assert outside == pytest.approx(float(np.mean(sitk.GetArrayFromImage(there) == 0)), abs=1e-6)
    assert 0.1 < outside < 0.9


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SLP"])
def test_a_coarser_grid_gets_the_mean_of_what_each_voxel_covers(axes: str) -> None:
    source = noise(grid_of((24, 20, 18), (1.0, 1.5, 2.0), (0, 0, 0), turn=20))
    binned = sitk.BinShrink(to_itk(source), [4, 2, 3])
    affine = source.grid.affine @ np.diag([4.0, 2, 3, 1])
    affine[:3, 3] = source.grid.affine[:3] @ [1.5, 0.5, 1.0, 1]
    expected = Volume(sitk.GetArrayFromImage(binned).T, Grid((6, 10, 6), affine)).with_axes(axes)
    made, outside = averaged_onto(source, expected.grid, 0.0)
    np.testing.assert_allclose(made.array, expected.array, atol=1e-5)
    assert outside == 0


def test_fine_structure_does_not_alias() -> None:
    """Stripes as narrow as a voxel are grey in voxels of four, wherever those begin."""
    source = noise(grid_of((40, 40, 12), (1, 1, 1), (0, 0, 0)))
    striped = source.with_array(np.broadcast_to(np.arange(40)[:, None, None] % 2, (40, 40, 12)).astype(np.float32))
    made, _ = averaged_onto(striped, grid_of((8, 8, 2), (4, 4, 4), (3.3, 3.6, 3.0)), 0.0)
    np.testing.assert_allclose(made.array, 0.5, atol=1e-5)


@given(source=grids(), target=grids(), value=st.floats(-5, 5))
@settings(deadline=None, max_examples=40)
def test_one_value_stays_one_value(source: Grid, target: Grid, value: float) -> None:
    one = Volume(np.full(source.shape, value, np.float32), source)
    try:
        made, outside = averaged_onto(one, target, value)
    except GridMismatch:
        return
    np.testing.assert_allclose(made.array, value, rtol=1e-5, atol=1e-6)
    assert 0 <= outside < 1


def test_what_is_outside_is_background_and_counted() -> None:
    source = noise(grid_of((10, 10, 10), (2, 2, 2), (0, 0, 0)))
    target = grid_of((10, 10, 20), (2, 2, 2), (0, 0, 0))
    made, outside = averaged_onto(source, target, 7.0)
    assert outside == 0.5
    assert (made.array[:, :, 10:] == 7).all()
    np.testing.assert_array_equal(made.array[:, :, :10], source.array)
    with pytest.raises(GridMismatch, match="register"):
        averaged_onto(source, grid_of((5, 5, 5), (2, 2, 2), (500, 0, 0)), 0.0)


def test_a_point_becomes_as_wide_as_asked() -> None:
    volume = noise(grid_of((61, 61, 41), (0.5, 0.5, 1.0), (0, 0, 0)))
    point = np.zeros(volume.grid.shape, np.float32)
    point[30, 30, 20] = 1
    made = smoothed(volume.with_array(point), 6.0)
    for profile, width in ((made.array[:, 30, 20], 0.5), (made.array[30, 30, :], 1.0)):
        centre = len(profile) // 2
        at = round(3.0 / width)
        assert profile[centre + at] / profile[centre] == pytest.approx(0.5, abs=0.01)
        assert profile[centre - at] / profile[centre] == pytest.approx(0.5, abs=0.01)
    assert made.array.sum() == pytest.approx(1, abs=1e-3)
