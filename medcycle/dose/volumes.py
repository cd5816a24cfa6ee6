"""Dose volumes: DICOM RT Dose, and image files in Gy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import RTDoseStorage

from medcycle.errors import DataError, UnreadableFile
from medcycle.io.dicom.parsing import read_object
from medcycle.io.discover import VOLUME_SUFFIXES, read_volume
from medcycle.io.files import require_exists
from medcycle.io.itk_images import RAS_FROM_LPS
from medcycle.volume import Grid, Volume

__all__ = ["read_dose"]

EVEN = 0.01
"""mm by which distances between planes of a dose may differ."""


def read_dose(path: Path) -> Volume:
    """A dose distribution.

    Args:
        path: a DICOM RT Dose file, or an image file (NIfTI, NRRD, MetaImage) of values in Gy.

    Returns:
        Gy, float32, 0 or more.

    Raises:
        UsageError: if there is nothing at `path`.
        UnreadableFile: if it is neither, or torn.
        DataError: if the dose is relative, an error of a dose, not on parallel planes at even distances, or negative.
    """
    require_exists(path, "a dose: an RT Dose file, or an image file in Gy")
    dose = read_volume(path) if path.name.lower().endswith(VOLUME_SUFFIXES) else _rt_dose(path)
    values = np.asarray(dose.array, dtype=np.float32)
    if not np.isfinite(values).all() or values.min() < 0 or not values.any():
        raise DataError(
            f"{path}: no dose in Gy: its values go from {values.min():g} to {values.max():g}; export it again"
        )
    return dose.with_array(values)


def _rt_dose(path: Path) -> Volume:
    wanted = f"neither an RT Dose nor one of {', '.join(VOLUME_SUFFIXES)}; give the dose"
    dataset = read_object(path, {RTDoseStorage}, wanted, pixels=True)
    units, kind = dataset.get("DoseUnits"), dataset.get("DoseType")
    if units != "GY" or kind not in {"PHYSICAL", "EFFECTIVE"}:
        raise DataError(f"{path}: a dose of type {kind} in units {units}; export the physical dose in GY")
    try:
        values = dataset.pixel_array * float(dataset.DoseGridScaling)
        affine = _affine(dataset)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:
        raise UnreadableFile(
            f"{path}: a torn or incomplete RT Dose ({type(error).__name__}); export it again"
        ) from error
    array = np.moveaxis(values.reshape((-1, *values.shape[-2:])), 0, -1).swapaxes(0, 1)
    return Volume(array.astype(np.float32), Grid(array.shape, affine))


def _affine(dataset: Dataset) -> np.ndarray:
    """RAS+ mm, of column, row and frame (DICOM PS3.3, C.7.6.2.1 and C.8.8.3.2)."""
    row, column = (np.array(dataset.ImageOrientationPatient[part], float) for part in (slice(3), slice(3, 6)))
    normal = np.cross(row, column)
    between_rows, between_columns = map(float, dataset.PixelSpacing)
    offsets = np.array(dataset.GridFrameOffsetVector, float)
    steps = np.diff(offsets)
    if not len(steps) or not steps[0] or abs(steps - steps[0]).max() > EVEN:
        raise DataError("the planes of the dose are not at even distances; export it on a regular grid")
    affine = np.eye(4)
    affine[:3] = np.column_stack(
        [row * between_columns, column * between_rows, normal * steps[0], dataset.ImagePositionPatient]
    )
    affine[:3] = RAS_FROM_LPS @ affine[:3]
    return affine
