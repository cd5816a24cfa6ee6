"""One grid onto another, by SimpleITK."""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from medcycle.volume import Grid, Volume

__all__ = ["coarsen", "resample_to"]

Interpolation = Literal["linear", "nearest", "bspline"]

INTERPOLATORS = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "bspline": sitk.sitkBSpline3}


def resample_to(volume: Volume, grid: Grid, *, background: float, interpolation: Interpolation = "linear") -> Volume:
    """Sample a volume at the voxel centres of another grid.

    Args:
        volume: what to sample; booleans become uint8.
        grid: where to sample it.
        background: value of voxels whose centre lies outside the volume's field of view (voxel edges included).
        interpolation: how values between voxel centres are made.

    Returns:
        A volume on `grid`, of the input's data type (uint8 for booleans).
    """
    # Both images are moved into index space: SimpleITK refuses directions with shear, an affine transform does not.
    array = volume.array.astype(np.uint8) if volume.array.dtype.kind == "b" else volume.array
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    to_source_index = np.linalg.inv(volume.grid.affine) @ grid.affine
    transform = sitk.AffineTransform(to_source_index[:3, :3].ravel().tolist(), to_source_index[:3, 3].tolist())
    resampled = sitk.Resample(
        image,
        size=list(grid.shape),
        transform=transform,
        interpolator=INTERPOLATORS[interpolation],
        defaultPixelValue=float(background),
    )
    return Volume(np.asarray(sitk.GetArrayFromImage(resampled)).T, grid)


def coarsen(volume: Volume, spacing: float) -> Volume:
    """A blurred volume of about `spacing` (mm) along the axes that are finer, over the same field of view; float32."""
    shape = np.array(volume.grid.shape)
    wanted = np.maximum(1.0, spacing / np.array(volume.grid.spacing))
    size = np.maximum(1, np.round(shape / wanted)).astype(int)
    factor = shape / size
    affine = volume.grid.affine.copy()
    affine[:3, :3] *= factor
    affine[:3, 3] += volume.grid.affine[:3, :3] @ ((factor - 1) / 2)
    # from the finer grid's point spread to the coarser one's, both taken as one voxel wide at half maximum
    blurred = ndimage.gaussian_filter(
        volume.array.astype(np.float32), np.sqrt(np.maximum(factor**2 - 1, 0)) / 2.355, mode="nearest"
    )
    grid = Grid((int(size[0]), int(size[1]), int(size[2])), affine)
    return resample_to(volume.with_array(blurred), grid, background=float(blurred.min()))
