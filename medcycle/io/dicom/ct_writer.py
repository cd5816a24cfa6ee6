"""A synthetic CT as a DICOM CT series that radiotherapy planning systems take: axial slices, one file each."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from highdicom import UID
from pydicom import DataElement, Dataset, FileMetaDataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.axial import HU_RANGE, AxialStack, axial_stack
from medcycle.io.dicom.ct_header import decimal_string, series_header
from medcycle.io.files import atomic_path
from medcycle.volume import Volume

__all__ = ["HU_RANGE", "write_ct_series"]


def write_ct_series(
    volume: Volume,
    folder: Path,
    *,
    reference: Sequence[Dataset] | None,
    series_description: str = "sCT medcycle",
    model_description: str = "",
    software_version: str,
    body_part: str | None = None,
    on_slice: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a synthetic CT as one axial DICOM series in the source MR's study and frame of reference.

    A volume whose planes are axial keeps its voxels; any other (sagittal, coronal, oblique) is resampled linearly onto
    axial planes that cover it, −1024 HU outside. HU are clipped to `HU_RANGE` and rounded. Files are `0001.dcm` and so
    on, from the feet to the head; the folder appears under its name only when it is complete.

    Args:
        volume: synthetic CT in HU, any orientation.
        folder: where to; must not exist, or be empty.
        reference: headers of the source MR series (pixels not needed), any order; `None` where the source had none, as
            NIfTI: the series is then a new study of an anonymous patient, head first supine by convention.
        series_description: at most 64 characters.
        model_description: what made the volume, for DerivationDescription, such as the name and hash of a checkpoint.
        software_version: of medcycle.
        body_part: DICOM term (PS3.16 annex L), such as `HEAD`; by default the source's. Where that is not
            one of the standard's unpaired parts, `WHOLEBODY`.
        on_slice: called with (slices written, slices in all).

    Returns:
        The files, from the feet to the head.

    Raises:
        UsageError: if the folder holds anything, or is a file.
        DataError: if a voxel is NaN or infinite, or the reference is empty, lacks identifiers, or mixes studies or
            frames of reference.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder; give a new folder, nothing is overwritten")
    if not np.isfinite(volume.array).all():
        raise DataError("the synthetic CT has NaN or infinite voxels; nothing was written")
    stack = axial_stack(volume)
    header = series_header(
        reference,
        stack,
        series_description=series_description,
        model_description=model_description,
        software_version=software_version,
        body_part=body_part,
    )
    header, slices = _encoded(header), stack.stored.shape[0]
    with atomic_path(folder) as partial:
        partial.mkdir()
        for index in range(slices):
            _slice(header, stack, index).save_as(partial / _name(index), enforce_file_format=True)
            if on_slice is not None:
                on_slice(index + 1, slices)
    return [folder / _name(index) for index in range(slices)]


def _encoded(header: Dataset) -> Dataset:
    """The header as if read from a file: pydicom then writes its long sequences as they are, slice after slice."""
    buffer = io.BytesIO()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(buffer)
    buffer.seek(0)
    return dcmread(buffer, force=True)


def _slice(header: Dataset, stack: AxialStack, index: int) -> Dataset:
    result = copy.copy(header)
    result.SOPInstanceUID = UID()
    result.InstanceNumber = index + 1
    x, y, z = stack.origin[0], stack.origin[1], stack.origin[2] + index * stack.spacing[2]
    result.ImagePositionPatient = [decimal_string(x), decimal_string(y), decimal_string(z)]
    result.SliceLocation = decimal_string(z)
    result["PixelData"] = DataElement("PixelData", "OW", stack.stored[index].astype("<u2").tobytes())
    return result


def _name(index: int) -> str:
    return f"{index + 1:04d}.dcm"
