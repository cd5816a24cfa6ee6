"""Values of a header that are known to be of their kind, and to tell of nobody."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID

from medcycle.io.dicom.confidentiality import kept_terms, lines_of
from medcycle.io.dicom.values import decimal_string

__all__ = ["DUMMY", "checked", "coded", "concept", "is_known_uid", "known_words", "texts_of"]

IMAGE_TYPES = ("ImageType", "FrameType")

PATTERNS = {
    "Manufacturer": (
        r"(?i)siemens( healthineers| healthcare| medical systems)?|ge( medical systems| healthcare)?|"
        r"philips( medical systems| healthcare)?|toshiba(_mec)?|canon(_mec| medical systems)?|hitachi|fujifilm|"
        r"shimadzu|uih|united imaging|neusoft( medical systems)?|esaote|bruker|elekta|viewray|varian|imris|medcycle"
    ),
    "RescaleType": r"HU|HU_MOD|OD|US|MGML|Z_EFF|ED|EDW|PCT|NORMALIZED|UNSPECIFIED",
    "ImagedNucleus": r"1H|2H|3HE|7LI|13C|17O|19F|23NA|31P|129XE",
    "ConvolutionKernel": r"[A-Z][a-z]?\d{2}[a-z]?|[1-9]|STANDARD|BONE|BONEPLUS|SOFT|LUNG|DETAIL|EDGE|FC\d\d|[A-F]",
    "StackID": r"\d{1,3}",
    "PatientAge": r"\d{3}[DWMY]",
}
"""Text that is kept where all of it is of this form."""

TIMES = {
    "DA": r"(?P<date>\d{8})",
    "TM": r"(?P<hour>\d\d)([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?",
    "DT": r"(?P<date>\d{8})((?P<hour>\d\d)([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?)?([+-]\d{4})?",
}

FIRST_YEAR = 1800

INTEGERS = {
    "US": (0, 2**16),
    "SS": (-(2**15), 2**15),
    "UL": (0, 2**32),
    "SL": (-(2**31), 2**31),
    "IS": (-(2**31), 2**31),
}

SCHEMES = ("DCM", "SCT", "UCUM")
"""Coding schemes whose codes are known here."""

LONGEST_MEANING = 64

DUMMY = "removed"
"""What stands for text that can't be left out."""


def checked(element: DataElement) -> DataElement | None:
    """A fresh element with the values that are of its kind, and for code strings among the terms of the standard.

    Empty where none is, `None` for kinds that can't be checked.

    Args:
        element: no sequence, of the allowlist.
    """
    kind = _kind(element)
    check = _CHECKS.get(kind)
    if element.keyword in PATTERNS:
        values = _of_pattern(element)
    elif kind == "CS":
        values = _of_terms(element)
    elif check is None:
        return None
    else:
        values = _all_or_none(check, element)
    return DataElement(element.tag, kind, _value(values), validation_mode=0)


def _kind(element: DataElement) -> str:
    """The dictionary's kind of value, whatever the file says; of several the file's where it is among them."""
    known = dictionary_VR(element.tag)
    if " or " not in known:
        return known
    return element.VR if element.VR in known.split(" or ") else known.split(" or ")[0]


def texts_of(element: DataElement) -> list[str]:
    """The values as text."""
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    return [str(value) for value in values if value is not None]


def _value(values: list[Any]) -> Any:
    return (values if len(values) > 1 else values[0]) if values else None


def _of_pattern(element: DataElement) -> list[str]:
    texts = [text.strip() for text in texts_of(element)]
    if all(re.fullmatch(PATTERNS[element.keyword], text) for text in texts):
        return texts
    return [DUMMY] if element.keyword == "Manufacturer" and any(texts) else []


def _of_terms(element: DataElement) -> list[str]:
    """The terms; in place of an unknown one OTHER where that is a term, of types of images in the third place."""
    terms, result = kept_terms()[element.keyword], []
    of_image = element.keyword in IMAGE_TYPES
    for number, text in enumerate(text.strip() for text in texts_of(element)):
        if text in terms or not text:
            result.append(text)
        elif number == 2 if of_image else "OTHER" in terms:
            result.append("OTHER")
    return result


def _all_or_none(check: Callable[[str, Any], Any], element: DataElement) -> list[Any]:
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    try:
        return [] if element.is_empty else [check(_kind(element), value) for value in values]
    except (ValueError, TypeError, OverflowError):  # what is no number
        return []


def _decimal(_: str, value: Any) -> str:
    text = str(value).strip()
    if not math.isfinite(float(text)):
        raise ValueError(text)
    return (
        text
        if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) and len(text) <= 16
        else decimal_string(float(text))
    )


def _whole(kind: str, value: Any) -> int:
    if isinstance(value, bytes) or int(value) != float(value) or not _in_range(int(value), kind):
        raise ValueError(kind)
    return int(value)


def _in_range(value: int, kind: str) -> bool:
    low, high = INTEGERS[kind]
    return low <= value < high


def _real(_: str, value: Any) -> float:
    return float(value)


def _time(kind: str, value: Any) -> str:
    text = str(value).strip()
    found = re.fullmatch(TIMES[kind], text)
    if not found:
        raise ValueError(kind)
    parts = found.groupdict()
    day = datetime.datetime.strptime(parts.get("date") or "20000101", "%Y%m%d")
    if day.year < FIRST_YEAR or int(parts.get("hour") or 0) >= 24:
        raise ValueError(kind)
    return text


def _attribute(_: str, value: Any) -> int:
    """The tag of a standard attribute; others are made none."""
    return int(value) if dictionary_has_tag(int(value)) else 0


def _uid(_: str, value: Any) -> str:
    return str(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **{"DS": _decimal, "FD": _real, "FL": _real, "AT": _attribute, "UI": _uid},
    **dict.fromkeys(INTEGERS, _whole),
    **dict.fromkeys(TIMES, _time),
}


def is_known_uid(uid: str) -> bool:
    """Whether the standard defines a UID; these tell of nobody."""
    return UID(uid, validation_mode=0).name != uid


def coded(item: Dataset) -> Dataset | None:
    """A code as the standard has it, by its value and scheme; `None` for one that is not known here."""
    scheme, value = (str(item.get(name) or "") for name in ("CodingSchemeDesignator", "CodeValue"))
    if scheme == "SRT":
        scheme, value = "SCT", _of_older_snomed(value)
    return concept(value, scheme) if scheme in SCHEMES and value in _meanings(scheme) else None


def concept(value: str, scheme: str = "DCM") -> Dataset:
    """A code of a known scheme, with its meaning."""
    result = Dataset()
    result.CodeValue, result.CodingSchemeDesignator = value, scheme
    result.CodeMeaning = _meanings(scheme)[value]
    return result


@cache
def _of_older_snomed(value: str) -> str:
    """SNOMED CT's code for one of SNOMED RT, which older files have; empty if there is none."""
    older = Code(value, "SRT", "")
    return next((code.value for code in codes.SCT.concepts.values() if code == older), "")


@cache
def _meanings(scheme: str) -> dict[str, str]:
    """The meanings of a scheme's codes."""
    known = getattr(codes, scheme).concepts.values()
    plain = ((code.value, code.meaning.encode("ascii", "replace").decode()) for code in known)
    return {value: meaning[:LONGEST_MEANING] for value, meaning in plain}


def known_words(text: str, clues: Collection[str]) -> str:
    """The words of a description that are about images, in their order; those that name the patient are left out.

    Args:
        text: as typed.
        clues: parts of the patient's name and numbers, in capitals.
    """
    words = re.findall(r"[A-Za-z0-9]+", text)
    return " ".join(word for word in words if word.lower() in _vocabulary() and word.upper() not in clues)


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(word for line in lines_of("words.txt") for word in line.split())
