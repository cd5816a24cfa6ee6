"""What `medcycle evaluate` wrote, as it is on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, stdev
from typing import cast

from medcycle.body import Modality
from medcycle.errors import UnreadableFile
from medcycle.report.names import Names
from medcycle.report.plain import Part, read_part, read_rows
from medcycle.report.volumes import Files
from medcycle.words import cell

__all__ = ["Case", "Evaluation", "Statistics", "read_evaluation"]

AGAIN = "run `medcycle evaluate` again"


@dataclass(frozen=True)
class Case:
    """A case that was scored.

    Args:
        name: its own.
        scores: by metric; None for what is not finite.
        details: of `cases/NAME.json`; empty if there is none.
        problem: what is wrong with that file, or an empty string.
        files: its volumes.
        made_with: the `synthesis.json` beside its synthetic volume; empty if there is none.
    """

    name: str
    scores: Mapping[str, float | None]
    details: Part
    problem: str
    files: Files
    made_with: Part


@dataclass(frozen=True)
class Statistics:
    """Of a metric over the cases: None for what is not known."""

    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """An evaluation.

    Args:
        folder: where it is.
        has_reference: whether there were true volumes.
        modality: of what was scored.
        protocol: by which.
        cases: in the order of their table.
        statistics: by metric.
        failed: why other cases were not scored, by name.
    """

    folder: Path
    has_reference: bool
    modality: Modality
    protocol: str
    cases: list[Case]
    statistics: Mapping[str, Statistics]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the order of the table."""
        return list(dict.fromkeys(metric for case in self.cases for metric in case.scores))

    def values(self, metric: str) -> list[float | None]:
        """Of all cases."""
        return [case.scores.get(metric) for case in self.cases]


def read_evaluation(folder: Path, names: Names) -> Evaluation:
    """An evaluation's folder, with its cases made known to the names.

    Raises:
        UnreadableFile: if its tables are damaged; details of single cases may be.
    """
    summary = read_part(folder / "summary.json", AGAIN)
    inputs = read_part(folder / "inputs.json", AGAIN) if (folder / "inputs.json").exists() else Part({})
    scores = dict(summary.part("cases").parts())
    if not scores and not summary.part("failed"):
        raise UnreadableFile(f"{folder / 'summary.json'}: there are no cases in it; {AGAIN}")
    names.hide([folder.resolve()])
    for name in (ordered := _ordered(folder, list(scores))):
        names.case(name)
    told, failed = summary.text("kind"), summary.part("failed")
    for name in failed.values:
        names.case(name)
    cases = []
    for name in ordered:
        files = _files(folder, inputs.part("cases", name), has_reference=told != "without reference")
        names.hide(path for path in vars(files).values() if path)
        details, problem = _details(folder, name)
        cases.append(Case(name, scores[name].scalars(), details, problem, files, _made_with(files.synthetic)))
    modality = next((case.details.text("modality") for case in cases if case.details), "") or summary.text("modality")
    return Evaluation(
        folder,
        told != "without reference",
        cast(Modality, modality if modality in ("mr", "ct") else _by_protocol(summary)),
        summary.text("protocol"),
        cases,
        _statistics(summary, scores),
        {name: failed.text(name) for name in failed.values},
    )


def _ordered(folder: Path, names: list[str]) -> list[str]:
    """The cases in the order of `cases.csv`, which a spreadsheet's sign may stand before; else of `summary.json`."""
    rows = read_rows(folder / "cases.csv")
    order = {row.get("case", ""): number for number, row in enumerate(rows)}
    return sorted(names, key=lambda name: order.get(cell(name), len(order)))


def _by_protocol(summary: Part) -> str:
    return "mr" if summary.text("protocol") == "mr" else "ct"


def _files(folder: Path, told: Part, *, has_reference: bool) -> Files:
    """Where the volumes of a case are."""

    def place(key: str) -> Path | None:
        text = told.text(key)
        return Path(os.path.normpath(folder / text)) if text and "\0" not in text else None

    real, source = place("real"), place("source")
    if not has_reference:  # what stands there is the MR that was compared with
        real, source = None, source or real
    return Files(place("synthetic"), real, source, place("uncertainty"), place("mask"))


def _details(folder: Path, name: str) -> tuple[Part, str]:
    """Details of a case, and what is wrong with them."""
    path = folder / "cases" / f"{name}.json"
    if Path(name).name != name or not _is_there(path):
        return Part({}), "the evaluation has no details of this case; it may be of an older version"
    try:
        return read_part(path, AGAIN), ""
    except UnreadableFile as error:  # one damaged case does not take the page from the others
        return Part({}), str(error)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _made_with(synthetic: Path | None) -> Part:
    if synthetic is None:
        return Part({})
    for folder in (synthetic.parent, synthetic.parent.parent):  # DICOM lie one deeper
        path = folder / "synthesis.json"
        try:
            if _is_there(path):
                return read_part(path, "synthesise again")
        except UnreadableFile:  # the page goes without it
            return Part({})
    return Part({})


def _statistics(summary: Part, scores: Mapping[str, Part]) -> dict[str, Statistics]:
    """As the summary has them; of older ones, what the scores tell."""
    metrics = dict.fromkeys(metric for part in scores.values() for metric in part.scalars())
    found = {}
    for metric in metrics:
        told = summary.part("statistics", metric)
        if told:
            n = told.number("n")
            known = {key: told.number(key) for key in ("mean", "sd", "median", "low", "high")}
            found[metric] = Statistics(**known, n=None if n is None else int(n))
        else:
            values = [value for part in scores.values() if (value := part.number(metric)) is not None]
            found[metric] = _of_values(values)
    return found


def _of_values(values: list[float]) -> Statistics:
    """What can be said without drawing samples."""
    if not values:
        return Statistics(n=0)
    sd = stdev(values) if len(values) > 1 else None
    return Statistics(mean=fmean(values), sd=sd, median=median(values), n=len(values))
