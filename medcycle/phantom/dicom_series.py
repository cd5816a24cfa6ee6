"""A volume as the DICOM series that a scanner would export, sound or with a known defect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from medcycle.volume import Array, Volume

__all__ = ["Identity", "Slice", "dataset_of", "slices_of", "write_dataset", "write_series"]

Modality = Literal["MR", "CT"]
Floats = npt.NDArray[np.float64]

CT_INTERCEPT = -1024
MR_LARGEST = 4095
"""MR signal is stored as it is, in 12 bits."""


@dataclass(frozen=True)
class Identity:
    """Who was scanned, and the root of every UID.

    Args:
        patient_id: PatientID; PatientName is made of it.
        seed: gives the UIDs; the same seed, the same UIDs.
    """

    patient_id: str = "PHANTOM"
    seed: int = 0

    def uid(self, *parts: object) -> UID:
        """A UID that depends on the patient, the seed and `parts`."""
        return generate_uid(entropy_srcs=[self.patient_id, str(self.seed), *map(str, parts)])


@dataclass(frozen=True)
class Slice:
    """One slice, before it is a dataset.

    Args:
        pixels: real units (HU or signal), indexed [column, row].
        position: centre of the first pixel, LPS+ mm.
        orientation: directions of a row and a column, LPS+, shape (6,).
        spacing: between columns, between rows, and between slices, mm.
    """

    pixels: Array
    position: Floats
    orientation: Floats
    spacing: tuple[float, float, float]


def slices_of(volume: Volume) -> list[Slice]:
    """The planes of the volume's third axis; the affine must be without shear."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.affine  # our affines are RAS+, DICOM is LPS+
    orientation = (affine[:3, :2] / volume.grid.spacing[:2]).T.ravel()
    return [
        Slice(volume.array[:, :, k], affine[:3, 3] + k * affine[:3, 2], orientation, volume.grid.spacing)
        for k in range(volume.grid.shape[2])
    ]


def dataset_of(item: Slice, number: int, modality: Modality, identity: Identity, *, slope: float = 1.0) -> Dataset:
    """A valid single-frame MR or CT image.

    Args:
        item: what it shows.
        number: InstanceNumber; also makes the SOPInstanceUID.
        modality: which of the two.
        identity: patient and UIDs.
        slope: RescaleSlope of a CT.
    """
    result = _study(modality, identity)
    result.SOPInstanceUID = identity.uid(modality, number)
    result.InstanceNumber = number
    result.ImagePositionPatient = _decimals(item.position)
    result.ImageOrientationPatient = _decimals(item.orientation)
    result.PixelSpacing = _decimals([item.spacing[1], item.spacing[0]])
    result.SliceThickness = _decimals([item.spacing[2]])
    normal = np.cross(item.orientation[:3], item.orientation[3:])
    result.SliceLocation = _decimals([float(item.position @ normal)])
    result.update(_mr_attributes(item) if modality == "MR" else _ct_attributes(slope))
    stored = item.pixels.T if modality == "MR" else (item.pixels.T - CT_INTERCEPT) / slope
    set_pixels(result, stored)
    return result


def set_pixels(dataset: Dataset, stored: Array) -> None:
    """Put stored values into a dataset, rounded and clipped to 12 bits."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.clip(np.round(stored), 0, MR_LARGEST).astype("<u2").tobytes()


def write_dataset(dataset: Dataset, path: Path) -> Path:
    """Write one file, Explicit VR Little Endian."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(volume: Volume, folder: Path, *, modality: Modality, identity: Identity | None = None) -> list[Path]:
    """Write a sound series, one file a slice of the volume's third axis.

    Args:
        volume: HU for CT, signal from 0 to 4095 for MR; values are rounded.
        folder: made if it is not there.
        modality: which of the two.
        identity: patient and UIDs; the default one if None.

    Returns:
        The files, in the order of the volume's third axis.
    """
    identity = identity or Identity()
    return [
        write_dataset(dataset_of(item, number, modality, identity), folder / f"{modality}{number:04d}.dcm")
        for number, item in enumerate(slices_of(volume), 1)
    ]


def _study(modality: Modality, identity: Identity) -> Dataset:
    result = Dataset()
    result.SpecificCharacterSet = "ISO_IR 100"
    result.SOPClassUID = MRImageStorage if modality == "MR" else CTImageStorage
    result.PatientName, result.PatientID = f"{identity.patient_id}^Generated", identity.patient_id
    result.PatientBirthDate, result.PatientSex = "19700101", "O"
    result.StudyInstanceUID, result.StudyID = identity.uid("study"), "1"
    result.StudyDate, result.StudyTime = "20200101", "120000"
    result.AccessionNumber, result.ReferringPhysicianName = "", ""
    result.Modality, result.SeriesNumber = modality, 1 if modality == "MR" else 2
    result.SeriesInstanceUID = identity.uid("series", modality)
    result.SeriesDescription = f"generated {modality}"
    result.FrameOfReferenceUID, result.PositionReferenceIndicator = identity.uid("frame"), ""
    result.PatientPosition, result.BodyPartExamined = "HFS", "HEAD"
    result.Manufacturer, result.ManufacturerModelName = "medcycle", "phantom"
    result.AcquisitionNumber = 1
    return result


def _mr_attributes(item: Slice) -> Dataset:
    result = Dataset()
    result.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM"]
    result.ScanningSequence, result.SequenceVariant, result.ScanOptions = "GR", "SP", ""
    result.MRAcquisitionType = "2D"
    result.RepetitionTime, result.EchoTime, result.FlipAngle, result.EchoTrainLength = 20, 4, 28, 1
    result.MagneticFieldStrength = 1.5
    result.SpacingBetweenSlices = _decimals([item.spacing[2]])
    return result


def _ct_attributes(slope: float) -> Dataset:
    result = Dataset()
    result.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    result.KVP = 120
    result.RescaleIntercept, result.RescaleSlope, result.RescaleType = CT_INTERCEPT, _decimals([slope]), "HU"
    return result


def _decimals(values: Sequence[float] | Floats) -> list[str] | str:
    texts = [format_number_as_ds(float(value) + 0.0) for value in values]
    return texts if len(texts) > 1 else texts[0]
