"""CSV files of a run with a row for every so many steps."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from medcycle.io.files import atomic_path

__all__ = ["CsvLog"]


class CsvLog:
    """A table whose first column is the step and whose columns may become more.

    Args:
        file: is made with the first row.
        step: the step a resumed run goes on from; rows beyond it are dropped, and a last one that was not written to
            its end.
    """

    def __init__(self, file: Path, step: int) -> None:
        self.file = file
        self.columns, *rows = _read(file)
        if self.columns:
            self._replace([row for row in rows if int(row[0]) <= step])

    def add(self, step: int, values: Mapping[str, str | float]) -> None:
        """Write a row; numbers get six digits."""
        row = {"step": str(step)} | {
            name: value if isinstance(value, str) else f"{value:.6g}" for name, value in values.items()
        }
        if more := [name for name in row if name not in self.columns]:
            _, *rows = _read(self.file)
            self.columns = [*self.columns, *more]
            self._replace([old + [""] * (len(self.columns) - len(old)) for old in rows])
        with self.file.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, self.columns, lineterminator="\n").writerow(row)

    def _replace(self, rows: list[list[str]]) -> None:
        with atomic_path(self.file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([self.columns, *rows])


def _read(file: Path) -> list[list[str]]:
    if not file.is_file():
        return [[]]
    whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n")
    return [row for row in csv.reader(whole.splitlines()) if row] or [[]]
