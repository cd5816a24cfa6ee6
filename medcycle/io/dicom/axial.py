"""A volume as the stack of axial slices that a written series holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from medcycle.io.dicom.encoding import Encoding
from medcycle.volume import Array, Grid, Volume

__all__ = ["AXIAL_TOLERANCE", "AxialStack", "axial_stack", "axial_volume"]

AXIAL_TOLERANCE = 0.01
"""Farthest (mm) that writing a grid's planes as exactly axial may move any voxel; beyond it the volume is resampled."""


ROUNDED_WITHIN = 1e-4
"""mm from a number of three decimals, that a spacing is taken for it: files keep such as 2.99998."""

DECIMALS = 7
"""of other spacings, as 0.9765625 has; more are of a float that rounding has gone over."""


@dataclass(frozen=True)
class AxialStack:
    """Slices from the feet to the head, each with rows towards the back and columns towards the left.

    Args:
        stored: pixels `[slice, row, column]`, as `encoding` gives them.
        encoding: of real units.
        origin: first voxel, LPS+ mm.
        spacing: along x, y and z, mm.
        resampled: whether voxels were interpolated.
    """

    stored: Array
    encoding: Encoding
    origin: Array
    spacing: tuple[float, float, float]
    resampled: bool

    def position(self, index: int) -> tuple[float, float, float]:
        """Centre of a slice's first pixel, LPS+ mm."""
        x, y, z = self.origin
        return float(x), float(y), float(z + index * self.spacing[2])

    def grid(self) -> Grid:
        """Columns × rows × slices; RAS+."""
        slices, rows, columns = self.stored.shape
        affine = np.diag([*self.spacing, 1.0])
        affine[:3, 3] = self.origin
        # DICOM is LPS+, our affines are RAS+.
        return Grid((columns, rows, slices), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def axial_stack(volume: Volume, encoding: Encoding) -> AxialStack:
    r"""Clip, round, and bring the volume onto planes of orientation 1\0\0\0\1\0 exactly.

    Planes that are axial already, and cubes of voxels that only need their axes permuted or flipped, keep their voxels.
    Anything else is resampled linearly onto square pixels over the bounding box, with the slice spacing of the source
    axis nearest to head-feet and the encoding's least value outside.

    Args:
        volume: finite real units, any orientation.
        encoding: how they are stored.
    """
    values, origin, spacing, resampled = _axial(volume.with_array(encoding.clip(volume.array)), encoding.low)
    stored = encoding.stored(values).transpose(2, 1, 0)
    x, y, z = (_rounded(mm, size) for mm, size in zip(spacing, values.shape, strict=True))
    return AxialStack(stored, encoding, origin, (x, y, z), resampled)


def axial_volume(volume: Volume, outside: float) -> tuple[Volume, bool]:
    """The same on axial planes, with axes along those of DICOM, and whether voxels were interpolated for it.

    Args:
        volume: finite values, any orientation.
        outside: the value of what the planes cover beyond it.
    """
    values, origin, spacing, resampled = _axial(volume, outside)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Volume(values, Grid(values.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)), resampled


def _axial(volume: Volume, outside: float) -> tuple[Array, Array, Array, bool]:
    """Array, first voxel (LPS+ mm), spacing (mm), and whether anything was interpolated."""
    array, directions, origin, spacing, order = _nearest_axial(volume)
    steps = np.array(array.shape) - 1
    tilt = (directions - np.eye(3)) * spacing * steps
    moved = max(float(np.linalg.norm(tilt @ corner)) for corner in itertools.product((0, 1), repeat=3))
    sliced_axially = order[2] == 2
    square = bool(np.isclose(spacing[0], spacing[1], rtol=1e-4))
    if moved <= AXIAL_TOLERANCE and (sliced_axially or square):
        return array, origin, spacing, False
    return *_resample(array, directions, origin, spacing, outside), True


def _rounded(spacing: float, size: int) -> float:
    """A spacing without the digits that come of rounding, if no voxel moves for it by more than can be tolerated."""
    for decimals in (3, DECIMALS):
        near = round(float(spacing), decimals)
        if near > 0 and abs(near - spacing) <= min(ROUNDED_WITHIN, AXIAL_TOLERANCE / size):
            return near
    return float(spacing)


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


def _resample(
    values: Array, directions: Array, origin: Array, spacing: Array, outside: float
) -> tuple[Array, Array, Array]:
    """Linear interpolation onto square-pixelled axial planes over the bounding box of the voxels' outer edges."""
    corners = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in values.shape))))
    extent = origin + (corners * spacing) @ directions.T
    pixel = min(spacing[0], spacing[1])
    target = np.array([pixel, pixel, spacing[2]])
    low, high = extent.min(axis=0), extent.max(axis=0)
    # A box of a whole number of voxels must not gain one by rounding.
    size = np.ceil((high - low) / target - 1e-4).astype(int)
    first = (low + high) / 2 - target * (size - 1) / 2
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
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
        outside,
    )
    return sitk.GetArrayFromImage(axial).transpose(2, 1, 0), first, target
