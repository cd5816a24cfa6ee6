"""JSON and CSV of which nothing is certain, read so that what comes out is numbers and texts."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medcycle.errors import UnreadableFile
from medcycle.io.opening import read_json, read_text

__all__ = ["Part", "read_part", "read_rows"]

LARGEST_NUMBER = 1e15
"""No figure of a case is beyond it; squares of what is, and sums, would be infinite."""

LARGEST_TABLE = 2**27
"""Bytes of a CSV file."""


class Part:
    """Some of a JSON file's values: what is not there, or of another kind, is None or empty."""

    def __init__(self, values: Any) -> None:
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}

    def __bool__(self) -> bool:
        return bool(self.values)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def part(self, *keys: str) -> Part:
        """The values under a key, under another one in these, and so on."""
        found = self
        for key in keys:
            found = Part(found.values.get(key))
        return found

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Each key whose value is a mapping, with that."""
        yield from ((key, Part(value)) for key, value in self.values.items() if isinstance(value, dict))

    def number(self, key: str) -> float | None:
        """A number, unless it is infinite or absurd."""
        return _number(self.values.get(key))

    def numbers(self, key: str) -> list[float | None]:
        """A list of numbers, with None for what is none."""
        found = self.values.get(key)
        return [_number(value) for value in found] if isinstance(found, list) else []

    def scalars(self) -> dict[str, float | None]:
        """All values that are numbers or null."""
        return {
            key: _number(value)
            for key, value in self.values.items()
            if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        }

    def text(self, key: str) -> str:
        """A text, or an empty one."""
        found = self.values.get(key)
        return found if isinstance(found, str) else ""

    def texts(self, key: str) -> list[str]:
        """Those values of a list that are texts."""
        found = self.values.get(key)
        return [value for value in found if isinstance(value, str)] if isinstance(found, list) else []

    def list(self, key: str) -> list[Part]:
        """Those values of a list that are mappings."""
        found = self.values.get(key)
        return [Part(value) for value in found if isinstance(value, dict)] if isinstance(found, list) else []


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and abs(value) <= LARGEST_NUMBER else None


def read_part(path: Path, remedy: str) -> Part:
    """The values of a JSON file that holds a mapping.

    Args:
        path: the file.
        remedy: what to do if it is damaged.

    Raises:
        UnreadableFile: if it is no such file, or can't be opened.
    """
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: can't be read as JSON ({_reason(error)}); {remedy}") from error
    if not isinstance(values, dict):
        raise UnreadableFile(f"{path}: holds no table of values; {remedy}")
    return Part(values)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a heading, without one that is just being written; none if it is not there.

    Raises:
        UnreadableFile: if it is no such file, or can't be opened.
    """
    if not path.exists():
        return []
    try:
        rows = csv.DictReader(read_text(path, LARGEST_TABLE).splitlines())
        return [
            {key: value or "" for key, value in row.items() if key is not None}
            for row in rows
            if None not in row.values()
        ]
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableFile(f"{path}: can't be read as a table ({_reason(error)}); restore it") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return " ".join(str(error).split())[:120]
