"""Simple bodies on any grid, which the tests of path lengths and radiographs share."""

from collections.abc import Sequence

import numpy as np

from medcycle.volume import Array, Grid, Volume

AIR = -1024.0


def centred(shape: Sequence[int], spacing: Sequence[float], turn: Array | None = None) -> Grid:
    """A grid about the origin; turned by a rotation, if one is given."""
    affine = np.diag([*spacing, 1.0])
    if turn is not None:
        affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(tuple(shape), affine)


def places(grid: Grid) -> Array:
    """RAS of all voxels, shape (3, i, j, k)."""
    voxels = np.indices(grid.shape).reshape(3, -1)
    return (grid.affine[:3, :3] @ voxels + grid.affine[:3, 3:]).reshape(3, *grid.shape)


def box(grid: Grid, half: Sequence[float], centre: Sequence[float] = (0, 0, 0)) -> Array:
    """Voxels whose centres lie in a box along the patient's axes."""
    away = np.abs(places(grid) - np.reshape(centre, (3, 1, 1, 1)))
    return (away < np.reshape(half, (3, 1, 1, 1))).all(axis=0)


def cylinder(grid: Grid, radius: float, half: float = 50.0) -> Array:
    """Voxels whose centres lie in a cylinder along the patient."""
    x, y, z = places(grid)
    return (np.hypot(x, y) < radius) & (np.abs(z) < half)


def filled(grid: Grid, body: Array, hu: float = 0.0) -> Volume:
    """A body of one material in air."""
    return Volume(np.where(body, hu, AIR).astype(np.float32), grid)
