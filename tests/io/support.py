"""Source series, and written ones as others see them: dicom3tools, dcm2niix, SimpleITK and plastimatch."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage, generate_uid

from medcycle.io.dicom.gate import DicomSeries, find_series
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import Identity, dataset_of, slices_of, write_dataset
from medcycle.volume import Grid, Volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

MOST_CHECKED = 2
"""Files of a series that dciodvfy is shown, about, and the last one: its files differ in place and time alone."""


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; it comes with the dev extra")
    return found


def complaints(name: str, files: Sequence[Path]) -> list[str]:
    """Lines with a warning or an error. `dciodvfy` takes one file, `dcentvfy` all of a series."""
    if name == "dciodvfy":
        files = [*files[:: max(1, len(files) // MOST_CHECKED)], *files[-1:]]
    batches = [[file] for file in files] if name == "dciodvfy" else [files]
    lines: list[str] = []
    for batch in batches:
        done = subprocess.run([tool(name), *map(str, batch)], capture_output=True, text=True, check=False)
        known = ("CTImage", "MRImage", "RTStructureSet")
        assert name != "dciodvfy" or any(kind in done.stdout + done.stderr for kind in known)
        lines += [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line or "Warning" in line]
    return lines


def read_sitk(files: Sequence[Path]) -> Volume:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(files[0].parent))
    assert sorted(names) == sorted(map(str, files))
    return as_volume(sitk.ReadImage(names))


def as_volume(image: sitk.Image) -> Volume:
    array = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Volume(array, Grid(array.shape, LPS @ affine))


def read_dcm2niix(files: Sequence[Path], folder: Path) -> Volume:
    """dcm2niix turns rows around; `to_ras` makes two readings comparable."""
    folder.mkdir()
    command = [tool("dcm2niix"), "-b", "n", "-z", "n", "-f", "read", "-o", str(folder), str(files[0].parent)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.nii")
    image = nib.load(path)
    return Volume(np.asarray(image.dataobj), Grid(image.shape, image.affine))


def read_plastimatch(files: Sequence[Path], folder: Path) -> Volume:
    folder.mkdir()
    output = folder / "read.nii"
    command = [tool("plastimatch"), "convert", "--input", str(files[0].parent), "--output-img", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    image = nib.load(output)
    return Volume(np.asarray(image.dataobj), Grid(image.shape, image.affine))


def told(words: Sequence[str], content: bytes) -> list[str]:
    """The words that some bytes hold, in capitals or not; numbers not as digits of a longer one, as a new UID is."""
    content = content.upper()

    def holds(word: str) -> bool:
        part = re.escape(word.upper().encode())
        return re.search(rb"(?<![0-9.])" + part + rb"(?![0-9.])" if word.isdecimal() else part, content) is not None

    return [word for word in words if holds(word)]


def rotation(degrees: float, axis: int) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (a for a in range(3) if a != axis)
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


AXIAL = np.eye(3)
SAGITTAL = np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]])
CORONAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])

ACQUISITIONS = {
    # Matrix columns: direction (LPS) along a row, a column, the stack; spacing in that order; patient position.
    "axial": (AXIAL, (1.0, 1.0, 2.5), "HFS"),
    "axial downwards": (AXIAL * [1, 1, -1], (0.7, 0.7, 3.3), "HFS"),
    "anisotropic": (AXIAL, (0.8, 1.7, 3.0), "HFS"),
    "feet first": (AXIAL * [-1, 1, -1], (1.1, 1.1, 2.0), "FFS"),
    "sagittal": (SAGITTAL, (1.0, 1.0, 1.0), "HFS"),
    "sagittal thick": (SAGITTAL, (1.1, 1.1, 4.0), "HFS"),
    "coronal": (CORONAL, (1.2, 1.2, 5.0), "HFP"),
    "oblique": (rotation(10, 0) @ AXIAL, (1.0, 1.0, 2.0), "HFS"),
    "doubly oblique sagittal": (rotation(12, 2) @ rotation(-7, 1) @ SAGITTAL, (0.9, 0.9, 1.3), "HFS"),
}
KEEPS_VOXELS = ("axial", "axial downwards", "anisotropic", "feet first", "sagittal")


def smooth(points: np.ndarray) -> np.ndarray:
    """HU at points (LPS, mm, last axis): linear, so that linear interpolation is exact."""
    return 4 * points[..., 0] - 7 * points[..., 1] + 5 * points[..., 2] + 100


def case(name: str, source: str = "MR") -> tuple[Volume, list[pydicom.Dataset]]:
    """A synthetic volume on the grid of an MR or CT series, and that series' headers."""
    directions, spacing, position = ACQUISITIONS[name]
    shape = (18, 14, 9)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = [-31.123456789, 14.7, -34.56789]
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    values = smooth(points).astype(np.float32)
    volume = Volume(values if source == "MR" else values - values.min(), Grid(shape, LPS @ affine))
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    datasets = []
    for index in range(shape[2]):
        dataset = pydicom.Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SOPClassUID = MRImageStorage if source == "MR" else CTImageStorage
        dataset.SOPInstanceUID, dataset.Modality = generate_uid(), source
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.PatientName, dataset.PatientID = "Ångström^Jørn", "4711"
        dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19600102", "M", "063Y"
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240506", "101112", "77"
        dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", "House^Gregory"
        dataset.StudyDescription, dataset.SeriesNumber = "Head", 4
        dataset.PositionReferenceIndicator, dataset.PatientPosition = "", position
        dataset.BodyPartExamined = "HEAD"
        dataset.ImagePositionPatient = [f"{v:.8g}" for v in affine[:3, 3] + index * affine[:3, 2]]
        datasets.append(dataset)
    return volume, datasets[::-1]


def saved(datasets: Sequence[pydicom.Dataset], folder: Path) -> list[Path]:
    folder.mkdir()
    for number, dataset in enumerate(datasets):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return sorted(folder.iterdir())


HEADS = {
    # Directions in which the array axes grow, spacing along them, turns about the patient's axes.
    "axial": ("LPS", (3.0, 3.0, 5.0), (0, 0, 0)),
    "anisotropic": ("LPS", (2.5, 4.0, 5.0), (0, 0, 0)),
    "feet first": ("RPI", (3.0, 3.0, 5.0), (0, 0, 0)),
    "sagittal": ("PIL", (3.0, 3.0, 4.0), (0, 0, 0)),
    "coronal": ("LIP", (3.0, 3.0, 4.0), (0, 0, 0)),
    "oblique": ("LPS", (3.0, 2.5, 4.0), (10, 0, 0)),
}


def source_series(
    folder: Path, name: str = "axial", modality: Literal["MR", "CT"] = "MR", *, patient: Identity | None = None
) -> tuple[Volume, DicomSeries]:
    """A head's synthetic volume, and the series on disk, with pixels, that it is made from."""
    orientation, spacing, turns = HEADS[name]
    grid, head = head_grid(spacing=spacing, orientation=orientation, rotation_degrees=turns), HeadPhantom.random(3)
    scan, made = (head.mr(grid), head.ct(grid)) if modality == "MR" else (head.ct(grid), head.mr(grid))
    for number, item in enumerate(slices_of(scan), 1):
        dataset = dataset_of(item, number, modality, patient or Identity("PHANTOM"))
        dataset.PatientPosition = "FFS" if name == "feet first" else "HFS"
        write_dataset(dataset, folder / f"{number}.dcm")
    (series,) = find_series(folder.iterdir())
    return made, series


def square(grid: Grid, index: int, *, low: float = 0.3, high: float = 0.7) -> np.ndarray:
    """Corners (LPS mm, rows) of a square drawn on a slice of the grid's third axis."""
    (a, b), (c, d) = ([low * (n - 1), high * (n - 1)] for n in grid.shape[:2])
    corners = np.array([[a, c, index, 1], [b, c, index, 1], [b, d, index, 1], [a, d, index, 1]])
    return (corners @ (LPS @ grid.affine).T)[:, :3]


def structure_set(
    source: Sequence[pydicom.Dataset], rois: Mapping[str, Sequence[tuple[np.ndarray, pydicom.Dataset]]]
) -> pydicom.Dataset:
    """What a planning system would export: closed contours, each with the image it was drawn on."""
    first, result = source[0], pydicom.Dataset()
    result.SpecificCharacterSet = first.get("SpecificCharacterSet", "ISO_IR 100")
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        result[keyword] = first[keyword]
    for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        result[keyword] = first[keyword]
    for keyword in ("ReferringPhysicianName", "FrameOfReferenceUID", "PositionReferenceIndicator"):
        result[keyword] = first[keyword]
    result.SOPClassUID, result.SOPInstanceUID = RTStructureSetStorage, generate_uid()
    result.Modality, result.SeriesInstanceUID, result.SeriesNumber = "RTSTRUCT", generate_uid(), 7
    result.Manufacturer, result.OperatorsName = "planner", "Contour^Carla"
    result.StructureSetLabel, result.StructureSetDate, result.StructureSetTime = "HEAD PLAN", "20240507", "0810"
    result.ApprovalStatus, result.ReviewDate, result.ReviewTime = "APPROVED", "20240508", "0900"
    result.ReviewerName = "Chief^Cora"
    series, study, frame = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    series.SeriesInstanceUID = first.SeriesInstanceUID
    series.ContourImageSequence = [_image(item) for item in source]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = first.FrameOfReferenceUID, [study]
    result.ReferencedFrameOfReferenceSequence = [frame]
    result.StructureSetROISequence, result.ROIContourSequence, result.RTROIObservationsSequence = [], [], []
    for number, (name, contours) in enumerate(rois.items(), 1):
        roi, drawn, observed = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        roi.ROINumber, roi.ReferencedFrameOfReferenceUID = number, first.FrameOfReferenceUID
        roi.ROIName, roi.ROIGenerationAlgorithm = name, "MANUAL"
        drawn.ReferencedROINumber, drawn.ROIDisplayColor = number, [255, 0, 0]
        drawn.ContourSequence = [_contour(points, image) for points, image in contours]
        observed.ObservationNumber, observed.ReferencedROINumber = number, number
        observed.RTROIInterpretedType, observed.ROIInterpreter = "ORGAN", "Contour^Carla"
        result.StructureSetROISequence.append(roi)
        result.ROIContourSequence.append(drawn)
        result.RTROIObservationsSequence.append(observed)
    return result


def _image(item: pydicom.Dataset) -> pydicom.Dataset:
    result = pydicom.Dataset()
    result.ReferencedSOPClassUID, result.ReferencedSOPInstanceUID = item.SOPClassUID, item.SOPInstanceUID
    return result


def _contour(points: np.ndarray, image: pydicom.Dataset) -> pydicom.Dataset:
    result = pydicom.Dataset()
    result.ContourImageSequence = [_image(image)]
    result.ContourGeometricType, result.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
    result.ContourData = [f"{value:.6f}" for value in points.ravel()]
    return result
