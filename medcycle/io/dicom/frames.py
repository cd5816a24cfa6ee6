"""What a DICOM file says of its images: one `Frame` a plane, from the header alone.

Attribute names are those of DICOM PS3.3: of single-frame images in C.7.6.2 (Image Plane) and C.8.3.1 (MR Image), of
enhanced multi-frame ones in C.7.6.16 (functional groups).
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    MediaStorageDirectoryStorage,
)

__all__ = ["Frame", "ImageFile", "Skipped", "merged_groups", "quiet_pydicom", "read_image_file"]

LOSSY_SYNTAXES = {
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless),
    *("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"),
}
"""Always lossy; JPEG 2000 (.91) may be, which LossyImageCompression says."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

MODALITIES = {"MR", "CT", "PT"}
"""Of other modalities there are no volumes to translate."""

LARGEST_COORDINATE = 1e5
"""mm; what lies further out is not a place in a scanner."""

LARGEST_SIDE = 8192
"""pixels"""

TELLING = ("ImageType", "EchoTime", "InversionTime", "TemporalPositionIdentifier", "DiffusionBValue")
"""Attributes that tell the volumes in one series apart."""

HEADER_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("Modality", "PatientID", "SeriesDescription", "SeriesNumber", "BodyPartExamined"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored"),
    *("PhotometricInterpretation", "LossyImageCompression"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "GantryDetectorTilt"),
    *TELLING,
    *("DiffusionGradientOrientation", "AcquisitionNumber", "TriggerTime", "AcquisitionTime"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence"),
]


@dataclass(frozen=True, slots=True)
class Frame:
    """One image plane.

    Args:
        file: the file that holds it.
        index: its number within the file, from 0.
        instance: SOPInstanceUID.
        position: centre of the first pixel, LPS+ mm.
        orientation: directions of a row and a column, LPS+, six cosines.
        spacing: between rows, between columns, mm.
        size: rows, columns.
        labels: attributes that tell volumes apart, as text.
        extras: attributes that do so only if several planes share a place otherwise, as text.
    """

    file: Path
    index: int
    instance: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    size: tuple[int, int]
    labels: tuple[tuple[str, str], ...] = ()
    extras: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A DICOM file with images.

    Args:
        path: the file.
        series, study, modality, description, patient_id: attributes of the series, empty where it has none.
        frames: its planes; empty if their geometry is not known.
        problem: what keeps the frames from being used, or an empty string.
        remarks: what is to be said of the file though it can be used.
    """

    path: Path
    series: str
    study: str
    modality: str
    description: str
    patient_id: str
    frames: tuple[Frame, ...] = ()
    problem: str = ""
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that holds no image of a volume.

    Args:
        path: the file.
        reason: why not.
    """

    path: Path
    reason: str


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Without pydicom's warnings and log, which name neither file nor remedy; what matters is raised."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


class _Misfit(Exception):
    """Why the frames of a file can't be used."""


class _Rest(NamedTuple):
    """What follows the header: whether pixels do, and how many bytes of them; None if that is not known."""

    pixels: bool
    length: int | None


def read_image_file(path: Path) -> ImageFile | Skipped:
    """Read a file's header, or say why it is none of an image. Never raises for what is in the file."""
    try:
        with path.open("rb") as stream, quiet_pydicom():
            force = _bare(stream.read(132))
            stream.seek(0)
            header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=force)
            return _image_file(path, header, _rest(stream, header))
    except InvalidDicomError:
        return Skipped(path, "not DICOM")
    except Exception as error:  # noqa: BLE001 - on foreign bytes the parser raises what it likes
        return Skipped(path, f"can't be read as DICOM ({_short(error)})")


def _image_file(path: Path, header: Dataset, rest: _Rest) -> ImageFile | Skipped:
    if reason := _no_volume(header, rest):
        return Skipped(path, reason)
    try:
        _require_signal(header, rest)
        frames, problem = tuple(_frames(path, header)), ""
    except _Misfit as misfit:
        frames, problem = (), str(misfit)
    return ImageFile(
        path=path,
        series=_text_of(header, "SeriesInstanceUID"),
        study=_text_of(header, "StudyInstanceUID"),
        modality=_text_of(header, "Modality"),
        description=_text_of(header, "SeriesDescription"),
        patient_id=_text_of(header, "PatientID"),
        frames=frames,
        problem=problem,
        remarks=tuple(_remarks(header)),
    )


def _no_volume(header: Dataset, rest: _Rest) -> str:
    """Why a file holds nothing of a volume, or an empty string."""
    kind = _text_of(header, "SOPClassUID") or _text_of(header.file_meta, "MediaStorageSOPClassUID")
    modality = _text_of(header, "Modality")
    reasons = {
        "a DICOMDIR: the files it names are found without it": kind == MediaStorageDirectoryStorage,
        "a secondary capture, not a scan": f"{kind}.".startswith(f"{SECONDARY_CAPTURE}."),
        f"of modality {modality}, neither MR nor CT": modality not in ("", *MODALITIES),
        "not an image of a series: no SeriesInstanceUID": not header.get("SeriesInstanceUID"),
        "no pixels": not rest.pixels or not header.get("Rows") or not header.get("Columns"),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _text_of(header: Dataset, name: str) -> str:
    return str(header.get(name, "") or "")


def _bare(start: bytes) -> bool:
    """Whether a file without DICOM's preamble begins as a data set does, as old archives wrote them."""
    return start[128:132] != b"DICM" and start[:2] in (b"\x08\x00", b"\x02\x00") and len(start) == 132


def _rest(stream: BinaryIO, header: Dataset) -> _Rest:
    """Look at what reading the header has stopped at."""
    syntax = _syntax(header)
    if syntax == DeflatedExplicitVRLittleEndian:
        return _Rest(True, None)
    start = stream.tell()
    tag = stream.read(12)
    group = tag[:4] if syntax.is_little_endian else tag[1::-1] + tag[3:1:-1]
    if group not in (b"\xe0\x7f\x10\x00", b"\xe0\x7f\x08\x00", b"\xe0\x7f\x09\x00"):
        return _Rest(False, 0)
    length = stream.seek(0, 2) - start - (8 if syntax.is_implicit_VR else 12)
    return _Rest(True, None if syntax.is_compressed else length)


def _syntax(header: Dataset) -> UID:
    found = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    return UID(found or ImplicitVRLittleEndian)


def _require_signal(header: Dataset, rest: _Rest) -> None:
    if "MOSAIC" in (header.get("ImageType") or ()):
        raise _Misfit("a mosaic, many slices tiled in one image; export it as single slices or enhanced multi-frame")
    if int(header.get("SamplesPerPixel", 1) or 1) != 1:
        raise _Misfit("colour pixels, not signal or HU")
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if max(header.Rows, header.Columns) > LARGEST_SIDE:
        raise _Misfit(f"{header.Rows}×{header.Columns} pixels, more than a scan has")
    expected = int(header.Rows) * int(header.Columns) * frames * int(header.get("BitsAllocated", 16) or 16) // 8
    if rest.length is not None and rest.length < expected:
        raise _Misfit(f"torn: {rest.length} of {expected} bytes of pixels are there; export it again")


def _remarks(header: Dataset) -> Iterator[str]:
    if _syntax(header) in LOSSY_SYNTAXES or header.get("LossyImageCompression") == "01":
        yield "lossy compressed: the values are not the scanner's"
    if int(header.get("BitsStored", 16) or 16) <= 8:
        yield "8 bits a pixel: finer values were lost"


def _frames(path: Path, header: Dataset) -> Iterator[Frame]:
    size = (int(header.Rows), int(header.Columns))
    instance = str(header.get("SOPInstanceUID", "") or path)
    if header.get("PerFrameFunctionalGroupsSequence"):
        pointers = [int(item.DimensionIndexPointer) for item in header.get("DimensionIndexSequence") or []]
        for index in range(len(header.PerFrameFunctionalGroupsSequence)):
            plane = merged_groups(header, index, MACROS)
            yield Frame(path, index, instance, *_geometry(plane), size, _labels(plane), _dimensions(plane, pointers))
    elif int(header.get("NumberOfFrames", 1) or 1) > 1:
        raise _Misfit("several frames without a position for each")
    else:
        extras = _texts(header, ("AcquisitionNumber", "TriggerTime"))
        yield Frame(path, 0, instance, *_geometry(header), size, _labels(header), extras)


MACROS = (
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence", "FrameContentSequence"),
    *("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "MREchoSequence", "MRDiffusionSequence"),
)
"""Functional groups that say where a frame is and what it shows."""

RENAMED = {
    "FrameType": "ImageType",
    "EffectiveEchoTime": "EchoTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
}
"""Enhanced images' names of attributes in `TELLING`."""


def merged_groups(header: Dataset, index: int, macros: Sequence[str]) -> Dataset:
    """The attributes in a frame's functional groups in one flat data set, named as in single-frame images."""
    groups, shared = header.PerFrameFunctionalGroupsSequence[index], _first(header, "SharedFunctionalGroupsSequence")
    flat = Dataset()
    for macro in macros:
        flat.update(_first(groups, macro) or _first(shared, macro))
    for gradient in flat.get("DiffusionGradientDirectionSequence") or []:
        flat.update(gradient)
    for name, plain in RENAMED.items():
        if name in flat:
            setattr(flat, plain, flat[name].value)
    return flat


def _first(dataset: Dataset, name: str) -> Dataset:
    sequence = dataset.get(name)
    return sequence[0] if sequence else Dataset()


def _geometry(plane: Dataset) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    needed = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
    missing = [name for name in needed if not plane.get(name)]
    if missing:
        raise _Misfit(f"no {', '.join(missing)}: where its voxels are is not known")
    position, orientation, spacing = (_numbers(plane, name, count) for name, count in needed.items())
    row, column = orientation[:3], orientation[3:]
    products = (math.hypot(*row) - 1, math.hypot(*column) - 1, sum(a * b for a, b in zip(row, column, strict=True)))
    if max(map(abs, products)) > 0.01:
        raise _Misfit(f"ImageOrientationPatient {list(orientation)} is not two perpendicular directions")
    if not all(0 < width < 100 for width in spacing):
        raise _Misfit(f"PixelSpacing {list(spacing)} is not one of a scan")
    return position, orientation, spacing


def _numbers(plane: Dataset, name: str, count: int) -> tuple[float, ...]:
    value = plane.get(name)
    try:
        numbers = tuple(float(item) for item in value)
    except (TypeError, ValueError):
        raise _Misfit(f"{name} {value!r} is not {count} numbers") from None
    if len(numbers) != count or not all(abs(item) < LARGEST_COORDINATE for item in numbers):
        raise _Misfit(f"{name} {list(numbers)} is not {count} sensible numbers")
    return numbers


def _labels(plane: Dataset) -> tuple[tuple[str, str], ...]:
    return _texts(plane, (*TELLING, "DiffusionGradientOrientation", "StackID"))


def _dimensions(plane: Dataset, pointers: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """The frame's index in every dimension but the place, named by what the dimension points to."""
    places = {"InStackPositionNumber", "ImagePositionPatient", "StackID"}
    values = plane.get("DimensionIndexValues")
    numbers = [values] if isinstance(values, int) else list(values or [])
    names = [keyword_for_tag(pointer) or f"{pointer:08X}" for pointer in pointers]
    return tuple((name, str(n)) for name, n in zip(names, numbers, strict=False) if name not in places)


def _texts(dataset: Dataset, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _text(dataset[name].value)) for name in names if dataset.get(name) not in (None, "", []))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if isinstance(value, str) or not isinstance(value, Sequence):
        return str(value)
    return "\\".join(_text(item) for item in value)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
