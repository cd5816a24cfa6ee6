"""A series that was just written, read again as any other: what it holds must be what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medcycle.errors import DataError
from medcycle.io.dicom.axial import AxialStack
from medcycle.io.dicom.frames import ImageFile, read_image_file
from medcycle.io.dicom.gate import DicomSeries, gate
from medcycle.io.dicom.pixels import real_units
from medcycle.io.dicom.series import read_series
from medcycle.io.dicom.stack import plane_grid
from medcycle.volume import Volume

__all__ = ["require_readable"]

GEOMETRY_TOLERANCE = 1e-3
"""mm; decimal strings of 16 characters are far finer, a slice out of its place is far off."""


def require_readable(files: Sequence[Path], stack: AxialStack) -> None:
    """Read files through the gate, and raise `DataError` unless they hold the stack's grid and, exactly, its values.

    Args:
        files: all files of one series.
        stack: what was written into them. CT reads back in HU; MR, which has no rescaling, as it is stored.
    """
    images = [read_image_file(file) for file in files]
    unread = [item for item in images if not isinstance(item, ImageFile)]
    found = gate(item for item in images if isinstance(item, ImageFile))
    if unread or len(found) != 1:
        raise _mismatch(unread[0].reason if unread else f"{len(found)} volumes instead of one")
    try:
        volume = _volume(found[0], stack)
    except DataError as error:
        raise _mismatch(str(error)) from error
    if not volume.grid.is_close(stack.grid(), GEOMETRY_TOLERANCE):
        raise _mismatch("the slices lie elsewhere")
    expected = stack.stored.astype(np.float32) - np.float32(stack.encoding.offset)
    different = np.count_nonzero(volume.array != expected.transpose(2, 1, 0))
    if different:
        raise _mismatch(f"{different} voxels have other values")


def _volume(series: DicomSeries, stack: AxialStack) -> Volume:
    if len(series.frames) > 1 or len(stack.stored) > 1:
        return read_series(series)
    # The gate refuses a single slice, whose thickness it can't know; here it is known.
    (frame,) = series.frames
    (image,) = real_units([frame])
    return Volume(image[:, :, None], plane_grid(frame, np.array([0, 0, stack.spacing[2]]), 1))


def _mismatch(what: str) -> DataError:
    return DataError(
        f"the series that was written does not read back as the volume ({what}), so it was discarded; check the disk, "
        "try again, and report it if it stays"
    )
