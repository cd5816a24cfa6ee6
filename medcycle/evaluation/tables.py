"""The scores of many cases, and the files they are kept in."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from medcycle.body import Modality
from medcycle.errors import DataError, UsageError
from medcycle.evaluation.cases import Case
from medcycle.evaluation.details import Details, remove_details, write_details, write_inputs
from medcycle.evaluation.grades import Verdict
from medcycle.evaluation.printable import statistics_table, to_latex, to_markdown
from medcycle.evaluation.statistics import of_values
from medcycle.io.files import write_text
from medcycle.io.locks import locked
from medcycle.progress import remark
from medcycle.words import cell

__all__ = ["EvaluationFolder", "OnDetails", "Summary", "evaluation_in", "require_folder", "write_tables"]

OnDetails = Callable[[str, Details], None]
"""Called with a case's name and what was found of it."""


@dataclass(frozen=True)
class Summary:
    """Scores by case.

    Args:
        protocol: name of the protocol.
        cases: metric values by case name; NaN where a metric is not defined.
        failed: why others could not be scored, by case name.
        modality: of the volumes.
        verdicts: by case name, where there was no true volume.
        faults: names of those in `failed` that failed for lack of memory, by a disk or by a fault of medcycle, and not
            of what their files hold.
    """

    protocol: str
    cases: Mapping[str, Mapping[str, float]]
    failed: Mapping[str, str] = field(default_factory=dict)
    modality: Modality = "ct"
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    faults: frozenset[str] = frozenset()

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the protocol's order."""
        return list(next(iter(self.cases.values()), {}))

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the cases that have it, each case counting once; NaN if none has it."""
        return {metric: _mean([values[metric] for values in self.cases.values()]) for metric in self.metrics}

    @cached_property
    def statistics(self) -> dict[str, dict[str, float | None]]:
        """Mean, spread and interval of each metric over the cases, see `statistics.of_values`."""
        return {metric: of_values([values[metric] for values in self.cases.values()]) for metric in self.metrics}

    def to_json(self) -> dict[str, Any]:
        """As `summary.json` holds it. JSON has no infinity: the PSNR of equal volumes becomes null."""
        told: dict[str, Any] = {
            "protocol": self.protocol,
            "modality": self.modality,
            "cases": {name: _finite(values) for name, values in self.cases.items()},
            "mean": _finite(self.mean),
            "statistics": self.statistics,
        }
        if self.verdicts:
            verdicts = {name: one._asdict() for name, one in self.verdicts.items()}
            told |= {"kind": "without reference", "verdicts": verdicts}
        if self.failed:
            told["failed"] = dict(self.failed)
        if self.faults:
            told["faults"] = sorted(self.faults)
        return told

    def require_all(self, *, but_refused: bool = False) -> None:
        """Raise `DataError` if a case could not be scored; or only if one failed of something else than its files."""
        missing = [name for name in self.failed if name in self.faults or not but_refused]
        for name in missing:
            count = len(self.cases) + len(self.failed)
            first = f"first failure: case {name}: {self.failed[name]}"
            raise DataError(f"{len(missing)} of {count} cases not scored; {first}")


def write_tables(summary: Summary, folder: Path) -> None:
    """Write the tables into the folder, each whole or not at all.

    `cases.csv` has a row a case, `summary.json` all scores and statistics, `summary.md` and `summary.tex` the
    statistics to print. The folder is made when it does not exist; tables of an earlier run in it are replaced.
    """
    if (folder / "cases.csv").exists():
        remark(f"{folder}: the scores of an earlier evaluation are replaced")
    rows = io.StringIO()
    columns = ["case", *["grade"] * bool(summary.verdicts), *summary.metrics]
    writer = csv.DictWriter(rows, columns, lineterminator="\n")
    writer.writeheader()
    for name, values in summary.cases.items():
        grade = {"grade": summary.verdicts[name].grade} if summary.verdicts else {}
        writer.writerow({"case": cell(name)} | grade | _known(values))
    write_text(folder / "cases.csv", rows.getvalue())
    write_text(folder / "summary.json", json.dumps(summary.to_json(), indent=2, allow_nan=False) + "\n")
    table = statistics_table(summary.statistics)
    write_text(folder / "summary.md", to_markdown(table))
    write_text(folder / "summary.tex", to_latex(table))


@dataclass(frozen=True)
class EvaluationFolder:
    """A folder that an evaluation is being written to; see `evaluation_in`.

    Args:
        path: of the folder.
        cases: that are evaluated.
    """

    path: Path
    cases: Sequence[Case]

    @property
    def is_finished(self) -> bool:
        """Whether `finish` has written the tables of all cases."""
        return True

    def on_details(self, name: str, found: Details) -> None:
        """Write what was found of a case."""
        write_details(found, name, self.path)

    def finish(self, summary: Summary, *, with_details: bool = True) -> Summary:
        """Write the tables and where the volumes are; without details, those of an earlier evaluation go."""
        if not with_details:
            for case in self.cases:
                remove_details(case.name, self.path)
        write_tables(summary, self.path)
        write_inputs(self.cases, self.path, None if summary.verdicts else summary.modality)
        return summary


@contextmanager
def evaluation_in(folder: Path, cases: Sequence[Case]) -> Iterator[EvaluationFolder]:
    """Write an evaluation into a folder, which nobody else writes to meanwhile.

    Raises:
        UsageError: if it is a file.
        InUse: if another process does.
    """
    require_folder(folder)
    with locked(folder):
        yield EvaluationFolder(folder, cases)


def require_folder(path: Path) -> None:
    """Raise `UsageError` if what is to be written to is a file."""
    if path.is_file():
        raise UsageError(f"{path}: a file; give a folder for the scores and details")


def _known(values: Mapping[str, float]) -> dict[str, float | str]:
    return {metric: "" if math.isnan(value) else value for metric, value in values.items()}


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {metric: value if math.isfinite(value) else None for metric, value in values.items()}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan
