"""The voxels of a DICOM series."""

from __future__ import annotations

import logging

import numpy as np
from pydicom.dataset import Dataset

from medcycle.errors import DataError, DefectiveSeries
from medcycle.io.dicom.gate import DicomSeries
from medcycle.io.dicom.pixels import read_dataset, real_units
from medcycle.io.dicom.rebuild import rebuild, upright_grid
from medcycle.io.dicom.stack import Stack, stack_of
from medcycle.io.limits import require_voxels
from medcycle.volume import Grid, Volume

__all__ = ["grid_of", "read_headers", "read_series"]

log = logging.getLogger(__name__)

STORED = 2
"""bytes of a voxel in most files."""

LOWEST_HU = -1024.0
"""What scanners write below this is padding around the field of view."""


def read_headers(series: DicomSeries) -> list[Dataset]:
    """The datasets of a series without their pixels, in the order of `series.files`."""
    return [read_dataset(path, pixels=False) for path in series.files]


def read_series(series: DicomSeries, *, resample_irregular: bool = False) -> Volume:
    """Read the voxels.

    A tilted stack is resampled, in its planes only, to an upright grid. Padding becomes air, −1024 HU, or no signal; CT
    below −1024 HU is taken for padding. What the series' notes say is logged as a warning.

    Args:
        series: from `gate`.
        resample_irregular: rebuild a stack with gaps or varying distances on a regular grid, linearly between the true
            positions, at the smallest distance it has.

    Returns:
        float32 voxels in the header's real units (HU for CT), axes: columns, rows, slices; RAS+.

    Raises:
        DefectiveSeries: if the series is not sound, or irregular and not to be resampled.
        UnreadableFile: if a file is torn or its pixels can't be decoded.
    """
    if series.verdict != "sound" and not (resample_irregular and series.verdict == "irregular"):
        raise DefectiveSeries(f"{_where(series)}: {series.problem}")
    stack = stack_of(series.frames)
    rows, columns = stack.frames[0].size
    require_voxels(series.files[0].parent, (columns, rows, len(stack.frames)), STORED)
    grid = _grid(series, stack)
    array = np.empty((columns, rows, len(stack.frames)), dtype=np.float32)
    for number, image in enumerate(real_units(stack.frames)):
        array[:, :, number] = image
    for note in series.notes:
        log.warning("%s: %s", _where(series), note)
    background = LOWEST_HU if series.modality == "CT" else 0.0
    padding = np.isnan(array)
    if padding.any():
        log.warning("%s: %.2g%% of voxels are padding, set to %g", _where(series), 100 * padding.mean(), background)
        array[padding] = background
    if series.modality == "CT" and array.min() < LOWEST_HU:
        log.warning("%s: padding down to %g HU set to %g", _where(series), array.min(), LOWEST_HU)
        np.maximum(array, LOWEST_HU, out=array)
    if stack.regular and not stack.tilted:
        return Volume(array, grid)
    return rebuild(array, stack)


def grid_of(series: DicomSeries) -> Grid:
    """The grid of the volume that `read_series` would give, from the headers alone.

    Raises:
        DefectiveSeries: if the series is not sound.
    """
    if series.verdict != "sound":
        raise DefectiveSeries(f"{_where(series)}: {series.problem}")
    return _grid(series, stack_of(series.frames))


def _grid(series: DicomSeries, stack: Stack) -> Grid:
    """The grid of the volume, as its header places it; raises `DefectiveSeries` or `UnreadableFile` if it is none."""
    try:
        grid = stack.grid() if stack.regular and not stack.tilted else upright_grid(stack)
    except (DataError, OverflowError, ValueError) as error:
        raise DefectiveSeries(f"{_where(series)}: {error}") from error
    require_voxels(series.files[0].parent, grid.shape, STORED)
    return grid


def _where(series: DicomSeries) -> str:
    folder = series.files[0].parent
    return f"{folder} ({series.label})" if series.label else str(folder)
