"""Limits for a case's measures, each with its reason: those of this package, or a clinic's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from medcycle.config.plain import read_yaml
from medcycle.errors import ConfigError
from medcycle.io.files import require_exists
from medcycle.words import meant, quoted

__all__ = ["DEFAULT_TOLERANCES", "Kind", "Tolerance", "judge", "read_tolerances"]

Kind = Literal["max", "min", "max_abs"]

KINDS: tuple[Kind, ...] = get_args(Kind)

DEFAULT_TOLERANCES = Path(__file__).with_name("tolerances.yaml")

TEXTS = ("name", "key", "unit", "source")

PARTS = (
    "scores",
    "tissues",
    "calibration",
    "regions",
    "structures",
    "labels",
    "continuity",
    "misregistration",
    "density",
    "wepl",
    "drr",
)
"""Parts of a case's details that hold numbers."""


@dataclass(frozen=True)
class Tolerance:
    """A limit for one measure.

    Args:
        name: for people.
        key: where the value is in a case's details, dots between, as `structures.bone.dice`.
        kind: whether the limit is the largest value, the smallest, or the largest size.
        limit: in the measure's unit.
        unit: an empty string where it has none.
        source: where the limit is from.
    """

    name: str
    key: str
    kind: Kind
    limit: float
    unit: str
    source: str

    def allows(self, value: float) -> bool:
        """Whether a value is within the limit, which itself is."""
        match self.kind:
            case "max":
                return value <= self.limit
            case "min":
                return value >= self.limit
            case "max_abs":
                return abs(value) <= self.limit

    @property
    def text(self) -> str:
        """The limit in words, without its unit."""
        return {"max": "at most ", "min": "at least ", "max_abs": "within ±"}[self.kind] + f"{self.limit:g}"


def judge(details: Mapping[str, Any], tolerances: Iterable[Tolerance]) -> list[dict[str, Any]]:
    """What is inside its limit, and what is not.

    Args:
        details: of a case; values may be missing, None, or not finite, and are then left out.
        tolerances: limits.

    Returns:
        For each value that is there `name`, `value`, `unit`, `limit` in words, `inside` and `source`.
    """
    return [
        {
            "name": tolerance.name,
            "value": value,
            "unit": tolerance.unit,
            "limit": tolerance.text,
            "inside": tolerance.allows(value),
            "source": tolerance.source,
        }
        for tolerance in tolerances
        if (value := _value(details, tolerance.key)) is not None
    ]


def _value(details: Mapping[str, Any], key: str) -> float | None:
    found: Any = details
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return float(found) if _is_number(found) else None


def read_tolerances(path: Path | None = None) -> tuple[Tolerance, ...]:
    """The tolerances of a YAML file, which stand instead of this package's; None for those.

    The file has one key, `tolerances`, a list. Each item has `name`, `key`, `unit` and `source`, which are texts, and a
    number as one of `max`, `min` and `max_abs`.

    Raises:
        UsageError: if there is no such file.
        ConfigError: if it is not YAML, or a key or a value of it can't be used; the message says which.
        UnreadableFile: if it is far too large.
    """
    path = path or DEFAULT_TOLERANCES
    require_exists(path, "a YAML file of tolerances")
    try:
        values = read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())[:200]}); correct it") from error
    if not isinstance(values, dict) or list(values) != ["tolerances"] or not isinstance(values["tolerances"], list):
        raise ConfigError(f"{path}: give the key tolerances with a list, and no other; {DEFAULT_TOLERANCES} has one")
    read = tuple(_tolerance(item, f"{path}: tolerance {number}") for number, item in enumerate(values["tolerances"], 1))
    names = [tolerance.name for tolerance in read]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{path}: {twice[0]!r} names several tolerances; give each its own name")
    return read


def _tolerance(item: Any, where: str) -> Tolerance:
    if not isinstance(item, dict):
        raise ConfigError(f"{where}: give name, key, unit, source and a limit, not {quoted(item)}")
    for key in item:
        if key not in (*TEXTS, *KINDS):
            raise ConfigError(f"{where}: unknown key {quoted(key)}; {_meant(key, (*TEXTS, *KINDS))}")
    texts = {key: _text(item, key, where) for key in TEXTS}
    part, *below = texts["key"].split(".")
    if part not in PARTS or not all(below) or not below:
        raise ConfigError(f"{where}: key: {quoted(texts['key'])} is of no part of a case; {_meant(part, PARTS)}")
    kind, limit = _limit(item, where)
    return Tolerance(kind=kind, limit=limit, **texts)


def _text(item: Mapping[str, Any], key: str, where: str) -> str:
    text = item.get(key)
    if not isinstance(text, str) or not (text or key == "unit"):
        raise ConfigError(f"{where}: {key}: give a text, not {quoted(text)}")
    return text


def _limit(item: Mapping[str, Any], where: str) -> tuple[Kind, float]:
    kinds: list[Kind] = [kind for kind in KINDS if kind in item]
    if len(kinds) != 1:
        raise ConfigError(f"{where}: has {' and '.join(kinds) or 'no limit'}; give one of {', '.join(KINDS)}")
    limit = item[kinds[0]]
    if not _is_number(limit) or (kinds[0] == "max_abs" and limit < 0):
        wanted = "a number of 0 or more" if kinds[0] == "max_abs" else "a number"
        raise ConfigError(f"{where}: {kinds[0]}: give {wanted}, not {quoted(limit)}")
    return kinds[0], float(limit)


def _meant(given: Any, known: tuple[str, ...]) -> str:
    hint = meant(str(given), known)
    return f"{f'{hint} ' if hint else ''}choose from {', '.join(known)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
