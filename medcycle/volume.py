"""Voxels and where they are: `Grid` and `Volume`.

Affines are RAS+ in millimetres: `affine @ (i, j, k, 1)` is the centre of voxel `(i, j, k)`, with x growing to the
patient's right, y to anterior, z to superior. Arrays are indexed `[i, j, k]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from medcycle.errors import DataError, GridMismatch

__all__ = ["GRID_TOLERANCE", "Array", "Grid", "Volume"]

Array = npt.NDArray[Any]

GRID_TOLERANCE = 1e-4
"""Largest difference between two affine entries (mm) at which two grids count as one."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid in patient space.

    Args:
        shape: number of voxels along each of the three axes, all positive.
        affine: 4×4 matrix, RAS+ mm, finite and invertible.

    Raises:
        DataError: if the shape is not three positive numbers or the affine is not a finite, invertible 4×4 matrix.

    >>> grid = Grid((4, 5, 6), np.diag([1.0, 2.0, 3.0, 1.0]))
    >>> grid.spacing, grid.orientation
    ((1.0, 2.0, 3.0), 'RAS')
    """

    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        affine = np.array(self.affine, dtype=np.float64)
        if len(shape) != 3 or min(shape) < 1:
            raise DataError(f"a grid needs three positive sizes, not {shape}; give one three-dimensional volume")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.array_equal(affine[3], [0, 0, 0, 1]):
            raise DataError(f"an affine is a finite 4×4 matrix with the last row 0 0 0 1, not {affine.tolist()}")
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if lengths.min() <= 0 or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-4:
            raise DataError(f"the affine's axes lie in a plane: {affine[:3, :3].tolist()}; correct the file's header")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along each axis, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @cached_property
    def orientation(self) -> str:
        """The direction in which each axis grows, nearest letters: `RAS`, `PIR`, ..."""
        return "".join(nib.orientations.aff2axcodes(self.affine))

    @property
    def field_of_view(self) -> tuple[float, float, float]:
        """Extent along each axis, voxel edges included, mm."""
        x, y, z = (n * s for n, s in zip(self.shape, self.spacing, strict=True))
        return x, y, z

    def is_close(self, other: Grid, tolerance: float = GRID_TOLERANCE) -> bool:
        """Whether shape is equal and no affine entry differs by more than `tolerance`."""
        return self.shape == other.shape and bool(np.allclose(self.affine, other.affine, rtol=0, atol=tolerance))

    def require_close(self, other: Grid, what: str, tolerance: float = GRID_TOLERANCE) -> None:
        """Raise `GridMismatch`, naming `what` is compared, unless the grids are close."""
        if not self.is_close(other, tolerance):
            raise GridMismatch(
                f"{what}: the grids differ ({_describe(self)} against {_describe(other)}); resample one onto the other"
            )


def _describe(grid: Grid) -> str:
    size = "×".join(str(n) for n in grid.shape)
    spacing = "×".join(f"{s:.3g}" for s in grid.spacing)
    origin = ", ".join(f"{v:.1f}" for v in grid.affine[:3, 3])
    return f"{size} voxels of {spacing} mm {grid.orientation} from ({origin})"


@dataclass(frozen=True, eq=False)
class Volume:
    """An array and its grid. Frozen: `with_array` makes the next one.

    Args:
        array: voxels, indexed `[i, j, k]`, of the grid's shape.
        grid: where they are.

    Raises:
        DataError: if the array's shape is not the grid's.
    """

    array: Array
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise DataError(f"an array of shape {self.array.shape} does not fit a grid of {self.grid.shape}")

    def with_array(self, array: Array) -> Volume:
        """Other voxels on the same grid."""
        return Volume(array, self.grid)

    def to_ras(self) -> Volume:
        """The same voxels with axes flipped and permuted to the nearest RAS; nothing is interpolated."""
        image = nib.as_closest_canonical(nib.Nifti1Image(self.array, self.grid.affine))
        array = np.asarray(image.dataobj)
        return Volume(array, Grid(array.shape, image.affine))
