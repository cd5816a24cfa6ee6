"""Overlap and surface distances of two masks."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial import cKDTree

from medcycle.volume import Array, Grid

__all__ = ["Agreement", "agreement", "depths", "dice", "surface_distances"]

PERCENTILE = 95.0
"""Of the distances, for HD95."""


class Agreement(NamedTuple):
    """Of two masks.

    Args:
        dice: 0 to 1; None if both are empty.
        hd95_mm: the 95th percentile of the Hausdorff distance, mm; None if one of them is empty.
        msd_mm: the mean surface distance, mm; likewise.
    """

    dice: float | None
    hd95_mm: float | None
    msd_mm: float | None


def dice(first: Array, second: Array) -> float | None:
    """Dice's coefficient, `2 |A ∩ B| / (|A| + |B|)`.

    Returns:
        0 to 1; None if both masks are empty.
    """
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / total if total else None


def surface_distances(first: Array, second: Array, grid: Grid) -> tuple[Array, Array]:
    """From each surface voxel of one mask to the nearest surface voxel of the other, both ways.

    A surface voxel is one with a face neighbour outside the mask, or at the end of the array, as MONAI defines it.

    Args:
        first: boolean, of the grid's shape.
        second: likewise; neither is empty.
        grid: where the voxels are; distances are between their centres in patient space.

    Returns:
        Distances, mm, from the surface of the first to the second's, and from the second's to the first's.
    """
    box = _box(first | second)
    points = [np.argwhere(_surface(mask[box])) @ grid.affine[:3, :3].T for mask in (first, second)]
    trees = [cKDTree(cloud) for cloud in points]
    there, back = (trees[1 - own].query(points[own], workers=-1)[0] for own in (0, 1))
    return there, back


def agreement(first: Array, second: Array, grid: Grid) -> Agreement:
    """Dice, HD95 and the mean surface distance of two masks.

    HD95 is the larger of the 95th percentiles of the distances there and back (MONAI's `HausdorffDistanceMetric` with
    `percentile=95`, which the SynthRAD2025 challenge uses); the mean surface distance is the mean of the means there
    and back.
    """
    if not first.any() or not second.any():
        return Agreement(dice(first, second), None, None)
    ways = surface_distances(first, second, grid)
    hd95 = max(float(np.percentile(way, PERCENTILE)) for way in ways)
    return Agreement(dice(first, second), hd95, float(np.mean([way.mean() for way in ways])))


def depths(mask: Array, grid: Grid) -> Array:
    """How deep each voxel lies below the surface of a mask.

    The ends of the array are no surface: there a field of view cuts the body off.

    Args:
        mask: boolean, of the grid's shape.
        grid: where the voxels are.

    Returns:
        Distances, mm, float32, negative outside the mask; infinite, of one sign, if the mask is empty or full.
    """
    if not mask.any() or mask.all():
        return np.full(mask.shape, np.inf if mask.any() else -np.inf, dtype=np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask.T, dtype=np.uint8))
    image.SetSpacing(grid.spacing)
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    # which is from the centres of the outermost voxels of the mask; their borders are half a voxel farther out
    return cast(Array, min(grid.spacing) / 2 - sitk.GetArrayFromImage(distance).T.astype(np.float32))


def _surface(mask: Array) -> Array:
    return cast(Array, mask & ~ndimage.binary_erosion(mask))


def _box(mask: Array) -> tuple[slice, ...]:
    """The mask's box and a voxel around it, so that its ends are not taken for the array's."""
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(slice(max(0, one.start - 1), one.stop + 1) for one in found)
