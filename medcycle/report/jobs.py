"""The part of the page that a table of jobs makes, as the workflows in `pipelines/` write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medcycle.errors import UnreadableFile
from medcycle.report.html import element, table
from medcycle.report.names import Names
from medcycle.report.plain import read_rows
from medcycle.report.section import Section

__all__ = ["Jobs", "read_jobs", "section_of"]

COLUMNS = ("job", "seconds", "memory_mib", "cpu_seconds")
"""What a row tells of a job: its name, how long it took, the most memory it held, and its processor time."""


@dataclass(frozen=True)
class Jobs:
    """The jobs of a workflow, in the order in which they were done; columns as in `COLUMNS`, empty where not known."""

    rows: Sequence[Mapping[str, str]]


def read_jobs(path: Path) -> Jobs:
    """A table of jobs, a CSV file. Raises `UnreadableFile` if it is another."""
    rows = read_rows(path)
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise UnreadableFile(f"{path}: no table of jobs, which has the columns {', '.join(COLUMNS)}")
    return Jobs(rows)


def section_of(found: Jobs, names: Names) -> Section:
    """Times and memory of all jobs."""
    rows = [
        [
            names.plain(row["job"]),
            _told(row["seconds"], "{:,.0f} s"),
            _told(row["memory_mib"], "{:,.0f} MiB"),
            _told(row["cpu_seconds"], "{:,.0f} s"),
        ]
        for row in found.rows
    ]
    seconds = sum(number for row in found.rows if (number := _number(row["seconds"])) is not None)
    length = f"{seconds / 60:,.1f} minutes" if seconds < 3600 else f"{seconds / 3600:,.1f} hours"
    summary = element("p", f"{len(rows)} jobs, {length} in all.")
    headings = ["job", "time", "most memory", "processor time"]
    return Section("Jobs of the workflow", summary, table("Jobs", headings, rows), plots=[])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _told(text: str, form: str) -> str:
    number = _number(text)
    return "–" if number is None else form.format(number)
