"""NRRD and MetaImage files to `Volume`, and the bridge between `Volume` and SimpleITK images."""

from __future__ import annotations

import math
import re
from glob import escape
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from medcycle.errors import UnreadableFile
from medcycle.io.files import first_bytes, require_room
from medcycle.volume import Array, Grid, Volume

__all__ = ["ITK_SUFFIXES", "from_itk", "grid_of_itk", "read_itk", "read_itk_grid", "to_itk", "voxel_files"]

ITK_SUFFIXES = (".nrrd", ".mha", ".mhd")

VOXELS_IN = {"elementdatafile", "data file", "datafile"}
"""Keys of headers that name other files, in lower case."""

LONGEST_HEADER = 2**16
"""Bytes in which a header ends, but for long lists of files."""

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])


def read_itk(path: Path) -> Volume:
    """Read a three-dimensional NRRD or MetaImage volume as float32.

    Raises:
        UnreadableFile: if the file is torn, of another kind, not three-dimensional or not of single real numbers.
    """
    reader, grid = _open(path)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFile(f"{path}: the voxels can't be read; copy the file again") from error
    return Volume(_array(image).astype(np.float32).reshape(grid.shape), grid)


def read_itk_grid(path: Path) -> Grid:
    """Read only the header. Raises `UnreadableFile` as `read_itk` does."""
    return _open(path)[1]


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
    return Volume(_array(image), grid_of_itk(image))


def grid_of_itk(image: sitk.Image | sitk.ImageFileReader) -> Grid:
    """The grid, RAS+, of a SimpleITK image, or of a reader that has read its header; further axes are left out."""
    affine = np.eye(4)
    dimensions = image.GetDimension()
    direction = np.reshape(image.GetDirection(), (dimensions, dimensions))[:3, :3]
    affine[:3, :3] = RAS_FROM_LPS @ direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = RAS_FROM_LPS @ np.array(image.GetOrigin()[:3])
    return Grid(tuple(image.GetSize()[:3]), affine)


def _array(image: sitk.Image) -> Array:
    return np.asarray(sitk.GetArrayFromImage(image)).T


def _open(path: Path) -> tuple[sitk.ImageFileReader, Grid]:
    first_bytes(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise UnreadableFile(f"{path}: not an NRRD or MetaImage file, or cut short; copy it again") from error
    several = any(size != 1 for size in reader.GetSize()[3:])
    if reader.GetDimension() < 3 or several or reader.GetNumberOfComponents() != 1:
        raise UnreadableFile(
            f"{path}: {reader.GetDimension()} dimensions of {reader.GetNumberOfComponents()} components; "
            "give one three-dimensional volume of single numbers a file"
        )
    if not _voxels_elsewhere(path):
        require_room(path, math.prod(reader.GetSize()))  # a byte each at least
    return reader, grid_of_itk(reader)


def _voxels_elsewhere(path: Path) -> bool:
    """Whether a header names another file for its voxels."""
    return path.suffix.lower() == ".mhd" or bool(_named(path))


def voxel_files(path: Path) -> tuple[Path, ...]:
    """The files that an NRRD or MetaImage header names for its voxels, those that are there; none where they follow."""
    places = [path.parent / name for name in _named(path)]
    found = [file for place in places for file in sorted(place.parent.glob(re.sub(r"%\d*d", "*", escape(place.name))))]
    return tuple(file for file in found if file.is_file() and file != path)


def _named(path: Path) -> list[str]:
    """Names of files, with `%d` where numbers go."""
    with path.open("rb") as stream:
        lines = stream.read(LONGEST_HEADER).decode("latin-1").splitlines()
    for number, line in enumerate(lines):
        key, *values = (part.strip() for part in re.split("[:=]", line, maxsplit=1))
        if key.lower() in VOXELS_IN and values not in ([""], ["LOCAL"]):
            if values[0].upper().startswith("LIST"):
                return [name for name in map(str.strip, lines[number + 1 :]) if name]
            return [values[0].split()[0] if "%" in values[0] else values[0]]
    return []
