"""NIfTI files, and the pairs of header and voxels of Analyze and SPM, to and from `Volume`."""

from __future__ import annotations

import gzip
import logging
import math
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, ImageDataError
from nibabel.wrapstruct import WrapStructError

from medcycle.errors import DataError, UnreadableFile
from medcycle.io.files import GZIP, atomic_path, first_bytes, require_room
from medcycle.volume import Array, Grid, Volume

__all__ = ["NIFTI_SUFFIXES", "pair_files", "read_nifti", "read_nifti_grid", "write_nifti"]

log = logging.getLogger(__name__)

NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".hdr.gz")

PAIRS = {".hdr": (".img", ".img.gz"), ".hdr.gz": (".img.gz", ".img")}
"""Headers of Analyze, SPM and NIfTI pairs, and where their voxels are."""

MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}

TORN = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, ImageDataError, WrapStructError)
"""What nibabel, gzip and NumPy raise on files that are empty, cut short or of another kind."""

NIFTI_2_SIZE = 540
"""bytes of its header."""

FORMS_AGREE = 0.05
"""of a voxel, that qform and sform may place a voxel apart: headers round them."""

FORM_FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z", "pixdim"),
)
"""Where a NIfTI header keeps its two affines."""

LENGTHS = ("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")

Header = Any  # of nibabel, which is not typed


def read_nifti(path: Path) -> Volume:
    """Read a three-dimensional NIfTI volume as float32 in its real units (slope and intercept applied).

    Whether a file is compressed is told by its first bytes, not its name. Of sform and qform the valid one is taken,
    and the sform where both are.

    Raises:
        UnreadableFile: if the file is torn, not NIfTI, not three-dimensional or not of real numbers.
    """
    with _opened(path) as (image, grid):
        try:
            array = image.get_fdata(dtype=np.float32, caching="unchanged")
        except TORN as error:
            raise UnreadableFile(f"{path}: the voxels can't be read ({_reason(error)}); copy the file again") from error
    return Volume(array.reshape(grid.shape), grid)


def read_nifti_grid(path: Path) -> Grid:
    """Read only the header. Raises `UnreadableFile` as `read_nifti` does."""
    with _opened(path) as (_, grid):
        return grid


def pair_files(path: Path) -> tuple[Path, ...]:
    """The file of voxels that belongs to the header of a pair, if it is there; none for other files."""
    for suffix, others in PAIRS.items():
        if path.name.lower().endswith(suffix):
            names = {entry.name.lower(): entry for entry in path.parent.iterdir()}
            stem = path.name[: -len(suffix)].lower()
            return tuple(names[stem + other] for other in others if stem + other in names)[:1]
    return ()


def write_nifti(volume: Volume, path: Path, *, like: Path | None = None) -> None:
    """Write a volume with qform and sform both set to its affine (code 1, scanner), units mm.

    Booleans are stored as uint8, 64-bit integers as int32 and other floats as float32. A sheared affine is kept by
    the sform; the qform, which can't hold shear, gets the nearest rotation.

    Args:
        volume: what to write.
        path: ending in `.nii` or `.nii.gz`.
        like: a NIfTI file on the same grid, whose two forms and their codes are written instead, so that every reader,
            whichever it goes by, sees both files at one place. Another file, or one on another grid, changes nothing.
    """
    array = _storable(volume.array)
    image = nib.Nifti1Image(array, volume.grid.affine)
    image.set_qform(volume.grid.affine, code=1)
    image.set_sform(volume.grid.affine, code=1)
    image.header.set_xyzt_units("mm")
    if like is not None and _take_forms(image.header, volume.grid, like):
        image = nib.Nifti1Image(array, None, image.header)  # an affine would be written over the forms
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _take_forms(header: Header, grid: Grid, like: Path) -> bool:
    """Give a header the forms of a file on its grid, unless one of them is not valid; whether that was done."""
    if not like.name.lower().endswith(NIFTI_SUFFIXES):
        return False
    with _opened(like) as (image, source_grid):
        source = image.header
    if "sform_code" not in source or not grid.is_close(source_grid):
        return False
    if not all(_is_valid(form) for form in _forms(source).values()):
        return False
    scale = MILLIMETRES[source.get_xyzt_units()[0]]
    for name in FORM_FIELDS:
        header[name] = np.asarray(source[name]) * (scale if name in LENGTHS else 1)
    header["pixdim"][1:4] *= scale
    return True


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Grid]]:
    """The image, of which the header is read, and its grid."""
    with ExitStack() as stack:
        image = _loaded(path, stack)
        yield image, _grid_of(path, image)


def _grid_of(path: Path, image: Any) -> Grid:
    """The grid of an image; raises `UnreadableFile` of what is no volume."""
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise UnreadableFile(f"{path}: {len(shape)}-dimensional, {shape}; give one three-dimensional volume a file")
    voxels = next(iter(pair_files(path)), path)
    require_room(voxels, math.prod(int(n) for n in shape) * image.get_data_dtype().itemsize)
    if image.get_data_dtype().kind not in "iuf":
        raise UnreadableFile(f"{path}: voxels of type {image.get_data_dtype()}; give a volume of single real numbers")
    return Grid(shape[:3], _affine(path, image))


def _loaded(path: Path, stack: ExitStack) -> Any:
    """The image with its header read, from a file that the stack closes."""
    start = first_bytes(path)
    try:
        if path.name.lower().endswith(tuple(PAIRS)):
            return _of_pair(path)
        return _of_stream(stack.enter_context(_unpacked(path, start)))
    except TORN as error:
        raise UnreadableFile(f"{path}: {_what_it_is(start)} ({_reason(error)}); copy it again") from error


def _unpacked(path: Path, start: bytes) -> BinaryIO:
    """The file's content, whatever its name says of compression."""
    return cast(BinaryIO, gzip.open(path)) if start.startswith(GZIP) else path.open("rb")


def _of_stream(stream: BinaryIO) -> Any:
    """The image of a single file, NIfTI 1 or 2 by the size of its header."""
    size = stream.read(4)
    stream.seek(0)
    second = NIFTI_2_SIZE in (int.from_bytes(size, "little"), int.from_bytes(size, "big"))
    kind = nib.Nifti2Image if second else nib.Nifti1Image
    header = kind.header_class.from_fileobj(stream)
    # a header that was copied in memory may have lost where the voxels begin
    header.set_data_offset(max(header.get_data_offset(), header.single_vox_offset))
    return kind(ArrayProxy(stream, header, mmap=False), None, header)


def _of_pair(path: Path) -> Any:
    if not pair_files(path):
        raise UnreadableFile(f"{path}: the header of a pair whose file of voxels (.img) is missing; copy both")
    return nib.load(path)


def _what_it_is(start: bytes) -> str:
    """In words, by the first bytes, what a file is that is no NIfTI."""
    kinds = {
        b"\x89PNG": "a PNG picture, not NIfTI",
        b"PK\x03\x04": "a zip archive, not NIfTI; unpack it",
        b"\x89HDF": "an HDF5 or MINC file, not NIfTI; convert it",
        b"NRRD": "an NRRD file, not NIfTI; name it .nrrd",
        b"ObjectType": "a MetaImage file, not NIfTI; name it .mha",
    }
    known = next((text for magic, text in kinds.items() if start.startswith(magic)), "")
    if start[128:132] == b"DICM":
        return "a DICOM file, not NIfTI; name it .dcm"
    return known or "not a NIfTI file, or cut short"


def _affine(path: Path, image: Any) -> npt.NDArray[np.float64]:
    """The valid affine of an image, RAS+ mm, with a warning where the header leaves room for another."""
    header = image.header
    if "sform_code" not in header:  # Analyze: no more than an origin
        log.warning("%s: an Analyze header gives no orientation; left and right are assumed, not known", path)
        return np.asarray(image.affine, dtype=np.float64)
    try:
        scale = MILLIMETRES[header.get_xyzt_units()[0]]
    except KeyError as error:
        raise UnreadableFile(f"{path}: an unknown unit of length, code {error}; correct the header") from error
    forms = _forms(header)
    valid = {name: form for name, form in forms.items() if _is_valid(form)}
    if forms and not valid:
        raise UnreadableFile(f"{path}: neither sform nor qform is a valid affine; correct the header")
    if not forms:
        log.warning("%s: the header gives no orientation; left and right are assumed, not known", path)
    for name in forms.keys() - valid.keys():
        log.warning("%s: its %s is not a valid affine; the %s is taken", path, name, *valid)
    if len(valid) == 2:
        _compare(path, valid["sform"], valid["qform"], image.shape[:3])
    return np.diag([scale, scale, scale, 1.0]) @ next(iter(valid.values()), header.get_base_affine())


def _forms(header: Header) -> dict[str, npt.NDArray[np.float64]]:
    """Sform and qform, those that have a code, in the file's units."""
    forms = {}
    if header["sform_code"] > 0:
        forms["sform"] = np.asarray(header.get_sform(), dtype=np.float64)
    if header["qform_code"] > 0:
        try:
            forms["qform"] = np.asarray(header.get_qform(), dtype=np.float64)
        except (ValueError, HeaderDataError):
            forms["qform"] = np.full((4, 4), np.nan)
    return forms


def _is_valid(affine: npt.NDArray[np.float64]) -> bool:
    try:
        Grid((1, 1, 1), affine)
    except DataError:
        return False
    return True


def _compare(path: Path, sform: npt.NDArray[np.float64], qform: npt.NDArray[np.float64], shape: Any) -> None:
    """Warn, with both places, if two forms put the corners of an image elsewhere."""
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in shape))], dtype=np.float64)
    apart = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
    voxel = float(np.linalg.norm(sform[:3, :3], axis=0).min())
    if apart > FORMS_AGREE * voxel:
        middle = (np.array(shape) - 1) / 2
        places = ["({:.1f}, {:.1f}, {:.1f})".format(*(form @ [*middle, 1])[:3]) for form in (sform, qform)]
        log.warning(
            "%s: sform and qform place it up to %.3g apart: its centre at %s or at %s. The sform is taken; check which "
            "is right, other programs may take the qform",
            path,
            apart,
            *places,
        )


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
