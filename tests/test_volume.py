"""Grid and Volume."""

import numpy as np
import pytest
from hypothesis import given

from medcycle.errors import DataError, GridMismatch
from medcycle.volume import Grid, Volume
from tests.geometry import grids, numbered


@given(grids())
def test_to_ras_keeps_every_voxel_at_its_place(grid: Grid) -> None:
    volume = numbered(grid)
    turned = volume.to_ras()
    index = np.indices(turned.grid.shape).reshape(3, -1)
    position = turned.grid.affine[:3, :3] @ index + turned.grid.affine[:3, 3:]
    back = np.linalg.inv(grid.affine[:3, :3]) @ (position - grid.affine[:3, 3:])
    np.testing.assert_allclose(back, back.round(), atol=1e-6)
    i, j, k = back.round().astype(int)
    np.testing.assert_array_equal(turned.array.ravel(), volume.array[i, j, k])


@given(grids(oblique=False))
def test_to_ras_is_ras(grid: Grid) -> None:
    assert numbered(grid).to_ras().grid.orientation == "RAS"


@given(grids())
def test_spacing_is_the_distance_of_neighbours(grid: Grid) -> None:
    for axis in range(3):
        step = np.zeros(4)
        step[axis] = 1
        assert grid.spacing[axis] == pytest.approx(np.linalg.norm(grid.affine @ step))
        assert grid.field_of_view[axis] == pytest.approx(grid.spacing[axis] * grid.shape[axis])


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((2, 2), np.eye(4)),
        ((2, 0, 2), np.eye(4)),
        ((2, 2, 2), np.zeros((4, 4))),
        ((2, 2, 2), np.diag([1, 1, np.nan, 1])),
        ((2, 2, 2), np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
        ((2, 2, 2), np.eye(3)),
    ],
)
def test_impossible_grids_are_refused(shape, affine) -> None:
    with pytest.raises(DataError):
        Grid(shape, affine)


def test_values_are_frozen() -> None:
    grid = Grid((2, 3, 4), np.eye(4))
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2
    with pytest.raises(AttributeError):
        grid.shape = (1, 1, 1)
    with pytest.raises(DataError, match=r"\(4, 3, 2\)"):
        Volume(np.zeros((4, 3, 2)), grid)


def test_grids_that_differ_are_named() -> None:
    grid = Grid((2, 3, 4), np.eye(4))
    grid.require_close(Grid((2, 3, 4), np.eye(4) + np.eye(4, k=3) * 5e-5), "a and b")
    grid.require_close(Grid((2, 3, 4), np.diag([1, 1, 1.003, 1])), "a and b")  # 0.009 mm at the last voxel
    with pytest.raises(GridMismatch, match=r"a and b: .*the same voxels are up to 0\.012 mm apart"):
        grid.require_close(Grid((2, 3, 4), np.diag([1, 1, 1.004, 1])), "a and b")
    with pytest.raises(GridMismatch, match=r"2×3×4 voxels .* against 2×3×5 voxels"):
        grid.require_close(Grid((2, 3, 5), np.eye(4)), "a and b")
