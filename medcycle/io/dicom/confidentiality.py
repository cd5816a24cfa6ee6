"""What a de-identified header may hold: an allowlist, and the actions of DICOM PS3.15's table E.1-1, as data.

`tables/kept.csv` names all attributes that may remain; any other is removed, wherever it stands. Of those that are also
in `tables/confidentiality.csv` (table E.1-1, Basic Application Level Confidentiality Profile), the profile and the
options in use say what becomes of the value.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag

__all__ = ["RETAINED", "Action", "Retained", "action_on", "codes_of", "kept_terms", "keyword_of", "lines_of", "profile"]

Retained = Literal["device", "dates", "patient", "descriptions", "roi-names"]
"""What may be kept beyond the basic profile, at the user's wish."""

RETAINED: tuple[Retained, ...] = get_args(Retained)

Action = Literal["keep", "as typed", "shift", "clean", "new uid", "empty", "dummy", "remove"]
"""`keep` is for values that can be checked, `as typed` for text that can't."""

UNCHECKED_OF_DEVICE = frozenset(
    (
        *("ManufacturerModelName", "SoftwareVersions", "PulseSequenceName", "ReceiveCoilName", "TransmitCoilName"),
        "MultiCoilElementName",
    )
)
"""Names of machines and their parts, typed by whoever installed them; the table leaves them to the implementer."""

NEEDED = frozenset(
    ("DeviceSerialNumber", "LUTLabel", "LUTExplanation", "MetaboliteMapDescription", *UNCHECKED_OF_DEVICE)
)
"""Text that some object must have (type 1): a word stands for it."""

ALWAYS_EMPTY = frozenset(
    (
        *("PositionReferenceIndicator", "ReceiveCoilManufacturerName", "TransmitCoilManufacturerName"),
        "MultiCoilConfiguration",
    )
)
"""Typed text that may be empty (type 2), which the table leaves to the implementer."""

CODES: dict[str, str] = {
    "basic": "113100",
    "descriptions": "113105",
    "dates": "113106",
    "shifted dates": "113107",
    "patient": "113108",
    "device": "113109",
}
"""PS3.16, CID 7050, De-identification Method."""


def action_on(tag: BaseTag, keyword: str, retain: Collection[str]) -> Action:
    """What becomes of an attribute that the allowlist holds.

    Args:
        tag: of the attribute.
        keyword: likewise.
        retain: of `RETAINED`.
    """
    if keyword == "ROIName" and "roi-names" in retain:
        return "as typed"
    row = profile().get(f"{int(tag):08x}")
    if row is None:
        return _unlisted(keyword, retain)
    by_option: dict[Action, bool] = {
        "shift": row["modified_dates"] == "C" and "dates" not in retain,
        "keep": row["full_dates"] == "K" or (row["patient"] == "K" and "patient" in retain),
        "as typed": row["device"] == "K" and "device" in retain,
        "clean": row["descriptors"] == "C" and (keyword == "ROIName" or "descriptions" in retain),
    }
    wanted = next((action for action, holds in by_option.items() if holds), None)
    return wanted or _basic(row["basic"].split("/"), keyword)


def _unlisted(keyword: str, retain: Collection[str]) -> Action:
    if keyword in UNCHECKED_OF_DEVICE and "device" in retain:
        return "as typed"
    if keyword in NEEDED:
        return "dummy"
    return "empty" if keyword in ALWAYS_EMPTY else "keep"


def _basic(actions: list[str], keyword: str) -> Action:
    """The action of the basic profile; of several, one that is right whatever the type of the attribute."""
    if "U" in actions or "U*" in actions:
        return "new uid"
    if keyword in NEEDED:
        return "dummy"
    if "Z" in actions:
        return "empty"
    return "dummy" if actions == ["D"] else "remove"


def codes_of(retain: Collection[str], *, structures: bool) -> list[str]:
    """The codes of the profile and of the options that were used (CID 7050).

    Args:
        retain: of `RETAINED`.
        structures: whether names of regions of interest are written; cleaned ones are descriptors that were cleaned.
    """
    used = ["basic", "dates" if "dates" in retain else "shifted dates"]
    typed = structures and "roi-names" in retain
    if ("descriptions" in retain or structures) and not typed:
        used.append("descriptions")
    used += [option for option in ("patient", "device") if option in retain]
    return sorted(CODES[option] for option in used)


@cache
def kept_terms() -> Mapping[str, frozenset[str]]:
    """The allowlist: keywords, each with the terms it may have; none where its values are no code strings."""
    rows = csv.DictReader(lines_of("kept.csv"))
    return {row["keyword"]: frozenset(filter(None, row["terms"].split("\\"))) for row in rows}


@cache
def profile() -> Mapping[str, Mapping[str, str]]:
    """The rows of table E.1-1 by tag, eight hexadecimal digits, those of one attribute alone."""
    return {row["tag"]: row for row in csv.DictReader(lines_of("confidentiality.csv")) if "x" not in row["tag"]}


def lines_of(name: str) -> Iterator[str]:
    """The lines of a table of this package but its comments."""
    text = files("medcycle.io.dicom").joinpath("tables", name).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if not line.startswith("#"))


def keyword_of(tag: BaseTag) -> str:
    """The keyword of a standard attribute that is there once; empty for others."""
    return "" if tag.is_private else keyword_for_tag(tag)
