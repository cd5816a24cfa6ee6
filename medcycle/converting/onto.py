"""A map onto another grid: averaged where that is coarser, with the share that lies outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from medcycle.errors import GridMismatch
from medcycle.resample import resample_to
from medcycle.volume import Grid, Volume

__all__ = ["averaged_onto", "smoothed"]

FULL_WIDTH = 2 * np.sqrt(2 * np.log(2))
"""Standard deviations of a Gaussian in its full width at half maximum."""


def smoothed(volume: Volume, fwhm: float) -> Volume:
    """Blurred by a Gaussian, as PET is; the border's value goes on beyond it.

    Args:
        volume: any values.
        fwhm: full width at half maximum, mm.

    Returns:
        float32.
    """
    sigma = [fwhm / FULL_WIDTH / width for width in volume.grid.spacing]
    blurred = ndimage.gaussian_filter(volume.array.astype(np.float32), sigma, mode="nearest")
    return volume.with_array(blurred)


def averaged_onto(volume: Volume, grid: Grid, background: float) -> tuple[Volume, float]:
    """Linear between voxel centres, and where the other grid is coarser the mean over each of its voxels.

    The mean is that of n points along each axis, evenly spaced in the voxel; n is the ratio of the spacings, rounded
    up, so that no voxel of the source is missed.

    Args:
        volume: the map.
        grid: where it is wanted; any orientation.
        background: of what lies outside the map's field of view.

    Returns:
        float32 on `grid`, and the fraction of its voxels whose centres lie outside the field of view.

    Raises:
        GridMismatch: if all of them do.
    """
    counts = _points(volume.grid, grid)
    made = np.empty(grid.shape, np.float32)
    outside = 0
    for k in range(grid.shape[2]):  # finer slices are many times larger, and so made one at a time
        affine = grid.affine.copy()
        affine[:, 3] = grid.affine @ [0, 0, k, 1]
        plane = Grid((*grid.shape[:2], 1), affine)
        fine = resample_to(volume, _finer(plane, counts), background=background).array
        shape = (grid.shape[0], counts[0], grid.shape[1], counts[1], counts[2])
        made[:, :, k] = fine.reshape(shape).mean(axis=(1, 3, 4), dtype=np.float64)
        outside += _outside(volume.grid, plane)
    share = outside / made.size
    if share == 1:
        raise GridMismatch("no voxel of the grid lies in the field of view of the CT; register the two first")
    return Volume(made, grid), share


def _points(source: Grid, grid: Grid) -> list[int]:
    """Points along each axis of a voxel of the grid: as many as voxels of the source that it spans there."""
    steps = np.linalg.inv(source.affine)[:3, :3] @ grid.affine[:3, :3]
    return [max(1, int(np.ceil(np.linalg.norm(step) - 1e-3))) for step in steps.T]


def _finer(grid: Grid, counts: Sequence[int]) -> Grid:
    """The points in the voxels of a grid, as a grid."""
    affine = grid.affine @ np.diag([*(1 / n for n in counts), 1.0])
    affine[:3, 3] = grid.affine[:3] @ [*((1 / n - 1) / 2 for n in counts), 1.0]
    i, j, k = (size * n for size, n in zip(grid.shape, counts, strict=True))
    return Grid((i, j, k), affine)


def _outside(source: Grid, plane: Grid) -> int:
    """Voxels of a plane whose centres lie outside the source's field of view, voxel edges included."""
    to_index = np.linalg.inv(source.affine) @ plane.affine
    i, j = np.arange(plane.shape[0])[:, None], np.arange(plane.shape[1])[None]
    inside = np.ones(plane.shape[:2], bool)
    for axis, size in enumerate(source.shape):
        index = to_index[axis, 0] * i + to_index[axis, 1] * j + to_index[axis, 3]
        inside &= (index >= -0.5) & (index <= size - 0.5)
    return int(np.count_nonzero(~inside))
