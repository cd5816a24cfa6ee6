"""What a DICOM file says of its images: one `Frame` a plane, from the header alone."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
)

from medcycle.io.dicom.plane import (
    GE_IMAGE_TYPE,
    TELLING,
    Misfit,
    dimensions_of,
    geometry_of,
    labels_of,
    merged_groups,
    texts_of,
)
from medcycle.io.files import unopened

__all__ = ["NOT_DICOM", "Frame", "ImageFile", "Skipped", "quiet_pydicom", "read_image_file"]

LOSSY_SYNTAXES = {
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless),
    *("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"),
}
"""Always lossy; JPEG 2000 (.91) may be, which LossyImageCompression says."""

NOT_DICOM = "not DICOM"
"""Why files of other kinds are skipped."""

NO_SERIES = "not an image of a series: no SeriesInstanceUID"
NO_PIXELS = "no pixels"

IMAGE_CLASSES = {
    *(MRImageStorage, CTImageStorage, PositronEmissionTomographyImageStorage),
    *(EnhancedMRImageStorage, EnhancedCTImageStorage, EnhancedPETImageStorage),
    *(LegacyConvertedEnhancedMRImageStorage, LegacyConvertedEnhancedCTImageStorage),
}
"""Of these, a file without pixels is one that was cut short."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

MODALITIES = {"MR", "CT", "PT"}
"""Of other modalities there are no volumes to translate."""

LARGEST_SIDE = 8192
"""pixels"""

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")

RESCALE = ("RescaleSlope", "RescaleIntercept")

HEADER_TAGS: list[Any] = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "PatientID", "SeriesDescription"),
    *("PatientName", "PatientBirthDate", "StudyInstanceUID", "FrameOfReferenceUID"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "LossyImageCompression"),
    *("BitsAllocated", "BitsStored", "HighBit", *RESCALE, "RescaleType"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *(*TELLING, "ComplexImageComponent", GE_IMAGE_TYPE),
    *("DiffusionGradientOrientation", "AcquisitionNumber", "TriggerTime"),
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
        rescale: which of RescaleSlope and RescaleIntercept it has, and its RescaleType if it has one.
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
    rescale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A DICOM file with images.

    Args:
        path: the file.
        series, modality, description, patient_id: attributes of the series, empty where it has none.
        owner: what else tells whose series it is, by name: patient, study and frame of reference.
        frames: its planes; empty if their geometry is not known.
        problem: what keeps the frames from being used, or an empty string.
        remarks: what is to be said of the file though it can be used.
    """

    path: Path
    series: str
    modality: str
    description: str
    patient_id: str
    owner: tuple[tuple[str, str], ...] = ()
    frames: tuple[Frame, ...] = ()
    problem: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that holds no image of a volume.

    Args:
        path: the file.
        reason: why not.
        damaged: whether it can't be opened, is empty, or is DICOM that can't be parsed.
    """

    path: Path
    reason: str
    damaged: bool = False

    @property
    def looks_damaged(self) -> bool:
        """Whether it may have been an image: it is damaged, or named like one and of no kind that is known."""
        return self.damaged or self.reason == NOT_DICOM


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


class _Rest(NamedTuple):
    """What follows the header: whether pixels do, and how many bytes of them; None if that is not known."""

    pixels: bool
    length: int | None


def read_image_file(path: Path) -> ImageFile | Skipped:
    """Read a file's header, or say why it is none of an image. Never raises for what is in the file."""
    start = b""
    try:
        with path.open("rb") as stream, quiet_pydicom():
            start = stream.read(132)
            force = _bare(start)
            stream.seek(0)
            header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=force)
            return _image_file(path, header, _rest(stream, header))
    except InvalidDicomError:
        return Skipped(path, NOT_DICOM if start else "empty", damaged=not start)
    except OSError as error:
        return Skipped(path, f"can't be opened: {unopened(path, error)}", damaged=True)
    except Exception as error:  # noqa: BLE001 - on foreign bytes the parser raises what it likes
        return Skipped(path, f"can't be read as DICOM ({_short(error)})", damaged=True)


def _image_file(path: Path, header: Dataset, rest: _Rest) -> ImageFile | Skipped:
    if reason := _no_volume(header, rest):
        cut_short = _class_of(header) in IMAGE_CLASSES and reason in (NO_PIXELS, NO_SERIES)
        return Skipped(path, f"{reason}, cut short" if cut_short else reason, damaged=cut_short)
    try:
        _require_signal(header, rest)
        frames, problem = tuple(_frames(path, header)), ""
    except Misfit as misfit:
        frames, problem = (), str(misfit)
    return ImageFile(
        path=path,
        series=_text_of(header, "SeriesInstanceUID"),
        modality=_text_of(header, "Modality"),
        description=_text_of(header, "SeriesDescription"),
        patient_id=_text_of(header, "PatientID"),
        owner=tuple(_owner(header)),
        frames=frames,
        problem=problem,
        remarks=tuple(_remarks(header)),
    )


def _owner(header: Dataset) -> Iterator[tuple[str, str]]:
    """Patient, study and frame of reference; names in one spelling."""
    name = re.sub(r"[\s^=]+", "^", _text_of(header, "PatientName").upper()).strip("^")
    patient = (_text_of(header, "PatientID").strip(), name, _text_of(header, "PatientBirthDate").strip())
    yield "patient", "\\".join(patient)
    yield "study", _text_of(header, "StudyInstanceUID")
    yield "frame of reference", _text_of(header, "FrameOfReferenceUID")


def _no_volume(header: Dataset, rest: _Rest) -> str:
    """Why a file holds nothing of a volume, or an empty string."""
    kind = _class_of(header)
    modality = _text_of(header, "Modality")
    reasons = {
        "a DICOMDIR: the files it names are found without it": kind == MediaStorageDirectoryStorage,
        "a secondary capture, not a scan": f"{kind}.".startswith(f"{SECONDARY_CAPTURE}."),
        f"of modality {modality}, neither MR nor CT": modality not in ("", *MODALITIES),
        NO_SERIES: not header.get("SeriesInstanceUID"),
        NO_PIXELS: not rest.pixels or not header.get("Rows") or not header.get("Columns"),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _class_of(header: Dataset) -> str:
    return _text_of(header, "SOPClassUID") or _text_of(header.file_meta, "MediaStorageSOPClassUID")


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
    # the data set may be encoded otherwise than the transfer syntax says
    explicit = tag[4:6] in (b"OW", b"OB", b"OF", b"OD", b"UN")
    length = stream.seek(0, 2) - start - (12 if explicit else 8)
    return _Rest(True, None if syntax.is_compressed else length)


def _syntax(header: Dataset) -> UID:
    found = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    return UID(found or ImplicitVRLittleEndian)


def _require_signal(header: Dataset, rest: _Rest) -> None:
    if "MOSAIC" in (header.get("ImageType") or ()):
        raise Misfit("a mosaic, many slices tiled in one image; export it as single slices or enhanced multi-frame")
    colours = _text_of(header, "PhotometricInterpretation") or "MONOCHROME2"
    if int(header.get("SamplesPerPixel", 1) or 1) != 1 or colours not in MONOCHROME:
        raise Misfit(f"colour pixels ({colours}), not signal or HU; export the grey-scale images")
    _require_bits(header)
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if max(header.Rows, header.Columns) > LARGEST_SIDE:
        raise Misfit(f"{header.Rows}×{header.Columns} pixels, more than a scan has")
    expected = int(header.Rows) * int(header.Columns) * frames * int(header.get("BitsAllocated", 16) or 16) // 8
    if rest.length is not None and rest.length < expected:
        raise Misfit(f"torn: {rest.length} of {expected} bytes of pixels are there; export it again")


def _require_bits(header: Dataset) -> None:
    """Raise `Misfit` unless BitsStored and HighBit name bits that BitsAllocated has."""
    allocated = int(header.get("BitsAllocated", 16) or 16)
    stored = int(header.get("BitsStored", allocated) or allocated)
    high = int(stored - 1 if header.get("HighBit") is None else header.HighBit)
    if not (0 < stored <= high + 1 <= allocated):
        raise Misfit(f"BitsStored {stored} and HighBit {high} don't fit BitsAllocated {allocated}; correct the header")
    if high != stored - 1 and _syntax(header).is_compressed and _syntax(header) != RLELossless:
        raise Misfit(f"HighBit {high} of {stored} bits in compressed pixels; export it again uncompressed")


def _remarks(header: Dataset) -> Iterator[str]:
    if _syntax(header) in LOSSY_SYNTAXES or header.get("LossyImageCompression") == "01":
        yield "lossy compressed: the values are not the scanner's"
    if int(header.get("BitsStored", 16) or 16) <= 8:
        yield "8 bits a pixel: finer values were lost"
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        yield "MONOCHROME1: stored values inverted, so that bright is high"


def _frames(path: Path, header: Dataset) -> Iterator[Frame]:
    size = (int(header.Rows), int(header.Columns))
    instance = str(header.get("SOPInstanceUID", "") or path)
    if header.get("PerFrameFunctionalGroupsSequence"):
        pointers = [int(item.DimensionIndexPointer) for item in header.get("DimensionIndexSequence") or []]
        for index in range(len(header.PerFrameFunctionalGroupsSequence)):
            plane = merged_groups(header, index)
            extras, rescale = dimensions_of(plane, pointers), _rescale_of(plane) or _rescale_of(header)
            yield Frame(path, index, instance, *geometry_of(plane), size, labels_of(plane), extras, rescale)
    elif int(header.get("NumberOfFrames", 1) or 1) > 1:
        raise Misfit("several frames without a position for each")
    else:
        extras = texts_of(header, ("AcquisitionNumber", "TriggerTime"))
        yield Frame(path, 0, instance, *geometry_of(header), size, labels_of(header), extras, _rescale_of(header))


def _rescale_of(plane: Dataset) -> tuple[str, ...]:
    """The names of the rescaling's attributes that are there, and the unit if one is given."""
    names = tuple(name for name in RESCALE if plane.get(name) not in (None, ""))
    unit = _text_of(plane, "RescaleType").strip()
    return (*names, unit) if unit else names


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
