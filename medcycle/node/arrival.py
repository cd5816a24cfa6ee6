"""What a data set that has arrived is, by its header alone: which series it belongs to, or why it is refused.

Statuses are those of the Storage Service Class (DICOM PS3.4, B.2.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydicom import Dataset
from pydicom.uid import RTStructureSetStorage

from medcycle.io.dicom.frames import Skipped, quiet_pydicom, read_image_file
from medcycle.io.dicom.parsing import open_dicom, parse

__all__ = [
    "CANNOT_UNDERSTAND",
    "MISMATCH",
    "NOT_AUTHORISED",
    "OUT_OF_RESOURCES",
    "SUCCESS",
    "Rejected",
    "digest_of",
    "hash_of",
    "series_and_kind",
]

SUCCESS = 0x0000
NOT_AUTHORISED = 0x0124
OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

TAGS: list[Any] = [
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    "ReferencedFrameOfReferenceSequence",
]

LONGEST_UID = 64
"""Characters (PS3.5, 9.1)."""


class Rejected(Exception):
    """An instance that is not taken.

    Args:
        status: the DICOM status that says so.
        reason: in a few words that name nobody.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def hash_of(*texts: str) -> str:
    """96 bits of a hash, in hexadecimal digits: what stands for UIDs in the journal and in names of files."""
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()[:24]


def digest_of(content: bytes | memoryview) -> str:
    """128 bits of a data set's hash, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:32]


def series_and_kind(path: Path, sop_class: str, instance: str) -> tuple[str, Literal["image", "structures"]]:
    """The hash of the series that an instance belongs to, and what it is.

    A structure set belongs to the series that it was drawn on.

    Args:
        path: of the file that it was written to.
        sop_class: as the sender named it.
        instance: its SOPInstanceUID, as the sender named it.

    Raises:
        Rejected: if it is torn, not what the sender says, or says not what it belongs to.
    """
    header = _header(path)
    if (_uid(header, "SOPClassUID"), _uid(header, "SOPInstanceUID")) != (sop_class, instance):
        raise Rejected(MISMATCH, "class or instance differ from what was announced")
    study = _uid(header, "StudyInstanceUID")
    if sop_class == RTStructureSetStorage:
        return hash_of(study, _drawn_on(header)), "structures"
    found = read_image_file(path)
    problem = found.reason if isinstance(found, Skipped) else found.problem
    if problem.startswith("truncated") or (isinstance(found, Skipped) and found.damaged):
        raise Rejected(CANNOT_UNDERSTAND, "torn: pixels are missing")
    return hash_of(study, _uid(header, "SeriesInstanceUID")), "image"


def _header(path: Path) -> Dataset:
    try:
        with open_dicom(path) as stream, quiet_pydicom():
            header = parse(stream, pixels=False, tags=TAGS)
            for tag in TAGS:  # values are decoded when they are asked for
                header.get(tag)
            return header
    except Exception as error:  # on foreign bytes the parser raises what it likes
        raise Rejected(CANNOT_UNDERSTAND, "torn, or not a data set") from error


def _uid(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_UID:
        raise Rejected(MISMATCH, f"no {keyword}")
    return str(value)


def _drawn_on(header: Dataset) -> str:
    """The UID of the one series that a structure set was drawn on."""
    series = {
        _uid(one, "SeriesInstanceUID")
        for frame in _items(header, "ReferencedFrameOfReferenceSequence")
        for study in _items(frame, "RTReferencedStudySequence")
        for one in _items(study, "RTReferencedSeriesSequence")
    }
    if len(series) != 1:
        raise Rejected(MISMATCH, f"a structure set of {len(series)} series, not of one")
    return series.pop()


def _items(item: Dataset, keyword: str) -> Sequence[Dataset]:
    found = item.get(keyword)
    return [] if found is None or isinstance(found, str | bytes) else list(found)
