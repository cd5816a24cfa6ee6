"""A volume as the stack of axial slices that a CT series holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from medcycle.volume import Array, Volume

__all__ = ["AXIAL_TOLERANCE", "HU_RANGE", "AxialStack", "axial_stack"]

HU_RANGE = (-1024, 3071)
"""What 12 bits hold with an intercept of −1024."""

AXIAL_TOLERANCE = 0.01
"""Farthest (mm) that writing a grid's planes as exactly axial may move any voxel; beyond it the volume is resampled."""


@dataclass(frozen=True)
class AxialStack:
    """Stored values `[slice, row, column]` (HU + 1024), first voxel (LPS+ mm), spacing along x, y and z (mm)."""

    stored: Array
    origin: Array
    spacing: tuple[float, float, float]
    resampled: bool


def axial_stack(volume: Volume) -> AxialStack:
    r"""Clip HU to `HU_RANGE`, round, and bring the volume onto planes of orientation 1\0\0\0\1\0 exactly.

    Planes that are axial already, and cubes of voxels that only need their axes permuted or flipped, keep their voxels.
    Anything else is resampled linearly onto square pixels over the bounding box, with the slice spacing of the source
    axis nearest to head-feet and −1024 HU outside.

    Args:
        volume: finite HU, any orientation.
    """
    array, directions, origin, spacing, order = _nearest_axial(volume)
    steps = np.array(array.shape) - 1
    tilt = (directions - np.eye(3)) * spacing * steps
    moved = max(float(np.linalg.norm(tilt @ corner)) for corner in itertools.product((0, 1), repeat=3))
    sliced_axially = order[2] == 2
    square = bool(np.isclose(spacing[0], spacing[1], rtol=1e-4))
    keeps = moved <= AXIAL_TOLERANCE and (sliced_axially or square)
    hu = array.astype(np.float32).clip(*HU_RANGE)
    if not keeps:
        hu, origin, spacing = _resample(hu, directions, origin, spacing)
    stored = (np.rint(hu) - HU_RANGE[0]).astype(np.uint16).transpose(2, 1, 0)
    return AxialStack(stored, origin, (float(spacing[0]), float(spacing[1]), float(spacing[2])), not keeps)


def _nearest_axial(volume: Volume) -> tuple[Array, Array, Array, Array, tuple[int, ...]]:
    """The voxels with axes permuted and flipped to lie nearest to +x, +y, +z of LPS.

    Returns:
        Array, unit directions (columns), first voxel (mm), spacing (mm), and the source axis of each new one.
    """
    # DICOM is LPS+, our affines are RAS+.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.affine
    spacing = np.array(volume.grid.spacing)
    directions = affine[:3, :3] / spacing
    order = max(itertools.permutations(range(3)), key=lambda p: sum(abs(directions[i, p[i]]) for i in range(3)))
    directions, spacing = directions[:, order], spacing[list(order)]
    array = volume.array.transpose(order)
    origin = affine[:3, 3].copy()
    for axis in range(3):
        if directions[axis, axis] < 0:
            origin += directions[:, axis] * spacing[axis] * (array.shape[axis] - 1)
            directions[:, axis] *= -1
            array = np.flip(array, axis)
    return array, directions, origin, spacing, order


def _resample(hu: Array, directions: Array, origin: Array, spacing: Array) -> tuple[Array, Array, Array]:
    """Linear interpolation onto square-pixelled axial planes over the bounding box of the voxels' outer edges."""
    corners = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in hu.shape))))
    extent = origin + (corners * spacing) @ directions.T
    pixel = min(spacing[0], spacing[1])
    target = np.array([pixel, pixel, spacing[2]])
    low, high = extent.min(axis=0), extent.max(axis=0)
    # A box of a whole number of voxels must not gain one by rounding.
    size = np.ceil((high - low) / target - 1e-4).astype(int)
    first = (low + high) / 2 - target * (size - 1) / 2
    image = sitk.GetImageFromArray(np.ascontiguousarray(hu.transpose(2, 1, 0)))
    image.SetOrigin(origin.tolist())
    image.SetSpacing(spacing.tolist())
    image.SetDirection(directions.ravel().tolist())
    axial = sitk.Resample(
        image,
        size.tolist(),
        sitk.Transform(),
        sitk.sitkLinear,
        first.tolist(),
        target.tolist(),
        np.eye(3).ravel().tolist(),
        HU_RANGE[0],
    )
    return sitk.GetArrayFromImage(axial).transpose(2, 1, 0), first, target
