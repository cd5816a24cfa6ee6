"""The source series of a synthetic one, written de-identified beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medcycle.errors import DataError, UnreadableFile
from medcycle.io.dicom.deidentify import Deidentifier
from medcycle.io.dicom.frames import quiet_pydicom
from medcycle.io.dicom.pixels import read_dataset, shown_alone

__all__ = ["write_deidentified"]

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)


def write_deidentified(files: Sequence[Path], folder: Path, deidentifier: Deidentifier) -> list[Path]:
    """Write a series de-identified: `0001.dcm` and so on.

    Values of pixels stay as they are. Compressed ones are decompressed, since compressed streams have room for
    comments, and bits beside the image's own become zero, since they have room for overlays.

    Args:
        files: of one series.
        folder: made here.
        deidentifier: of its patient.

    Raises:
        UnreadableFile: if a file is damaged.
        DataError: if a header says that pixels show text, or they can't be decompressed.
    """
    folder.mkdir()
    written = []
    for number, path in enumerate(files, 1):
        try:
            dataset = read_dataset(path)
        except UnreadableFile:  # whose reason may quote the header
            raise UnreadableFile(f"{path}: not a readable DICOM file; export it again") from None
        if dataset.get("BurnedInAnnotation") == "YES":
            raise DataError(
                "the source series has text burned into its pixels, which de-identification does not remove; "
                "--with-source"
            )
        deidentifier.apply(dataset)
        written.append(folder / f"{number:04d}.dcm")
        try:
            with quiet_pydicom():
                _write(dataset, written[-1])
        except Exception as error:  # noqa: BLE001 - every decoder has exceptions of its own
            raise DataError(
                f"the pixels of the source series can't be rewritten ({type(error).__name__}); write it without "
                "--with-source, or export it without compression"
            ) from None
    return written


def _write(dataset: Dataset, path: Path) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed:
        dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if "PixelData" in dataset and dataset.file_meta.TransferSyntaxUID in NATIVE:
        dataset["PixelData"].value = shown_alone(dataset)
    dataset.save_as(path, enforce_file_format=True)
