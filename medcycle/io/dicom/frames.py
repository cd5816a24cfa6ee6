"""What a DICOM file says of its images: one `Frame` a plane, from the header alone."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from medcycle.errors import UnreadableFile
from medcycle.io.dicom.admission import Rest, is_cut_short, no_volume, remarks_on, require_signal, rest_of, text_of
from medcycle.io.dicom.parsing import open_dicom, parse
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

NOT_DICOM = "not DICOM"
"""Why files of other kinds are skipped."""

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


def read_image_file(path: Path) -> ImageFile | Skipped:
    """Read a file's header, or say why it is none of an image. Never raises for what is in the file."""
    start = b""
    try:
        with open_dicom(path) as stream, quiet_pydicom():
            start = stream.read(132)
            force = _bare(start)
            stream.seek(0)
            header = parse(stream, pixels=False, tags=HEADER_TAGS, force=force)
            return _image_file(path, header, rest_of(stream, header))
    except InvalidDicomError:
        return Skipped(path, NOT_DICOM if start else "empty", damaged=not start)
    except UnreadableFile as error:
        return Skipped(path, str(error).removeprefix(f"{path}: "), damaged=True)
    except OSError as error:
        return Skipped(path, f"can't be opened: {unopened(path, error)}", damaged=True)
    except Exception as error:  # noqa: BLE001 - on foreign bytes the parser raises what it likes
        return Skipped(path, f"can't be read as DICOM ({_short(error)})", damaged=True)


def _image_file(path: Path, header: Dataset, rest: Rest) -> ImageFile | Skipped:
    if reason := no_volume(header, rest):
        cut_short = is_cut_short(header, reason)
        return Skipped(path, f"{reason}, cut short" if cut_short else reason, damaged=cut_short)
    try:
        require_signal(header, rest)
        frames, problem = tuple(_frames(path, header)), ""
    except Misfit as misfit:
        frames, problem = (), str(misfit)
    return ImageFile(
        path=path,
        series=text_of(header, "SeriesInstanceUID"),
        modality=text_of(header, "Modality"),
        description=text_of(header, "SeriesDescription"),
        patient_id=text_of(header, "PatientID"),
        owner=tuple(_owner(header)),
        frames=frames,
        problem=problem,
        remarks=tuple(remarks_on(header)),
    )


def _owner(header: Dataset) -> Iterator[tuple[str, str]]:
    """Patient, study and frame of reference; names in one spelling."""
    name = re.sub(r"[\s^=]+", "^", text_of(header, "PatientName").upper()).strip("^")
    patient = (text_of(header, "PatientID").strip(), name, text_of(header, "PatientBirthDate").strip())
    yield "patient", "\\".join(patient)
    yield "study", text_of(header, "StudyInstanceUID")
    yield "frame of reference", text_of(header, "FrameOfReferenceUID")


def _bare(start: bytes) -> bool:
    """Whether a file without DICOM's preamble begins as a data set does, as old archives wrote them."""
    return start[128:132] != b"DICM" and start[:2] in (b"\x08\x00", b"\x02\x00") and len(start) == 132


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
    unit = text_of(plane, "RescaleType").strip()
    return (*names, unit) if unit else names


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
