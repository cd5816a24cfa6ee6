"""`Volume` to SimpleITK's images and back."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from medcycle.volume import Array, Grid, Volume

__all__ = ["RAS_FROM_LPS", "array_of", "from_itk", "grid_of_itk", "to_itk"]

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])


def to_itk(volume: Volume) -> sitk.Image:
    """A SimpleITK image (LPS+) with the same voxels at the same places; a shear is SimpleITK's to refuse."""
    array = volume.array.astype(np.uint8) if volume.array.dtype.kind == "b" else volume.array
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    spacing = np.array(volume.grid.spacing)
    image.SetSpacing([float(s) for s in spacing])
    image.SetDirection((RAS_FROM_LPS @ volume.grid.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin((RAS_FROM_LPS @ volume.grid.affine[:3, 3]).tolist())
    return image


def from_itk(image: sitk.Image) -> Volume:
    """The volume of a three-dimensional SimpleITK image; its own data type."""
    return Volume(array_of(image), grid_of_itk(image))


def grid_of_itk(image: sitk.Image | sitk.ImageFileReader) -> Grid:
    """The grid, RAS+, of a SimpleITK image, or of a reader that has read its header; further axes are left out."""
    affine = np.eye(4)
    dimensions = image.GetDimension()
    direction = np.reshape(image.GetDirection(), (dimensions, dimensions))[:3, :3]
    affine[:3, :3] = RAS_FROM_LPS @ direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = RAS_FROM_LPS @ np.array(image.GetOrigin()[:3])
    return Grid(tuple(image.GetSize()[:3]), affine)


def array_of(image: sitk.Image) -> Array:
    """The voxels of an image, indexed as those of a `Volume`."""
    return np.asarray(sitk.GetArrayFromImage(image)).T
