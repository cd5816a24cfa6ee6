"""Images that are in memory already, of other libraries, as `Volume`."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from medcycle.errors import UsageError
from medcycle.io.itk import from_itk
from medcycle.volume import Array, Grid, Volume

__all__ = ["volume_of"]


def volume_of(image: Any, affine: Array | None = None) -> Volume:
    """The volume of an image.

    Args:
        image: a `Volume`, an image of nibabel or SimpleITK, or a three-dimensional array.
        affine: of an array: 4×4, RAS+ mm, from indices to the patient.

    Raises:
        UsageError: if it is of another kind, or an array without an affine.
        DataError: if it is not three-dimensional, or the affine is none.
    """
    match image:
        case Volume():
            return image
        case np.ndarray():
            if affine is None:
                raise UsageError("an array needs its affine (4×4, RAS+ mm); give affine=")
            return Volume(image, Grid(image.shape, affine))  # which looks at the shape
        case nib.spatialimages.SpatialImage():
            array = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
            shape = array.shape[:3] if set(array.shape[3:]) <= {1} else array.shape
            return Volume(array.reshape(shape), Grid(shape, image.affine))
        case sitk.Image():
            return from_itk(image)
        case _:
            raise UsageError(
                f"a {type(image).__name__} is not an image; give a path, a Volume, an array with its affine, or a "
                "nibabel or SimpleITK image"
            )
