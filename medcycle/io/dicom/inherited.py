"""What a synthetic series inherits from its source: patient, study, frame of reference, and where the patient lay."""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Sequence
from typing import cast

from highdicom import UID
from pydicom import DataElement, Dataset
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

from medcycle.errors import DataError
from medcycle.io.dicom.frames import quiet_pydicom
from medcycle.io.dicom.values import decimal_string

__all__ = ["anonymous_study", "inherited", "number_of", "patient_and_study", "require_one_study"]

_REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    "PositionReferenceIndicator",
)
"""Copied from the source, and present though empty where the source has none."""

_OPTIONAL = (
    *("StudyInstanceUID", "FrameOfReferenceUID"),
    *("IssuerOfPatientID", "PatientBirthTime", "OtherPatientIDsSequence", "EthnicGroup", "PatientComments"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    "LongitudinalTemporalInformationModified",
    *("PatientAge", "PatientSize", "PatientWeight"),
    *("StudyDescription", "PhysiciansOfRecord", "RequestingService"),
)
"""Copied from the source where it has them."""

_OF_IMAGES = (
    "PatientPosition",
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
"""Likewise, into images alone; the first is present though empty."""


_IDENTIFIERS = ("PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber")
"""By which people and archives know whose images they are."""

SEXES = ("M", "F", "O")
"""The terms of PatientSex."""

TEXTS = ("PN", "LO", "SH", "LT", "ST", "UT", "UC")
"""Kinds of values that the character set is of."""

LATIN_1 = 0x100
"""Letters below this are in ISO_IR 100."""

log = logging.getLogger(__name__)


def require_one_study(reference: Sequence[Dataset]) -> Dataset:
    """The first of a source's headers. Raises `DataError` if there is none, or they are of several studies."""
    if not reference:
        raise DataError("the source series has no datasets to take patient and study from; give None for a new study")
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if len({str(dataset.get(keyword, "")) for dataset in reference}) > 1:
            raise DataError(f"the source datasets have more than one {keyword}; give those of one series")
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"):
        if not all(dataset.get(keyword) for dataset in reference):
            raise DataError(f"a source dataset has no {keyword}, so no series can refer to it; export the source again")
    return reference[0]


def anonymous_study(now: datetime.datetime) -> Dataset:
    """A source for what had none: a new study of nobody, head first supine by convention."""
    result = Dataset()
    result.PatientName = "Anonymous^medcycle"
    result.PatientID = f"MEDCYCLE-{uuid.uuid4().hex[:12].upper()}"
    result.StudyInstanceUID, result.FrameOfReferenceUID = UID(), UID()
    result.StudyDate, result.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    result.PatientPosition = "HFS"
    return result


def inherited(source: Dataset) -> Dataset:
    """What a series has in common with its source: patient, study, frame of reference, and where it lay."""
    result = Dataset()
    for keyword in (*_REQUIRED, "PatientPosition"):
        setattr(result, keyword, "")
    for keyword in (*_REQUIRED, *_OPTIONAL, *_OF_IMAGES):
        if element := _sound(source, keyword):
            result[keyword] = element
    result.SpecificCharacterSet = _character_set(source, result)
    if not result.get("FrameOfReferenceUID"):
        log.warning("the source has no FrameOfReferenceUID: planning systems can't align it with the synthetic series")
        result.FrameOfReferenceUID = UID()
    methods = {"DeidentificationMethod", "DeidentificationMethodCodeSequence"}
    if result.get("PatientIdentityRemoved") == "YES" and not methods & set(result.dir()):
        result.DeidentificationMethod = "not told by the source"  # one is required then
    # A DICOMDIR can't be built without it.
    result.StudyID = result.StudyID or "1"
    return result


def patient_and_study(header: Dataset) -> Dataset:
    """What a written series' header shares with every other object of its study and frame of reference."""
    result = Dataset()
    for keyword in ("SpecificCharacterSet", *_REQUIRED, *_OPTIONAL):
        if keyword in header:
            result[keyword] = header[keyword]
    return result


def number_of(source: Dataset, keyword: str) -> int:
    """A whole number; 0 where the source has none, or something else."""
    element = _sound(source, keyword)
    return int(element.value) if element and element.VM == 1 else 0


def _sound(source: Dataset, keyword: str) -> DataElement | None:
    """A copy of an element; None if it is absent, empty, or not of its kind, which is left out and not handed on.

    UIDs and what names the patient are kept whatever they are: other objects of the study are found by them.
    """
    try:
        with quiet_pydicom():
            copied = None if source[keyword].is_empty else _copied(source[keyword])
        if copied and copied.VR not in ("SQ", "UI") and keyword not in _IDENTIFIERS:
            for value in copied.value if copied.VM > 1 else [copied.value]:
                validate_value(copied.VR, str(value), RAISE)
    except (KeyError, ValueError, TypeError, OverflowError, AttributeError):  # as pydicom has it, of foreign values
        return None
    return None if copied and keyword == "PatientSex" and copied.value not in SEXES else copied


def _character_set(source: Dataset, result: Dataset) -> str | MultiValue[str]:
    """The source's where it holds all of the text, and else Latin 1 or UTF-8."""
    declared = source.get("SpecificCharacterSet") or ""
    if str(declared) not in ("", "ISO_IR 6", "ISO_IR 100"):
        return cast("str | MultiValue[str]", declared)
    text = "".join(str(element.value) for element in result.iterall() if element.VR in TEXTS)
    return "ISO_IR 100" if all(ord(letter) < LATIN_1 for letter in text) else "ISO_IR 192"


def _copied(element: DataElement) -> DataElement:
    """The same for a header, in the forms that validators take. Raises `ValueError` of numbers that are none."""
    value, kind = element.value, dictionary_VR(element.tag)
    if kind == "DS":
        value = [decimal_string(float(v)) for v in value] if element.VM > 1 else decimal_string(float(value))
    elif kind == "PN":
        value = [_delimited(str(v)) for v in value] if element.VM > 1 else _delimited(str(value))
    return DataElement(element.tag, kind, value)


def _delimited(name: str) -> str:
    """The same person name in a form that no validator takes for the retired free text (PS3.5, 6.2.1.2).

    Empty trailing components and their delimiters may be left out or written: `Doe` and `Doe^` are one name.
    """
    return name if "^" in name else f"{name}^"
