"""NIfTI files, and the pairs of header and voxels of Analyze and SPM, to and from `Volume`."""

from __future__ import annotations

import gzip
import io
import logging
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, ImageDataError
from nibabel.wrapstruct import WrapStructError

from medcycle.errors import DataError, UnreadableFile
from medcycle.io.files import GZIP, atomic_path, first_bytes, require_room
from medcycle.io.forms import MILLIMETRES, affine_of, forms_of, is_valid
from medcycle.io.limits import LARGEST_HEADER, require_voxels
from medcycle.io.opening import open_regular
from medcycle.volume import Array, Grid, Volume

__all__ = ["NIFTI_SUFFIXES", "pair_files", "read_nifti", "read_nifti_grid", "write_nifti"]

log = logging.getLogger(__name__)
nibabel_log = logging.getLogger("nibabel.global")

NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".hdr.gz")

PAIRS = {".hdr": (".img", ".img.gz"), ".hdr.gz": (".img.gz", ".img")}
"""Headers of Analyze, SPM and NIfTI pairs, and where their voxels are."""

TORN = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, ImageDataError, WrapStructError)
"""What nibabel, gzip and NumPy raise on files that are empty, cut short or of another kind."""

NIFTI_1_SIZE, NIFTI_2_SIZE = 348, 540
"""bytes of their headers."""

LARGEST_OF_PAIR = 2**20
"""Bytes of the header of a pair; nibabel reads the extensions behind it to the end."""

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
        UnreadableFile: if the file is torn, not NIfTI, not three-dimensional, not of real numbers or too large.
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
    if not all(is_valid(form) for form in forms_of(source).values()):
        return False
    scale = MILLIMETRES[source.get_xyzt_units()[0]]
    for name in FORM_FIELDS:
        header[name] = np.asarray(source[name]) * (scale if name in LENGTHS else 1)
    header["pixdim"][1:4] *= scale
    return True


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Grid]]:
    """The image, of which the header is read, and its grid."""
    with ExitStack() as stack, _quiet_nibabel():
        image = _loaded(path, stack)
        yield image, _grid_of(path, image)


@contextmanager
def _quiet_nibabel() -> Iterator[None]:
    """Without nibabel's and NumPy's warnings, which name neither file nor remedy; what matters is raised."""
    level = nibabel_log.level
    nibabel_log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            yield
    finally:
        nibabel_log.setLevel(level)


def _grid_of(path: Path, image: Any) -> Grid:
    """The grid of an image; raises `UnreadableFile` of what is no volume."""
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise UnreadableFile(f"{path}: {len(shape)}-dimensional, {shape}; give one three-dimensional volume per file")
    voxels, width = next(iter(pair_files(path)), path), image.get_data_dtype().itemsize
    require_voxels(path, shape, width)
    require_room(voxels, math.prod(int(n) for n in shape) * width)
    if image.get_data_dtype().kind not in "iuf":
        raise UnreadableFile(f"{path}: voxels of type {image.get_data_dtype()}; give a volume with real scalar voxels")
    try:
        return Grid(shape[:3], affine_of(path, image))
    except UnreadableFile:
        raise
    except DataError as error:
        raise UnreadableFile(f"{path}: {error}") from error


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
    stream = open_regular(path)
    return cast(BinaryIO, _Gzip(stream)) if start.startswith(GZIP) else stream


class _Gzip(gzip.GzipFile):
    """A gzip stream that closes the file below it."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self.myfileobj = cast(io.FileIO, stream)  # as `gzip.open` leaves it to be closed


def _of_stream(stream: BinaryIO) -> Any:
    """The image of a single file, NIfTI 1 or 2 by the size of its header; its extensions are never read."""
    block = stream.read(NIFTI_1_SIZE)
    second = NIFTI_2_SIZE in (int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big"))
    if second:
        block += stream.read(NIFTI_2_SIZE - NIFTI_1_SIZE)
    kind = nib.Nifti2Image if second else nib.Nifti1Image
    header = kind.header_class(block)
    # a header that was copied in memory may have lost where the voxels begin
    header.set_data_offset(max(header.get_data_offset(), header.single_vox_offset))
    if header.get_data_offset() > LARGEST_HEADER:
        raise HeaderDataError(f"voxels from byte {header.get_data_offset()} on, behind a header of {len(block)}")
    return kind(ArrayProxy(stream, header, mmap=False), None, header)


def _of_pair(path: Path) -> Any:
    if not pair_files(path):
        raise UnreadableFile(f"{path}: the voxel file (.img) that belongs to this header is missing; copy both")
    with _unpacked(path, first_bytes(path)) as stream:
        if len(stream.read(LARGEST_OF_PAIR + 1)) > LARGEST_OF_PAIR:
            raise HeaderDataError(f"more than {LARGEST_OF_PAIR} bytes of header")
    for voxels in pair_files(path):
        first_bytes(voxels)
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
