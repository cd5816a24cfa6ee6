"""DICOM series to `Volume`: what is sound is read, what is defective is refused by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from medcycle.errors import DefectiveSeries, UnreadableFile
from medcycle.volume import Array, Grid, Volume

__all__ = ["DicomSeries", "find_series", "read_headers", "read_series"]

log = logging.getLogger(__name__)

POSITION_TOLERANCE = 0.05
"""How far (mm) a slice may lie from its place in a regular stack."""

DIRECTION_TOLERANCE = 1e-3
"""How far a direction cosine may differ between the slices of one stack."""

UNREADABLE = (OSError, EOFError, ValueError, KeyError, NotImplementedError)
"""What pydicom raises on damaged files, beside `InvalidDicomError` on files of another kind."""

HEADER_TAGS = ["SeriesInstanceUID", "SOPInstanceUID", "Modality", "PatientID", "SeriesDescription", "Rows"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DicomSeries:
    """The image files of one SeriesInstanceUID, before their voxels are looked at.

    Args:
        uid: SeriesInstanceUID.
        modality: Modality as the header says it, `MR`, `CT`, ....
        description: SeriesDescription, or an empty string.
        patient_id: PatientID, or an empty string.
        files: the files, one an SOP instance, sorted by name.
    """

    uid: str
    modality: str
    description: str
    patient_id: str
    files: tuple[Path, ...]


def find_series(files: Iterable[Path]) -> list[DicomSeries]:
    """Group the DICOM images among `files` by series; what is not a DICOM image is left out.

    A file whose SOPInstanceUID was seen before is a copy and is dropped, with a warning.
    """
    groups: dict[str, dict[str, tuple[Path, Dataset]]] = {}
    for path in sorted(files):
        header = _image_header(path)
        if header is None:
            continue
        instances = groups.setdefault(str(header.SeriesInstanceUID), {})
        uid = str(header.get("SOPInstanceUID", path))
        if uid in instances:
            log.warning("%s: a copy of %s; dropped", path, instances[uid][0].name)
        else:
            instances[uid] = (path, header)
    return [_describe(uid, list(instances.values())) for uid, instances in groups.items()]


def read_headers(series: DicomSeries) -> list[Dataset]:
    """The datasets of a series without their pixels, in the order of `series.files`."""
    return [_read(path, pixels=False) for path in series.files]


def read_series(series: DicomSeries) -> Volume:
    """Read one series of single-frame images into a volume.

    Slices are ordered by their position along the slice normal, and each is rescaled with its own slope and intercept.

    Returns:
        float32 voxels in the header's real units (HU for CT), axes: columns, rows, slices; RAS+.

    Raises:
        DefectiveSeries: if the slices do not make one regular, unsheared stack.
        UnreadableFile: if a file is torn or its pixels can't be decoded.
    """
    slices = [_read(path, pixels=True) for path in series.files]
    where = series.files[0].parent
    for path, item in zip(series.files, slices, strict=True):
        _require_geometry(path, item)
    _require_uniform(where, slices)
    normal, offsets = _offsets(slices)
    order = np.argsort(offsets, kind="stable")
    step = _regular_step(where, [series.files[n] for n in order], [slices[n] for n in order], offsets[order], normal)
    array = np.stack([_real_units(series.files[n], slices[n]) for n in order], axis=-1)
    return Volume(array, Grid(array.shape, _affine(slices[order[0]], step)))


def _describe(uid: str, instances: Sequence[tuple[Path, Dataset]]) -> DicomSeries:
    first = instances[0][1]
    return DicomSeries(
        uid=uid,
        modality=str(first.get("Modality", "")),
        description=str(first.get("SeriesDescription", "")),
        patient_id=str(first.get("PatientID", "")),
        files=tuple(path for path, _ in instances),
    )


def _image_header(path: Path) -> Dataset | None:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER_TAGS)
    except InvalidDicomError:
        return None
    except UNREADABLE as error:
        log.warning("%s: not readable as DICOM (%s); skipped", path, error)
        return None
    return header if "SeriesInstanceUID" in header and "Rows" in header else None


def _read(path: Path, *, pixels: bool) -> Dataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except (InvalidDicomError, *UNREADABLE) as error:
        raise UnreadableFile(f"{path}: not a readable DICOM file ({error}); export it again") from error


def _require_geometry(path: Path, item: Dataset) -> None:
    if "NumberOfFrames" in item and "SharedFunctionalGroupsSequence" in item:
        raise DefectiveSeries(f"{path}: an enhanced multi-frame file, not read yet; export it as single-frame images")
    missing = [
        name
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "PixelData")
        if not item.get(name)
    ]
    if missing:
        raise DefectiveSeries(f"{path}: no {', '.join(missing)}; leave this file out, or export the series again")


def _require_uniform(where: Path, slices: Sequence[Dataset]) -> None:
    first = slices[0]
    if len(slices) < 2:
        raise DefectiveSeries(f"{where}: one slice only, so that its thickness is not known; give a whole series")
    for item in slices[1:]:
        if not np.allclose(_orientation(item), _orientation(first), atol=DIRECTION_TOLERANCE):
            raise DefectiveSeries(f"{where}: slices of different orientation in one series, as in a localizer")
        if (item.Rows, item.Columns) != (first.Rows, first.Columns):
            raise DefectiveSeries(f"{where}: slices of different sizes in one series; separate them")
        if not np.allclose(_spacing(item), _spacing(first), atol=1e-4):
            raise DefectiveSeries(f"{where}: slices of different pixel spacing in one series; separate them")


def _orientation(item: Dataset) -> Floats:
    return np.array(item.ImageOrientationPatient, dtype=np.float64)


def _position(item: Dataset) -> Floats:
    return np.array(item.ImagePositionPatient, dtype=np.float64)


def _spacing(item: Dataset) -> Floats:
    return np.array(item.PixelSpacing, dtype=np.float64)


def _offsets(slices: Sequence[Dataset]) -> tuple[Floats, Floats]:
    orientation = _orientation(slices[0])
    normal = np.cross(orientation[:3], orientation[3:])
    return normal, np.array([_position(item) @ normal for item in slices])


def _regular_step(
    where: Path, files: Sequence[Path], slices: Sequence[Dataset], offsets: Floats, normal: Floats
) -> Floats:
    gaps = np.diff(offsets)
    same = np.flatnonzero(gaps < POSITION_TOLERANCE)
    if same.size:
        raise DefectiveSeries(
            f"{where}: {same.size + 1} or more slices at one position, {files[same[0]].name} and "
            f"{files[same[0] + 1].name} among them; several acquisitions in one series? Separate them."
        )
    step = (_position(slices[-1]) - _position(slices[0])) / (len(slices) - 1)
    expected = _position(slices[0]) + np.arange(len(slices))[:, None] * step
    if np.abs(np.array([_position(item) for item in slices]) - expected).max() > POSITION_TOLERANCE:
        raise DefectiveSeries(
            f"{where}: gaps of {gaps.min():.2f} to {gaps.max():.2f} mm between slices; one may be missing. "
            "Export the series again."
        )
    shear = np.linalg.norm(step - (step @ normal) * normal) * (len(slices) - 1)
    if shear > POSITION_TOLERANCE * 10:
        raise DefectiveSeries(
            f"{where}: the slices are stacked askew by {shear:.1f} mm (gantry tilt); rebuild it first"
        )
    return step


def _real_units(path: Path, item: Dataset) -> Array:
    try:
        pixels = item.pixel_array
    except Exception as error:
        raise UnreadableFile(f"{path}: the pixels can't be decoded ({error}); export it again") from error
    slope, intercept = float(item.get("RescaleSlope", 1) or 1), float(item.get("RescaleIntercept", 0) or 0)
    return (pixels.astype(np.float32) * np.float32(slope) + np.float32(intercept)).T


def _affine(first: Dataset, step: Floats) -> Floats:
    row_spacing, column_spacing = _spacing(first)
    orientation = _orientation(first)
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * column_spacing  # from column to column: along a row
    affine[:3, 1] = orientation[3:] * row_spacing
    affine[:3, 2] = step
    affine[:3, 3] = _position(first)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM is LPS+, our affines are RAS+
