"""Patient data out of DICOM headers, so that objects of one study still belong together.

dicognito replaces identifiers and dates by values that depend on the original and a seed alone; so are UIDs replaced
here, since those it makes have a root that the standard doesn't know. What it leaves, free text, private attributes and
what describes the patient, is removed.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from dicognito.anonymizer import Anonymizer
from dicognito.element_anonymizer import ElementAnonymizer
from pydicom import DataElement, Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from medcycle import __version__
from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.pixels import read_dataset

__all__ = ["Deidentifier", "Deidentify", "read_key", "write_deidentified"]

SHORTEST_KEY = 16
"""characters"""

TEXT = {"PN", "LT", "ST", "UT", "UR", "AE", "UN"}
"""Kinds of value that are removed."""

TIMES = {"DA": r"(?P<date>\d{8})", "DT": r"(?P<date>\d{8})((?P<hour>\d\d).*)?", "TM": r"(?P<hour>\d\d).*"}
"""What dicognito can shift, by kind of value."""

FIRST_YEAR = 1800

SEARCHED = {"LO", "SH", "UC"}
"""Kinds of value in which a name or a number of the patient may stand where it doesn't belong."""

REPLACED = {"PatientID", "StudyID"}
"""Random by then, so that what is found in them is chance."""

EMPTIED = {
    *("PatientName", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName"),
    *("OperatorsName", "ROIInterpreter"),
}
"""Kept without a value, where present: type 2 of their modules."""

KEPT_OF_GROUP = {
    0x0010: {"PatientName", "PatientID", "PatientBirthDate", "PatientSex"},
    0x0012: set[str](),
    0x0032: set[str](),
    0x0038: set[str](),
    0x0040: {"RealWorldValueMappingSequence"},
    0x0400: set[str](),
    0x4008: set[str](),
    0xFFFA: set[str](),
}
"""Of the patient, trials, requests, visits, procedure steps, signatures, results: only these attributes."""

REPEATING_GROUPS = range(0x5000, 0x6100)
"""Curves and overlays, which may hold handwriting."""

STANDARD_UIDS = "1.2.840.10008."
"""The root of what the standard defines, such as classes; these tell of nobody."""

KEPT_UIDS = ("ClassUID", "SyntaxUID")
"""Ends of keywords: kinds of objects, standard or private."""

REMOVED = {
    *("InstitutionName", "InstitutionAddress", "InstitutionCodeSequence", "InstitutionalDepartmentName"),
    *("InstitutionalDepartmentTypeCodeSequence", "StationName", "DeviceSerialNumber", "DeviceUID", "GantryID"),
    *("StudyDescription", "SeriesDescription", "ProtocolName", "DetectorID", "PlateID", "IconImageSequence"),
    *("ReferencedPatientSequence", "ReferencedPatientPhotoSequence", "PersonIdentificationCodeSequence"),
    *("PrivateInformation", "PrivateInformationCreatorUID", "DataSetTrailingPadding", "TimezoneOffsetFromUTC"),
}

SHORTEST_CLUE = 3
"""characters of a name or number that are searched for in other attributes."""


@dataclass(frozen=True)
class Deidentify:
    """How a series is de-identified.

    Args:
        key: a secret; the same key gives the same new identifiers for the same patient. A new one by default.
        with_source: whether the source series is written too, de-identified alike.

    Attributes:
        lasting: whether the key was given, so that another call can have it.
    """

    key: str = field(default="", repr=False)
    with_source: bool = False
    lasting: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lasting", bool(self.key))
        if not self.key:
            object.__setattr__(self, "key", secrets.token_hex(32))


def read_key(path: Path) -> str:
    """The key in a file, which is made, readable by its owner alone, where it isn't there.

    Raises:
        UsageError: if the file holds none.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(f"{secrets.token_hex(32)}\n", encoding="ascii")
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a readable key file ({error}); give a text file, or a new path") from error
    if len(key) < SHORTEST_KEY:
        raise UsageError(f"{path}: a key of less than {SHORTEST_KEY} characters; give a longer one, or a new path")
    return key


class Deidentifier:
    """Replaces the identity of one patient.

    UIDs, PatientID, StudyID and dates become others that depend on the key, the patient and the original value: equal
    values stay equal from object to object, differences between dates stay as they are. The new values don't tell the
    old ones without the key.

    Args:
        key: a secret.
        patient: a header of the source series.
    """

    def __init__(self, key: str, patient: Dataset) -> None:
        patient_id = str(patient.get("PatientID") or "")
        seed = hmac.new(key.encode(), patient_id.encode(), hashlib.sha256).hexdigest()
        self._dicognito = Anonymizer(seed=seed)
        self._dicognito.add_element_handler(_UidReplacer(seed))
        self._clues = _clues(patient)

    def apply(self, dataset: Dataset) -> None:
        """De-identify a dataset, with its `file_meta`, in place. Raises `DataError` if it can't be."""
        try:
            self._apply(dataset)
        except Exception as error:  # on foreign values dicognito and pydicom raise what they like
            kind = type(error).__name__  # what it says may quote the patient's name
            raise DataError(f"a header can't be de-identified ({kind}); correct it, or export it again") from error

    def _apply(self, dataset: Dataset) -> None:
        clues = {*self._clues, *_clues(dataset)}
        dataset.remove_private_tags()
        _remove_groups(dataset)
        dataset.file_meta.walk(_without_text)
        dataset.walk(_without_text)
        dataset.walk(_without_malformed_dates)
        self._dicognito.anonymize(dataset)
        dataset.walk(lambda parent, element: _without_clues(parent, element, clues))
        dataset.PatientName = f"Deidentified^{dataset.get('PatientID') or ''}"
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = [
            f"medcycle {__version__}, dicognito {version('dicognito')}",
            "UIDs, IDs and dates replaced",
            "names, free text, private attributes removed",
        ]
        dataset.LongitudinalTemporalInformationModified = "MODIFIED"

    def shift(self, moment: datetime.datetime) -> datetime.datetime:
        """A time, moved as the patient's dates are."""
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.AcquisitionDateTime = moment.strftime("%Y%m%d%H%M%S")
        self._dicognito.anonymize(dataset)
        (shifted,) = _values(dataset["AcquisitionDateTime"])
        return datetime.datetime.strptime(shifted, "%Y%m%d%H%M%S")


class _UidReplacer(ElementAnonymizer):
    """UIDs made of UUIDs (PS3.5, B.2), the same one for the same original."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()

    def __call__(self, dataset: Dataset, data_element: DataElement) -> bool:  # noqa: ARG002 - dicognito's signature
        """Replace a UID, and return whether it was one."""
        if data_element.VR != "UI" or data_element.is_empty or data_element.keyword.endswith(KEPT_UIDS):
            return False
        replaced = [self._replaced(text) for text in _values(data_element)]
        data_element.value = replaced if data_element.VM > 1 else replaced[0]
        return True

    def describe_actions(self) -> Iterator[str]:
        """What dicognito asks of its handlers."""
        yield "Replace UIDs but those of classes and transfer syntaxes"

    def _replaced(self, uid: str) -> str:
        if uid.startswith(STANDARD_UIDS):
            return uid
        digest = hmac.new(self._seed, uid.encode(), hashlib.sha256).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def write_deidentified(files: Sequence[Path], folder: Path, deidentifier: Deidentifier) -> list[Path]:
    """Write a series de-identified, pixels as they are: `0001.dcm` and so on.

    Args:
        files: of one series.
        folder: made here.
        deidentifier: of its patient.

    Raises:
        UnreadableFile: if a file is damaged.
        DataError: if a header says that pixels show text.
    """
    folder.mkdir()
    written = []
    for number, path in enumerate(files, 1):
        dataset = read_dataset(path)
        if dataset.get("BurnedInAnnotation") == "YES":
            raise DataError(
                "the source series has text burned into its pixels, which de-identification leaves; write it without "
                "--with-source"
            )
        deidentifier.apply(dataset)
        dataset.preamble = bytes(128)  # which may hold anything
        written.append(folder / f"{number:04d}.dcm")
        dataset.save_as(written[-1], enforce_file_format=True)
    return written


def _clues(dataset: Dataset) -> set[str]:
    """What names the patient: parts of the name, numbers, the day of birth; in capitals."""
    found: list[str] = []
    for keyword in ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthDate"):
        for value in _values(dataset[keyword]) if keyword in dataset else ():
            found += [value, *re.split(r"[\^=\s,]+", value)]
    return {clue.upper() for clue in found if len(clue) >= SHORTEST_CLUE}


def _values(element: DataElement) -> list[str]:
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    return [str(value) for value in values if value is not None]


def _remove_groups(dataset: Dataset) -> None:
    for tag in list(dataset.keys()):
        if _is_removed(BaseTag(tag), dataset):
            del dataset[tag]


def _is_removed(tag: BaseTag, dataset: Dataset) -> bool:
    if tag.group in REPEATING_GROUPS:
        return True
    return tag.group in KEPT_OF_GROUP and dataset[tag].keyword not in KEPT_OF_GROUP[tag.group]


def _without_text(parent: Dataset, element: DataElement) -> None:
    """Names, free text, and what tells the hospital."""
    if element.keyword in EMPTIED:
        element.value = ""
    elif element.keyword in REMOVED or element.VR in TEXT:
        del parent[element.tag]


def _without_malformed_dates(_: Dataset, element: DataElement) -> None:
    """Empty what is no date: dicognito would fail on it."""
    if element.VR in TIMES and not all(_is_time(element.VR, text) for text in _values(element)):
        element.value = ""


def _is_time(kind: str, text: str) -> bool:
    found = re.fullmatch(TIMES[kind], text)
    if not text or not found:
        return not text
    parts = found.groupdict()
    try:
        day = datetime.datetime.strptime(parts.get("date") or "20000101", "%Y%m%d")
    except ValueError:
        return False
    return day.year >= FIRST_YEAR and int(parts.get("hour") or 0) < 24


def _without_clues(parent: Dataset, element: DataElement, clues: Iterable[str]) -> None:
    """A text in which the patient's name or a number stands is emptied; of a ROI it becomes the ROI's number."""
    if element.VR not in SEARCHED or element.keyword in REPLACED:
        return
    if any(clue in value.upper() for value in _values(element) for clue in clues):
        element.value = f"ROI {parent.ROINumber}" if element.keyword == "ROIName" else ""
