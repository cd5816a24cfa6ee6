"""Patient data out of DICOM headers, so that objects of one study still belong together.

What remains is what `confidentiality` allows, with values that `cleaning` has checked. dicognito replaces PatientID,
StudyID and dates by values that depend on the original and a seed alone; so are UIDs replaced here, since those that it
makes have a root that the standard doesn't know.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from dicognito.anonymizer import Anonymizer
from dicognito.element_anonymizer import ElementAnonymizer
from pydicom import DataElement, Dataset, FileMetaDataset
from pydicom.tag import BaseTag

from medcycle import __version__
from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.cleaning import DUMMY, checked, coded, concept, is_known_uid, known_words, texts_of
from medcycle.io.dicom.confidentiality import RETAINED, Retained, action_on, codes_of, kept_terms, keyword_of
from medcycle.io.dicom.frames import quiet_pydicom
from medcycle.io.dicom.roi_names import is_standard
from medcycle.words import meant

__all__ = ["Deidentifier", "Deidentify", "read_key"]

SHORTEST_KEY = 16
"""characters"""

REPLACED = ("PatientID", "StudyID")
"""Text that becomes another, by which objects still find each other."""

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

OF_THE_WHOLE = frozenset(
    (
        *("PatientName", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize", "PatientWeight"),
        *("AccessionNumber", "ReferringPhysicianName", "StudyDescription", *REPLACED, *PIXELS),
    )
)
"""Kept at the top of a data set alone, and removed from its sequences."""

CODED = (
    *("AnatomicRegionSequence", "AnatomicRegionModifierSequence", "PrimaryAnatomicStructureSequence"),
    *("PrimaryAnatomicStructureModifierSequence", "ContrastBolusAgentSequence"),
    "ContrastBolusAdministrationRouteSequence",
)
"""Sequences whose items are codes, though their names don't end so."""

TIMES = ("DA", "TM", "DT")

SHORTEST_CLUE = 3
"""characters of a name or number that are searched for in other attributes."""


@dataclass(frozen=True)
class Deidentify:
    """How a series is de-identified.

    Args:
        key: a secret; the same key gives the same new identifiers for the same patient. A new one by default.
        with_source: whether the source series is written too, de-identified alike.
        retain: what is kept beyond the basic profile: `device` identity, `dates` unshifted, `patient` characteristics
            (sex, age, size, weight), known words of `descriptions`, `roi-names` as they were typed.

    Attributes:
        lasting: whether the key was given, so that another call can have it.

    Raises:
        UsageError: if `retain` holds something else.
    """

    key: str = field(default="", repr=False)
    with_source: bool = False
    retain: frozenset[Retained] = frozenset()
    lasting: bool = field(init=False)

    def __post_init__(self) -> None:
        if unknown := set(self.retain) - set(RETAINED):
            hint = meant(sorted(unknown)[0], RETAINED)
            choose = f"{hint}{' ' if hint else ''}choose from {', '.join(RETAINED)}"
            raise UsageError(f"--retain {sorted(unknown)[0]}: unknown; {choose}")
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
        how: the key, and what is retained.
        patient: a header of the source series.
        structures: whether a structure set is among the objects, whose names are descriptors.
    """

    def __init__(self, how: Deidentify, patient: Dataset, *, structures: bool = False) -> None:
        patient_id = str(patient.get("PatientID") or "")
        seed = hmac.new(how.key.encode(), patient_id.encode(), hashlib.sha256).hexdigest()
        self._retain = how.retain
        self._codes = codes_of(how.retain, structures=structures)
        self._dicognito = Anonymizer(seed=seed)
        self._dicognito.add_element_handler(_Replacer(seed, how.retain))
        self._clues = _clues(patient)

    def apply(self, dataset: Dataset) -> None:
        """De-identify a dataset, with its `file_meta` and preamble, in place. Raises `DataError` if it can't be."""
        try:
            with quiet_pydicom():
                self._apply(dataset)
        except Exception as error:  # noqa: BLE001 - on foreign values dicognito and pydicom raise what they like
            kind = type(error).__name__  # what it says may quote the patient's name
            raise DataError(f"a header can't be de-identified ({kind}); correct it, or export it again") from None

    def _apply(self, dataset: Dataset) -> None:
        clean = self._cleaned(dataset, {*self._clues, *_clues(dataset)}, top=True)
        if not clean.get("SpecificCharacterSet"):
            clean.SpecificCharacterSet = "ISO_IR 192"  # which holds all text
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        dataset.file_meta = FileMetaDataset()
        if syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
        if not all(is_known_uid(uid) for uid in (clean.get("SOPClassUID"), syntax) if uid):
            raise ValueError  # a private kind of object or encoding, which may hold anything
        dataset.clear()
        dataset.update(clean)
        dataset.preamble = bytes(128)  # which may hold anything
        self._dicognito.anonymize(dataset)
        self._say_so(dataset)

    def _say_so(self, dataset: Dataset) -> None:
        dataset.PatientName = f"Deidentified^{dataset.get('PatientID') or ''}"
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = [
            f"medcycle {__version__}, dicognito {version('dicognito')}",
            "attributes of an allowlist kept (PS3.15, E)",
            *(f"{option} retained" for option in RETAINED if option in self._retain),
        ]
        dataset.DeidentificationMethodCodeSequence = [concept(value) for value in self._codes]
        dataset.LongitudinalTemporalInformationModified = "UNMODIFIED" if "dates" in self._retain else "MODIFIED"

    def shift(self, moment: datetime.datetime) -> datetime.datetime:
        """A time, moved as the patient's dates are."""
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.AcquisitionDateTime = moment.strftime("%Y%m%d%H%M%S")
        self._dicognito.anonymize(dataset)
        (shifted,) = texts_of(dataset["AcquisitionDateTime"])
        return datetime.datetime.strptime(shifted, "%Y%m%d%H%M%S")

    def _cleaned(self, dataset: Dataset, clues: Collection[str], *, top: bool = False) -> Dataset:
        """What the allowlist has of a data set; other elements are not even decoded."""
        result = Dataset()
        for tag in sorted(map(BaseTag, dataset.keys())):
            keyword = keyword_of(tag)
            if keyword not in kept_terms() or (keyword in OF_THE_WHOLE and not top):
                continue
            kept = self._kept(dataset[tag], dataset, clues)
            if kept is not None:
                result[tag] = kept
        if "dates" not in self._retain:
            _without_lone_times(result)
        return result

    def _kept(self, element: DataElement, parent: Dataset, clues: Collection[str]) -> DataElement | None:
        keyword, action = element.keyword, action_on(element.tag, element.keyword, self._retain)
        if keyword in REPLACED:
            return DataElement(element.tag, element.VR, "\\".join(texts_of(element)), validation_mode=0)
        if keyword in PIXELS:
            return element
        if action == "remove":
            return None
        if element.VR == "SQ":
            return DataElement(element.tag, "SQ", []) if action == "empty" else self._sequence(element, clues)
        if keyword == "ROIName":
            return DataElement(element.tag, "LO", self._roi_name(str(element.value), parent, clues))
        return self._by_action(element, action, clues)

    def _by_action(self, element: DataElement, action: str, clues: Collection[str]) -> DataElement | None:
        if action == "clean":
            words = known_words(" ".join(texts_of(element)), clues)
            return DataElement(element.tag, element.VR, words) if words else None
        typed = " ".join(texts_of(element))
        if action == "dummy" or (action == "as typed" and _told(typed, clues)):
            return DataElement(element.tag, element.VR, DUMMY)
        if action == "empty":
            return DataElement(element.tag, element.VR, "")
        return element if action == "as typed" else checked(element)

    def _roi_name(self, name: str, roi: Dataset, clues: Collection[str]) -> str:
        allowed = "roi-names" in self._retain or is_standard(name)
        return name if allowed and not _told(name, clues) else f"ROI {int(roi.get('ROINumber') or 0)}"

    def _sequence(self, element: DataElement, clues: Collection[str]) -> DataElement | None:
        """The items but those with a code that the standard doesn't know; `None` where all are such."""
        items = [self._cleaned(item, clues) for item in element.value]
        if element.keyword.endswith("CodeSequence") or element.keyword in CODED:
            known = [(kept, code) for kept, item in zip(items, element.value, strict=True) if (code := coded(item))]
            for kept, code in known:
                kept.update(code)
            items = [kept for kept, _ in known]
        return None if element.value and not items else DataElement(element.tag, "SQ", items)


class _Replacer(ElementAnonymizer):
    """UIDs made of UUIDs (PS3.5, B.2), the same one for the same original; the rest but IDs and dates stays.

    Args:
        seed: of the new values.
        retain: with `dates` these stay, too.
    """

    def __init__(self, seed: str, retain: Collection[str]) -> None:
        self._seed = seed.encode()
        self._retain = retain

    def __call__(self, dataset: Dataset, data_element: DataElement) -> bool:  # noqa: ARG002 - dicognito's signature
        """Replace a UID, and return whether nothing else is to be done."""
        if action_on(data_element.tag, data_element.keyword, self._retain) == "as typed":
            return True
        if data_element.VR == "UI" and not data_element.is_empty:
            replaced = [self._replaced(text) for text in texts_of(data_element)]
            data_element.value = replaced if data_element.VM > 1 else replaced[0]
        shifted = data_element.VR in TIMES and "dates" not in self._retain
        return not shifted and data_element.keyword not in REPLACED

    def describe_actions(self) -> Iterator[str]:
        """What dicognito asks of its handlers."""
        yield "Replace UIDs but those of the standard"

    def _replaced(self, uid: str) -> str:
        if is_known_uid(uid):
            return uid
        digest = hmac.new(self._seed, uid.encode(), hashlib.sha256).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def _clues(dataset: Dataset) -> set[str]:
    """What names the patient: parts of the name, numbers, the day of birth; in capitals."""
    found: list[str] = []
    for keyword in ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthDate"):
        for value in texts_of(dataset[keyword]) if keyword in dataset else ():
            found += [value, *re.split(r"[\^=\s,]+", value)]
    return {clue.upper() for clue in found if len(clue) >= SHORTEST_CLUE}


def _told(text: str, clues: Collection[str]) -> bool:
    """Whether a text names the patient."""
    return any(clue in text.upper() for clue in clues)


def _without_lone_times(dataset: Dataset) -> None:
    """Empty times of no known day, which would not be moved."""
    for element in dataset:
        if element.VR == "TM" and not dataset.get(element.keyword.replace("Time", "Date")):
            element.value = ""
