"""Resampling, against a closed form and against SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import ndimage

from medcycle.resample import resample_to
from medcycle.volume import Grid, Volume
from tests.geometry import grids, numbered


def plane(grid: Grid) -> Volume:
    """A field that is linear in position, which linear interpolation gives exactly."""
    index = np.indices(grid.shape).reshape(3, -1)
    position = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    return Volume((np.array([1.0, -2.0, 0.5]) @ position + 7).reshape(grid.shape), grid)


@settings(deadline=None)
@given(grids(), grids())
def test_linear_fields_stay_linear(source: Grid, target: Grid) -> None:
    found = resample_to(plane(source), target, background=np.nan).array
    index = np.indices(target.shape).reshape(3, -1)
    position = target.affine[:3, :3] @ index + target.affine[:3, 3:]
    at = np.linalg.inv(source.affine[:3, :3]) @ (position - source.affine[:3, 3:])
    size = np.array(source.shape)[:, None]
    inside = ((at >= 0.01) & (at <= size - 1.01)).all(axis=0).reshape(target.shape)
    beyond = ((at < -0.51) | (at > size - 0.49)).any(axis=0).reshape(target.shape)
    np.testing.assert_allclose(found[inside], plane(target).array[inside], atol=1e-4)
    assert np.isnan(found[beyond]).all()


@settings(deadline=None)
@given(grids())
def test_onto_itself_changes_nothing(grid: Grid) -> None:
    volume = numbered(grid)
    for interpolation in ("linear", "nearest"):
        np.testing.assert_allclose(
            resample_to(volume, grid, background=-1, interpolation=interpolation).array, volume.array, atol=1e-2
        )


def test_against_scipy() -> None:
    generator = np.random.default_rng(0)
    source = Volume(generator.normal(size=(9, 10, 11)).astype(np.float32), Grid((9, 10, 11), np.diag([1, 2, 3, 1])))
    affine = np.diag([0.7, 1.3, 2.1, 1.0])
    affine[:3, 3] = [1.5, 2.0, 4.0]
    target = Grid((6, 7, 8), affine)
    matrix = np.linalg.inv(source.grid.affine) @ affine
    expected = ndimage.affine_transform(source.array, matrix[:3, :3], matrix[:3, 3], (6, 7, 8), order=1, cval=-9)
    found = resample_to(source, target, background=-9).array
    inside = np.s_[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)


def test_masks_stay_masks() -> None:
    grid = Grid((4, 4, 4), np.eye(4))
    mask = Volume(np.eye(4)[:, :, None].repeat(4, 2) > 0, grid)
    found = resample_to(mask, grid, background=0, interpolation="nearest").array
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, mask.array)
    assert pytest.approx(found.sum()) == 16
