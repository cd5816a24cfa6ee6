"""Tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from medcycle.cohort.findings import Finding
from medcycle.evaluation.statistics import PairedDifference
from medcycle.evaluation.tables import Summary
from medcycle.models import Description
from medcycle.words import LONGEST_MESSAGE, LONGEST_VALUE, duration, shown

if TYPE_CHECKING:
    from medcycle.training.runs import DamagedRun, RunSummary

__all__ = [
    "print_configs",
    "print_differences",
    "print_findings",
    "print_models",
    "print_runs",
    "print_summary",
    "print_verdicts",
]

GRADE_COLOURS = {"no finding": "green", "check": "yellow", "do not use": "red"}

FILE_WIDTH = 180
"""Characters a line where the output is no terminal."""


def print_findings(findings: Sequence[Finding]) -> None:
    """A row for every volume, a line for every reason to skip files, and one that counts them all."""
    titles = ("case", "patient, series", "kind", "voxels, spacing, view (mm)", "verdict")
    table = Table(*(Column(title, overflow="fold") for title in titles))
    volumes = [finding for finding in findings if finding.verdict != "skipped"]
    for found in volumes:
        verdict = f"{found.verdict}: {found.reason}" if found.reason else found.verdict
        patient = found.patient if found.patient != found.name else ""
        who = ", ".join(shown(text, LONGEST_VALUE) for text in (patient, found.description) if text)
        cells = (found.name, who, found.modality or "?", _grid(found))
        told = _cell("; ".join([verdict, *found.notes]))
        table.add_row(*map(_cell, cells), f"[{'green' if found.verdict == 'sound' else 'red'}]{told}[/]")
    console = _console()
    console.print(table)
    for reason, names in _by_reason(findings).items():
        examples = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        console.print(_cell(f"skipped: {reason}: {len(names)} ({examples})"), highlight=False)
    sound = [found for found in volumes if found.verdict == "sound"]
    counts = {modality: sum(found.modality == modality for found in sound) for modality in ("mr", "ct")}
    other = len(sound) - sum(counts.values())
    patients = len({found.patient for found in volumes})
    console.print(
        f"{counts['mr']} MR, {counts['ct']} CT, {other} of other kinds, of {patients} patients; "
        f"{len(volumes) - len(sound)} refused, {len(findings) - len(volumes)} skipped",
        highlight=False,
    )


def _cell(text: str) -> str:
    """A text that may hold anything, as it is shown."""
    return escape(shown(text, LONGEST_MESSAGE))


def _grid(found: Finding) -> str:
    """Voxels and axes, spacing, field of view; nothing if they are not known."""
    if not found.shape:
        return ""
    shape = "×".join(str(n) for n in found.shape)
    spacing = "×".join(f"{width:.3g}" for width in found.spacing)
    view = "×".join(f"{length:.0f}" for length in found.field_of_view)
    return f"{shape} {found.orientation}, {spacing}, {view}"


def _by_reason(findings: Sequence[Finding]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for found in findings:
        if found.verdict == "skipped":
            reasons.setdefault(found.reason, []).append(found.name)
    return reasons


def print_runs(runs: Sequence[RunSummary | DamagedRun]) -> None:
    """A row for every run; scores that are an error, and not merely lower for better, have their unit.

    What is wrong with damaged ones follows below.
    """
    from medcycle.training.runs import DamagedRun

    table = Table("run", "method", "dimensions", "MR, CT", "steps", "trained for", "loss", "best score", "checkpoint")
    for run in runs:
        if isinstance(run, DamagedRun):
            table.add_row(_cell(str(run.folder)), *[""] * 7, "damaged")
            continue
        loss = f"{run.loss:.3g}" if run.losses else ""
        best = f"{run.best[1]:.1f}{' HU' * run.score_is_error} at step {run.best[0]}" if run.best else ""
        counts = f"{run.cases[0]}, {run.cases[1]}"
        cells = (
            str(run.folder),
            run.method,
            run.dimensions,
            counts,
            str(run.step),
            duration(60 * run.minutes),
            loss,
            best,
        )
        table.add_row(*map(_cell, cells), run.checkpoint)
    console = _console()
    console.print(table)
    for run in runs:
        if isinstance(run, DamagedRun):
            console.print(_cell(f"damaged: {run.folder}: {run.problem}"), soft_wrap=True)


def print_configs(descriptions: Mapping[str, str]) -> None:
    """A row for every configuration: its name and description."""
    table = Table(Column("name", no_wrap=True), Column("what it is for", overflow="fold"), show_lines=True)
    for name, description in descriptions.items():
        table.add_row(name, _cell(description))
    _print(table)


def print_models(models: Sequence[Description]) -> None:
    """A row for every model: its name, what it is for, what it was trained on, and its licence."""
    titles = ("what it is for", "trained on", "licence")
    table = Table(Column("name", no_wrap=True), *(Column(title, overflow="fold") for title in titles), show_lines=True)
    for model in models:
        trained = ", ".join(one.name for one in model.training_data)
        table.add_row(model.name, *map(_cell, (model.summary, trained, model.licence)))
    _print(table)


def _print(table: Table) -> None:
    _console().print(table)


def _console() -> Console:
    """Standard output, in lines as wide as the terminal, or of `FILE_WIDTH` where there is none."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=FILE_WIDTH)


def print_summary(summary: Summary) -> None:
    """A row for every case and one for the mean; a line where no case was scored."""
    if not summary.cases:
        _console().print(f"no case scored; {len(summary.failed)} failed", highlight=False)
        return
    table = Table("case", *summary.metrics, title=f"protocol {summary.protocol}")
    for name, values in [*summary.cases.items(), ("mean", summary.mean)]:
        table.add_row(_cell(name), *(_figure(values[metric]) for metric in summary.metrics))
    _print(table)


def print_verdicts(summary: Summary) -> None:
    """A row for every case, with the reasons of its verdict."""
    table = Table("case", "verdict", "score", Column("reasons", overflow="fold"), title="Without a true CT")
    for name, verdict in summary.verdicts.items():
        reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
        grade = f"[{GRADE_COLOURS.get(verdict.grade, 'red')}]{_cell(verdict.grade)}[/]"
        table.add_row(_cell(name), grade, _figure(verdict.score, 2), _cell(reasons))
    _print(table)


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def print_differences(differences: Sequence[PairedDifference]) -> None:
    """A row for each pair of models and metric."""
    table = Table("first", "second", "metric", "patients", "second − first", "95 % interval", "p (Holm)")
    for one in differences:
        interval = f"{_figure(one.low)} to {_figure(one.high)}" if one.low is not None else "–"
        row = (one.first, one.second, one.metric, str(one.n), _figure(one.mean), interval, _figure(one.p_holm, 4))
        table.add_row(*map(_cell, row))
    _print(table)
