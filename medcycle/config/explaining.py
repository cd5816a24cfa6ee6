"""What is wrong with a configuration, in a line that names the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from medcycle.config.bounds import Because, Section
from medcycle.config.removed import REMOVED, REMOVED_KINDS, SUPERSEDED_KEYS
from medcycle.config.sections import KINDS, Config
from medcycle.words import meant, quoted

__all__ = ["explain", "unknown_key"]

OUT_OF_BOUNDS = {
    "greater_than": "has to be above {gt:g}",
    "greater_than_equal": "has to be {ge:g} or more",
    "less_than": "has to be below {lt:g}",
    "less_than_equal": "has to be {le:g} or less",
}
"""What pydantic calls it when a number is too small or too large, and in words."""

BOUNDS = ("ge", "gt", "le", "lt")
"""Where pydantic tells a bound; that a number can't be below zero needs no reason."""


def explain(error: ValidationError) -> str:
    """The first fault: the key, what is wrong with it, and what is allowed."""
    first = error.errors()[0]
    section, *rest = (str(part) for part in first["loc"]) if first["loc"] else [""]
    kind = rest.pop(0) if section in KINDS and rest else ""  # pydantic puts it between section and key
    key = ".".join([section, *rest])
    if first["type"] == "extra_forbidden":
        return unknown_key(key, kind)
    if first["type"] == "union_tag_invalid":
        return _no_such_kind(section, first)
    message = first["msg"].removeprefix("Value error, ")
    if words := OUT_OF_BOUNDS.get(first["type"]):
        message = words.format(**first["ctx"])
    if isinstance(first["input"], dict) and first["type"] == "value_error" and not rest:  # keys don't fit each other
        return message
    if not key:
        return message
    reason = _reason(section, kind, rest) if any(first.get("ctx", {}).get(bound) for bound in BOUNDS) else ""
    return f"{key}: {message}, not {quoted(first['input'])}{reason}"


def _reason(section: str, kind: str, rest: list[str]) -> str:
    """Why a number has its bounds, as far as its field says."""
    owner: Any = KINDS[section].get(kind) if kind else Config.model_fields[section].annotation
    field = owner.model_fields.get(rest[0]) if owner and rest else None
    found = (
        [one.why for one in _metadata(field.annotation, field.metadata) if isinstance(one, Because)] if field else []
    )
    return f"; {found[0]}" if found else ""


def _metadata(annotation: Any, metadata: Iterable[Any]) -> Iterator[Any]:
    """That of a field, and of what it is made of, as of the numbers of a tuple."""
    yield from metadata
    for part in get_args(annotation):
        yield from _metadata(part, getattr(part, "__metadata__", ()))


def unknown_key(key: str, kind: str = "") -> str:
    """That there is no such key, and what there is.

    Args:
        key: dotted.
        kind: the method or the network, where the key is of the section of either.
    """
    if key in SUPERSEDED_KEYS:
        return f"{key}: no longer a key; set {SUPERSEDED_KEYS[key]} instead"
    if key in REMOVED:
        return f"{key}: no longer a key; {REMOVED[key].instead}"
    near = difflib.get_close_matches(key, list(_keys()), n=1, cutoff=0.5)
    if kind:
        section, _, name = key.partition(".")
        kinds, own = KINDS[section], _keys_of(KINDS[section][kind])
        other_section, _, other_name = near[0].partition(".") if near else (section, "", "")
        of_other = any(name in other.model_fields for other in kinds.values())
        if of_other or (other_section == section and other_name not in own):
            return f"{key}: {kind} has no such key; it has {', '.join(own)}"
    suggestion = meant(key, _keys(), cutoff=0.5) or f"the sections are {', '.join(Config.model_fields)}"
    return f"unknown key {key}; {suggestion}"


def _keys_of(kind: type[Section]) -> list[str]:
    """Those of its own first, and then those that it shares."""
    names = dict.fromkeys(name for part in kind.__mro__ for name in vars(part).get("__annotations__", {}))
    return [name for name in names if name in kind.model_fields and name != "name"]


def _no_such_kind(section: str, fault: ErrorDetails) -> str:
    given, names = fault["ctx"]["tag"], list(KINDS[section])
    if instead := REMOVED_KINDS.get((section, given)):
        return f"{section}.name {given}: no longer there; {instead}"
    hint = meant(given, names, cutoff=0.5)
    return f"{section}.name: there is no {section} {given}; {f'{hint} ' if hint else ''}there are {', '.join(names)}"


def _keys() -> Iterator[str]:
    for section, field in Config.model_fields.items():
        yield section
        annotation: Any = field.annotation
        kinds = KINDS[section].values() if section in KINDS else [annotation]
        yield from dict.fromkeys(f"{section}.{key}" for kind in kinds for key in kind.model_fields)
