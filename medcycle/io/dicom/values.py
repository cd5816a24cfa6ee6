"""Values of foreign data sets, in the forms that the standard asks for."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.multival import MultiValue
from pydicom.valuerep import format_number_as_ds, validate_value

from medcycle.io.dicom.frames import quiet_pydicom

__all__ = ["decimal_string", "give_known_kinds", "valid_copy"]

LONGEST = {"LO": 64, "SH": 16, "CS": 16, "ST": 1024, "LT": 10240}
"""Characters of a text (PS3.5, 6.2); longer ones are cut off."""

LONGEST_DECIMAL = 16
"""Characters of a decimal string."""

TEXTS = ("LO", "SH", "ST", "LT", "UT", "UC", "PN")


def decimal_string(value: float) -> str:
    """A decimal string of at most 16 characters, as its type demands."""
    return str(format_number_as_ds(float(value) + 0.0))


def give_known_kinds(dataset: Dataset) -> None:
    """Give elements of unknown kind (UN), which explicit encodings make of long values, the kind of the dictionary.

    Raises:
        ValueError: if a value is none of its kind.
    """
    for parent, element in _all_elements(dataset):
        if element.VR != "UN" or element.tag.is_private or not isinstance(element.value, bytes):
            continue
        try:
            kind = dictionary_VR(element.tag)
        except KeyError:
            continue
        if kind in ("DS", "IS", "CS", "LO", "SH", "UI"):
            texts = element.value.decode("ascii").rstrip(" \0").split("\\")
            parent[element.tag] = DataElement(element.tag, kind, texts, validation_mode=0)


def valid_copy(element: DataElement) -> DataElement:
    """A copy of an element, sequences at any depth included, that holds valid values alone.

    Decimal strings of more than 16 characters are written anew within them, texts are cut to their length, and what is
    none of its kind becomes empty. Private elements are left out.
    """
    if element.VR != "SQ":
        return _valid(element)
    items = []
    for item in element.value:
        kept = Dataset()
        for part in item:
            if not part.tag.is_private:
                kept[part.tag] = valid_copy(part)
        items.append(kept)
    return DataElement(element.tag, "SQ", items)


def _valid(element: DataElement) -> DataElement:
    value = element.value
    several = isinstance(value, MultiValue | list | tuple)
    try:
        with quiet_pydicom():
            values = [_valid_value(element.VR, one) for one in (value if several else [value])]
            if element.is_empty or not all(one != "" for one in values):
                return DataElement(element.tag, element.VR, None)
            return DataElement(element.tag, element.VR, values if several else values[0])
    except (ValueError, TypeError, OverflowError, AttributeError):  # as pydicom has it, of foreign values
        return DataElement(element.tag, element.VR, None)


def _valid_value(kind: str, value: Any) -> Any:
    """The value in a valid form. Raises `ValueError` if there is none."""
    if kind == "DS":
        text = str(value).strip()
        return text if len(text) <= LONGEST_DECIMAL and math.isfinite(float(text)) else decimal_string(float(value))
    if kind == "IS":
        return int(float(value))
    if kind in (*TEXTS, "CS", "UI"):
        text = str(value)[: LONGEST.get(kind)]
        text = text.upper().strip() if kind == "CS" else text
        if kind != "UI":  # by which objects find each other, valid or not
            validate_value(kind, text, RAISE)
        return text
    return copy.deepcopy(value)


def _all_elements(dataset: Dataset) -> Iterator[tuple[Dataset, DataElement]]:
    """Every element, at any depth, with the data set that holds it."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _all_elements(item)
        else:
            yield dataset, element
