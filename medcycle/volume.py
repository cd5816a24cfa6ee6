"""Voxels and where they are: `Grid` and `Volume`.

Affines are RAS+ in millimetres: `affine @ (i, j, k, 1)` is the centre of voxel `(i, j, k)`, with x growing to the
patient's right, y to anterior, z to superior. Arrays are indexed `[i, j, k]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from medcycle.errors import DataError, GridMismatch

__all__ = ["GRID_TOLERANCE", "Array", "Grid", "Volume"]

Array = npt.NDArray[Any]

GRID_TOLERANCE = 0.01
"""of the smallest side of a voxel, that voxels of two grids that count as one may be apart: files round affines."""


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
            raise DataError(f"an affine must be a finite 4×4 matrix with last row 0 0 0 1, not {affine.tolist()}")
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if lengths.min() <= 0 or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-4:
            raise DataError(f"the affine is singular: {affine[:3, :3].tolist()}; correct the file's header")
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

    def distance(self, other: Grid) -> float:
        """How far apart (mm) voxels of the same index are at most; infinite for grids of other shapes."""
        if self.shape != other.shape:
            return float("inf")
        corners = np.array(list(product(*((0, n - 1) for n in self.shape))))  # the largest distance is at one of them
        difference = self.affine - other.affine
        return float(np.linalg.norm(corners @ difference[:3, :3].T + difference[:3, 3], axis=1).max())

    def is_close(self, other: Grid, tolerance: float | None = None) -> bool:
        """Whether shapes are equal and voxels of the same index lie within `tolerance`.

        Args:
            other: the other grid.
            tolerance: mm; None for a hundredth of the smallest side of a voxel.
        """
        return self.distance(other) <= (GRID_TOLERANCE * min(self.spacing) if tolerance is None else tolerance)

    def require_close(self, other: Grid, what: str, tolerance: float | None = None) -> None:
        """Raise `GridMismatch`, naming `what` is compared and how it differs, unless the grids are close."""
        if not self.is_close(other, tolerance):
            raise GridMismatch(f"{what}: the grids differ ({self._difference(other)}); resample one onto the other")

    def _difference(self, other: Grid) -> str:
        both = _describe(self), _describe(other)
        apart = self.distance(other)
        distance = "" if np.isinf(apart) else f"the same voxels are up to {apart:.3g} mm apart"
        return distance if both[0] == both[1] else "; ".join(filter(None, (f"{both[0]} against {both[1]}", distance)))


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
        return self.with_axes("RAS")

    def with_axes(self, orientation: str) -> Volume:
        """The same voxels with axes flipped and permuted to another orientation; nothing is interpolated.

        Args:
            orientation: as `Grid.orientation` has it, such as `LPS`.
        """
        now = nib.orientations.io_orientation(self.grid.affine)
        turn = nib.orientations.ornt_transform(now, nib.orientations.axcodes2ornt(orientation))
        array = nib.orientations.apply_orientation(self.array, turn)
        affine = self.grid.affine @ nib.orientations.inv_ornt_aff(turn, self.grid.shape)
        return Volume(array, Grid(array.shape, affine))
