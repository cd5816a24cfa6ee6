"""Parts of a cohort, for several processes that work on it at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from medcycle.errors import UsageError

__all__ = ["Shard"]

MOST = 100_000

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One of several parts of a cohort, which share all cases out among them by the names alone.

    Args:
        number: which, from 1.
        of: how many there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """That of a text like `3/16`. Raises `UsageError` if it is none."""
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
        number, of = (int(part) for part in found.groups()) if found else (0, 0)
        if not 1 <= number <= of <= MOST:
            raise UsageError(f"--shard {text}: give which of how many, as in 3/16")
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, name: str) -> bool:
        """Whether a case belongs to this shard; it always does to the same one, whatever other cases there are."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def place_in(self, folder: Path) -> Path:
        """What a process locks that works on this shard for a folder."""
        return folder / f"shard-{self.number}-of-{self.of}"

    def marker_in(self, folder: Path) -> Path:
        """Where a shard says that it is done."""
        return folder / ".shards" / f"{self.number}-of-{self.of}.json"

    def all_markers_in(self, folder: Path) -> list[Path]:
        """The same of all shards."""
        return [Shard(number, self.of).marker_in(folder) for number in range(1, self.of + 1)]

    def part(self, items: Iterable[tuple[str, T]]) -> list[T]:
        """The items of this shard, given with the names of their cases."""
        return [item for name, item in items if self.has(name)]
