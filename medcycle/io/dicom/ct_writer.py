"""A synthetic CT as a DICOM CT series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydicom import Dataset

from medcycle.io.dicom.encoding import HU_RANGE
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.writer import write_series
from medcycle.volume import Volume

__all__ = ["HU_RANGE", "write_ct_series"]


def write_ct_series(
    volume: Volume,
    folder: Path,
    *,
    reference: Sequence[Dataset] | None,
    series_description: str = "",
    model_description: str = "",
    software_version: str,
    body_part: str | None = None,
    on_slice: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """`write_series` of a CT; the texts are those of `Origin`."""
    origin = Origin(software_version, model_description, series_description, body_part)
    return write_series(volume, folder, modality="ct", reference=reference, origin=origin, on_slice=on_slice)
