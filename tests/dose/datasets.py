"""Doses and plans as planning systems export them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, RTIonPlanStorage, RTPlanStorage, generate_uid

from medcycle.volume import Volume

STEP = 1e-4
"""Gy that one unit of a stored dose stands for."""


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def rt_dose(dose: Volume) -> Dataset:
    """A dose on an axial grid, `[column, row, plane]`, affine LPS-oriented."""
    result = Dataset()
    result.SOPClassUID, result.SOPInstanceUID, result.Modality = RTDoseStorage, generate_uid(), "RTDOSE"
    x, y, z = dose.grid.affine[:3, 3] * [-1, -1, 1]
    result.ImagePositionPatient, result.ImageOrientationPatient = [x, y, z], [1, 0, 0, 0, 1, 0]
    width, height, thickness = dose.grid.spacing
    result.PixelSpacing = [height, width]
    result.Columns, result.Rows, result.NumberOfFrames = dose.array.shape
    result.GridFrameOffsetVector = [f"{number * thickness:.6g}" for number in range(dose.array.shape[2])]
    result.FrameIncrementPointer = 0x3004000C
    result.SamplesPerPixel, result.PhotometricInterpretation, result.PixelRepresentation = 1, "MONOCHROME2", 0
    result.BitsAllocated, result.BitsStored, result.HighBit = 32, 32, 31
    result.DoseUnits, result.DoseType, result.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    result.DoseGridScaling = STEP
    result.PixelData = np.round(dose.array.T / STEP).astype("<u4").tobytes()
    return result


def rt_plan(
    beams: Sequence[Sequence[tuple[float, str]]], *, protons: bool = False, dose: float | None = 54.0
) -> Dataset:
    """A plan of beams, each the gantry angles and directions of its control points."""
    result, group = Dataset(), Dataset()
    result.SOPClassUID = RTIonPlanStorage if protons else RTPlanStorage
    result.SOPInstanceUID, result.Modality = generate_uid(), "RTPLAN"
    group.FractionGroupNumber, group.NumberOfFractionsPlanned = 1, 27
    result.FractionGroupSequence = [group]
    if dose is not None:
        reference = Dataset()
        reference.DoseReferenceNumber, reference.TargetPrescriptionDose = 1, dose
        result.DoseReferenceSequence = [reference]
    made = []
    for number, points in enumerate(beams, 1):
        beam = Dataset()
        beam.BeamNumber, beam.TreatmentDeliveryType = number, "TREATMENT"
        beam.RadiationType = "PROTON" if protons else "PHOTON"
        controls = []
        for angle, direction in points:
            control = Dataset()
            control.GantryAngle, control.GantryRotationDirection = angle, direction
            controls.append(control)
        controls[0].IsocenterPosition, controls[0].PatientSupportAngle = [1.0, -2.0, 30.0], 350.0
        setattr(beam, "IonControlPointSequence" if protons else "ControlPointSequence", controls)
        made.append(beam)
    setattr(result, "IonBeamSequence" if protons else "BeamSequence", made)
    return result
