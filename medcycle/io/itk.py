"""NRRD and MetaImage files to `Volume`; with `itk_images`, all that passes between `Volume` and SimpleITK."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from medcycle.errors import DataError, UnreadableFile
from medcycle.io.detached import is_attached, require_own_files
from medcycle.io.files import first_bytes, require_room
from medcycle.io.itk_images import RAS_FROM_LPS, array_of, from_itk, grid_of_itk, to_itk
from medcycle.io.limits import require_voxels
from medcycle.volume import Array, Grid, Volume

__all__ = [
    "ITK_SUFFIXES",
    "from_itk",
    "grid_of_itk",
    "matrix_of",
    "read_itk",
    "read_itk_grid",
    "to_itk",
    "transform_of",
]

ITK_SUFFIXES = (".nrrd", ".mha", ".mhd")

READERS = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO", ".mhd": "MetaImageIO"}
"""Of ITK, whose others may take a file of that name for one of theirs."""

BYTES = {
    **dict.fromkeys((sitk.sitkUInt8, sitk.sitkInt8), 1),
    **dict.fromkeys((sitk.sitkUInt16, sitk.sitkInt16), 2),
    **dict.fromkeys((sitk.sitkUInt32, sitk.sitkInt32, sitk.sitkFloat32), 4),
    **dict.fromkeys((sitk.sitkUInt64, sitk.sitkInt64, sitk.sitkFloat64), 8),
}


def read_itk(path: Path) -> Volume:
    """Read a three-dimensional NRRD or MetaImage volume as float32.

    Raises:
        UnreadableFile: if the file is torn, of another kind, not three-dimensional, not of single real numbers or too
            large, or names files outside its folder.
    """
    reader, grid = _open(path)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFile(f"{path}: the voxels can't be read; copy the file again") from error
    return Volume(array_of(image).astype(np.float32).reshape(grid.shape), grid)


def read_itk_grid(path: Path) -> Grid:
    """Read only the header. Raises `UnreadableFile` as `read_itk` does."""
    return _open(path)[1]


def matrix_of(transform: sitk.Euler3DTransform | sitk.AffineTransform) -> npt.NDArray[np.float64]:
    """A linear transform as a 4×4 matrix, RAS+ mm: from the fixed image's space to the moving one's, as ITK has it."""
    turn, centre = np.reshape(transform.GetMatrix(), (3, 3)), np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = RAS_FROM_LPS @ turn @ RAS_FROM_LPS
    matrix[:3, 3] = RAS_FROM_LPS @ (centre + transform.GetTranslation() - turn @ centre)
    return matrix


def transform_of(matrix: npt.NDArray[np.float64], *, centre: Array) -> sitk.Euler3DTransform:
    """A rigid motion as a transform: the inverse of `matrix_of`.

    Args:
        matrix: 4×4, rigid, RAS+ mm.
        centre: the point, RAS+ mm, about which the transform turns.
    """
    turn = RAS_FROM_LPS @ matrix[:3, :3] @ RAS_FROM_LPS
    about = RAS_FROM_LPS @ centre
    transform = sitk.Euler3DTransform()
    transform.SetCenter(about.tolist())
    transform.SetMatrix(turn.ravel().tolist(), 1e-6)
    transform.SetTranslation((turn @ about + RAS_FROM_LPS @ matrix[:3, 3] - about).tolist())
    return transform


def _open(path: Path) -> tuple[sitk.ImageFileReader, Grid]:
    first_bytes(path)
    require_own_files(path)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # they name neither file nor remedy; what matters is raised
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READERS[path.suffix.lower()])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise UnreadableFile(f"{path}: not an NRRD or MetaImage file, or cut short; copy it again") from error
    several = any(size != 1 for size in reader.GetSize()[3:])
    if reader.GetDimension() < 3 or several or reader.GetNumberOfComponents() != 1:
        raise UnreadableFile(
            f"{path}: {reader.GetDimension()} dimensions of {reader.GetNumberOfComponents()} components; "
            "give one three-dimensional scalar volume per file"
        )
    require_voxels(path, reader.GetSize(), BYTES.get(reader.GetPixelID(), 1))
    if is_attached(path):
        require_room(path, math.prod(reader.GetSize()))  # a byte each at least
    try:
        return reader, grid_of_itk(reader)
    except DataError as error:
        raise UnreadableFile(f"{path}: {error}") from error
