"""NIfTI files to and from `Volume`."""

from __future__ import annotations

import logging
import math
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, ImageDataError

from medcycle.errors import UnreadableFile
from medcycle.io.files import atomic_path, require_room
from medcycle.volume import Array, Grid, Volume

__all__ = ["NIFTI_SUFFIXES", "read_nifti", "read_nifti_grid", "write_nifti"]

log = logging.getLogger(__name__)

NIFTI_SUFFIXES = (".nii", ".nii.gz")

MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}

TORN = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, ImageDataError)
"""What nibabel, gzip and NumPy raise on files that are empty, cut short or of another kind."""


def read_nifti(path: Path) -> Volume:
    """Read a three-dimensional NIfTI volume as float32 in its real units (slope and intercept applied).

    Raises:
        UnreadableFile: if the file is torn, not NIfTI, not three-dimensional or not of real numbers.
    """
    image, grid = _open(path)
    try:
        array = image.get_fdata(dtype=np.float32, caching="unchanged")
    except TORN as error:
        raise UnreadableFile(f"{path}: the voxels can't be read ({_reason(error)}); copy the file again") from error
    return Volume(array.reshape(grid.shape), grid)


def read_nifti_grid(path: Path) -> Grid:
    """Read only the header. Raises `UnreadableFile` as `read_nifti` does."""
    return _open(path)[1]


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume with qform and sform both set to its affine (code 1, scanner), units mm.

    Booleans are stored as uint8, 64-bit integers as int32 and other floats as float32. A sheared affine is kept by
    the sform; the qform, which can't hold shear, gets the nearest rotation.
    """
    image = nib.Nifti1Image(_storable(volume.array), volume.grid.affine)
    image.set_qform(volume.grid.affine, code=1)
    image.set_sform(volume.grid.affine, code=1)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _open(path: Path) -> tuple[nib.Nifti1Image, Grid]:
    try:
        image = nib.load(path)
    except TORN as error:
        raise UnreadableFile(f"{path}: not a NIfTI file, or cut short ({_reason(error)}); copy it again") from error
    if not isinstance(image, nib.Nifti1Image | nib.Nifti2Image):
        raise UnreadableFile(f"{path}: not a NIfTI image but {type(image).__name__}; convert it to NIfTI")
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise UnreadableFile(f"{path}: {len(shape)}-dimensional, {shape}; give one three-dimensional volume a file")
    require_room(path, math.prod(int(n) for n in shape) * image.get_data_dtype().itemsize)
    if image.get_data_dtype().kind not in "iuf":
        raise UnreadableFile(f"{path}: voxels of type {image.get_data_dtype()}; give a volume of single real numbers")
    if image.header["qform_code"] == 0 and image.header["sform_code"] == 0:
        log.warning("%s: the header gives no orientation; left and right are assumed, not known", path)
    try:
        scale = MILLIMETRES[image.header.get_xyzt_units()[0]]
    except KeyError as error:
        raise UnreadableFile(f"{path}: an unknown unit of length, code {error}; correct the header") from error
    affine = np.diag([scale, scale, scale, 1.0]) @ image.affine
    return image, Grid(shape[:3], affine)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _storable(array: Array) -> Array:
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    if array.dtype.itemsize == 8:
        return array.astype(np.int32)
    return array
