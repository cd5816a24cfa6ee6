"""A synthetic volume as a DICOM series that radiotherapy planning systems take: axial slices, one file each."""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from highdicom import UID
from pydicom import DataElement, Dataset, FileMetaDataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from medcycle.body import Modality
from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.axial import AxialStack, axial_stack
from medcycle.io.dicom.encoding import HU_RANGE, hounsfield_encoding, signal_encoding
from medcycle.io.dicom.header import Origin, series_header
from medcycle.io.dicom.readback import require_readable
from medcycle.io.dicom.site import Site
from medcycle.io.dicom.values import decimal_string
from medcycle.io.files import atomic_path
from medcycle.volume import Volume

__all__ = ["WrittenSeries", "require_new", "write_series", "write_slices"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WrittenSeries:
    """What other objects of the study need to refer to a written series.

    Args:
        files: from the feet to the head.
        header: what the slices share.
        instances: their SOPInstanceUIDs.
        stack: where they lie.
    """

    files: tuple[Path, ...]
    header: Dataset
    instances: tuple[str, ...]
    stack: AxialStack


def write_series(
    volume: Volume,
    folder: Path,
    *,
    modality: Modality,
    reference: Sequence[Dataset] | None,
    origin: Origin,
    on_slice: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a synthetic volume as one axial DICOM series in the source's study and frame of reference.

    A volume whose planes are axial keeps its voxels; any other (sagittal, coronal, oblique) is resampled linearly onto
    axial planes that cover it, −1024 HU or no signal outside. CT is clipped to `HU_RANGE` and rounded to HU; MR signal
    is stored times a power of two (`signal_encoding`). Files are `0001.dcm` and so on, from the feet to the head. They
    are read back and compared with the volume; only then the folder appears under its name.

    Args:
        volume: synthetic CT in HU or MR signal, any orientation.
        folder: where to; must not exist, or be empty.
        modality: what the volume is.
        reference: headers of the source series (pixels not needed), any order; `None` where the source had none, as
            NIfTI: the series is then a new study of an anonymous patient, head first supine by convention.
        origin: what made the volume.
        on_slice: called with (slices written, slices in all).

    Returns:
        The files, from the feet to the head.

    Raises:
        UsageError: if the folder holds anything, or is a file.
        DataError: if a voxel is NaN or infinite, the reference is empty, lacks identifiers, or mixes studies or frames
            of reference, or the files don't read back as what was written.
    """
    require_new(folder)
    with atomic_path(folder) as partial:
        partial.mkdir()
        written = write_slices(
            volume, partial, modality=modality, reference=reference, origin=origin, on_slice=on_slice
        )
    return [folder / file.name for file in written.files]


def require_new(folder: Path) -> None:
    """Raise `UsageError` unless a folder can be made there, or is empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder; give a new folder, nothing is overwritten")


def write_slices(
    volume: Volume,
    folder: Path,
    *,
    modality: Modality,
    reference: Sequence[Dataset] | None,
    origin: Origin,
    on_slice: Callable[[int, int], None] | None = None,
    site: Site | None = None,
    resampled: bool = False,
) -> WrittenSeries:
    """Write the files of `write_series` into a folder that is there, and read them back.

    The slices get the attributes of a site, if one is given, and say that voxels were interpolated, if that was done
    before.
    """
    if not np.isfinite(volume.array).all():
        raise DataError(f"the synthetic {modality.upper()} has NaN or infinite voxels; nothing was written")
    if modality == "ct" and (above := int((volume.array > HU_RANGE[1] + 0.5).sum())):
        log.warning("%d voxels above %d HU are written as that: 12 bits hold no more", above, HU_RANGE[1])
    stack = axial_stack(volume, hounsfield_encoding() if modality == "ct" else signal_encoding(volume))
    stack = replace(stack, resampled=stack.resampled or resampled)
    described = series_header(reference, stack, modality=modality, origin=origin)
    if site:
        described.update(site.header())
    header = _encoded(described)
    instances = tuple(str(UID()) for _ in stack.stored)
    files = tuple(folder / f"{index + 1:04d}.dcm" for index in range(len(instances)))
    for index, (file, instance) in enumerate(zip(files, instances, strict=True)):
        _slice(header, stack, index, instance).save_as(file, enforce_file_format=True)
        if on_slice is not None:
            on_slice(index + 1, len(files))
    require_readable(files, stack)
    return WrittenSeries(files, header, instances, stack)


def _encoded(header: Dataset) -> Dataset:
    """The header as if read from a file: pydicom then writes its long sequences as they are, slice after slice."""
    buffer = io.BytesIO()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(buffer)
    buffer.seek(0)
    return dcmread(buffer, force=True)


def _slice(header: Dataset, stack: AxialStack, index: int, instance: str) -> Dataset:
    result = copy.copy(header)
    result.SOPInstanceUID = instance
    result.InstanceNumber = index + 1
    position = [decimal_string(value) for value in stack.position(index)]
    result.ImagePositionPatient, result.SliceLocation = position, position[2]
    result["PixelData"] = DataElement("PixelData", "OW", stack.stored[index].astype("<u2").tobytes())
    return result
