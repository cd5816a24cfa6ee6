"""What a synthetic series inherits from its source: patient, study, frame of reference, and where the patient lay."""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Sequence

from highdicom import UID
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR
from pydicom.valuerep import format_number_as_ds

from medcycle.errors import DataError

__all__ = ["anonymous_study", "decimal_string", "inherited", "patient_and_study", "require_one_study"]

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


def require_one_study(reference: Sequence[Dataset]) -> Dataset:
    """The first of a source's headers. Raises `DataError` if there is none, or they are of several studies."""
    if not reference:
        raise DataError("the source series has no datasets to take patient and study from; give None for a new study")
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if len({str(dataset.get(keyword, "")) for dataset in reference}) > 1:
            raise DataError(f"the source datasets have more than one {keyword}; give those of one series")
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"):
        if not all(dataset.get(keyword) for dataset in reference):
            raise DataError(
                f"a source dataset has no {keyword}, so that no series can refer to it; export the source again"
            )
    return reference[0]


def anonymous_study(now: datetime.datetime) -> Dataset:
    """A source for what had none: a new study of nobody, head first supine by convention."""
    result = Dataset()
    result.PatientName = "Anonymous^medcycle"
    result.PatientID = f"MEDCYCLE-{uuid.uuid4().hex[:12].upper()}"
    result.StudyInstanceUID = UID()
    result.StudyDate, result.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    result.PatientPosition = "HFS"
    return result


def inherited(source: Dataset) -> Dataset:
    """What a series has in common with its source: patient, study, frame of reference, and where it lay."""
    result = Dataset()
    result.SpecificCharacterSet = source.get("SpecificCharacterSet") or "ISO_IR 100"
    for keyword in (*_REQUIRED, "PatientPosition"):
        setattr(result, keyword, "")
    for keyword in (*_REQUIRED, *_OPTIONAL, *_OF_IMAGES):
        if keyword in source and not source[keyword].is_empty and _valid(source[keyword]):
            result[keyword] = _copied(source[keyword])
    result.FrameOfReferenceUID = result.get("FrameOfReferenceUID") or UID()
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


def _valid(element: DataElement) -> bool:
    """Whether a value is one of its kind: what the source has wrong is left out, not handed on."""
    if element.VR != "AS":
        return True
    return re.fullmatch(r"\d{3}[DWMY]", str(element.value)) is not None


def _copied(element: DataElement) -> DataElement:
    value = element.value
    if element.VR == "DS":
        value = [decimal_string(float(v)) for v in value] if element.VM > 1 else decimal_string(float(value))
    elif element.VR == "PN":
        value = [_delimited(str(v)) for v in value] if element.VM > 1 else _delimited(str(value))
    return DataElement(element.tag, dictionary_VR(element.tag), value)


def _delimited(name: str) -> str:
    """The same person name in a form that no validator takes for the retired free text (PS3.5, 6.2.1.2).

    Empty trailing components and their delimiters may be left out or written: `Doe` and `Doe^` are one name.
    """
    return name if "^" in name else f"{name}^"


def decimal_string(value: float) -> str:
    """A decimal string of at most 16 characters, as its type demands."""
    return str(format_number_as_ds(float(value) + 0.0))
