"""Reading and writing volumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medcycle.api.images import path_or_none
from medcycle.body import Modality
from medcycle.io.discover import one_source
from medcycle.volume import Volume

if TYPE_CHECKING:
    from medcycle.io.dicom.deidentify import Deidentify

__all__ = ["read", "write_dicom", "write_nifti"]


def read(path: Path | str, *, resample_irregular: bool = False, ct_offset: float = 0.0) -> Volume:
    """Read one volume.

    Args:
        path: an image file (NIfTI, NRRD, MetaImage), or a folder with one DICOM series.
        resample_irregular: resample a series with gaps or uneven slice spacing instead of refusing it.
        ct_offset: subtracted from a CT that is stored with an offset, such as 1024.

    Returns:
        The volume: HU for CT, signal for MR; RAS+ affine in mm.

    Raises:
        UsageError: if `path` does not exist.
        EmptyFolder: if a folder contains no volume, or several.
        DataError: if the file is damaged, or the series is defective.
    """
    return one_source(Path(path), resample_irregular=resample_irregular, ct_offset=ct_offset).read()


def write_nifti(volume: Volume, path: Path | str, *, like: Path | str | None = None) -> None:
    """Write a volume as NIfTI, with its affine in qform and sform.

    Args:
        volume: the volume to write.
        path: a file ending in `.nii` or `.nii.gz`.
        like: a NIfTI file on the same grid, whose qform, sform and codes are copied instead.

    Raises:
        OSError: if it can't be written; no partial file is left.
    """
    from medcycle.io.nifti import write_nifti as write

    write(volume, Path(path), like=path_or_none(like))


def write_dicom(
    volume: Volume,
    folder: Path | str,
    *,
    reference: Path | str | None = None,
    modality: Modality = "ct",
    rtstruct: Path | str | None = None,
    deidentify: Deidentify | None = None,
    site: Path | str | None = None,
    made_from: Literal["mr", "ct", "cbct"] | None = None,
) -> list[Path]:
    """Write a synthetic volume as a DICOM series in the study of the series it was made from.

    Args:
        volume: synthetic CT in HU, or MR signal.
        folder: the folder to write to; new or empty.
        reference: the source series; None for a new study of an anonymous patient.
        modality: the modality of the volume.
        rtstruct: an RT structure set drawn on the source, to copy to the synthetic series.
        deidentify: how to de-identify; None keeps the patient's identity.
        site: a file in YAML with what the planning system of a site wants of a synthetic CT.
        made_from: what the volume was made from; None for MR, or CT if it is MR.

    Returns:
        The files written.

    Raises:
        UsageError: if the folder is not empty, or there is no series at `reference`.
        DataError: if the volume does not overlap with the reference, or the structure set belongs to other images.
    """
    from medcycle import __version__
    from medcycle.config.site import read_site
    from medcycle.evaluation.head import body_part_of
    from medcycle.io.dicom.export import write_dicom as write
    from medcycle.io.dicom.header import Origin
    from medcycle.io.discover import one_series

    return write(
        volume,
        Path(folder),
        modality=modality,
        reference=None if reference is None else one_series(Path(reference)),
        origin=Origin(
            __version__,
            recognised=body_part_of(volume) if modality == "ct" else "WHOLEBODY",
            made_from=(made_from or "").upper(),
        ),
        rtstruct=path_or_none(rtstruct),
        deidentify=deidentify,
        site=read_site(Path(site)) if site else None,
    )
