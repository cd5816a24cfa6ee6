"""What a folder gives to the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medcycle.body import Modality
from medcycle.report.html import Html
from medcycle.report.metrics import Metric
from medcycle.report.volumes import Files

__all__ = ["Plot", "Section", "Shown"]

Plot = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """A case that the viewer shows.

    Args:
        label: what it is called.
        files: its volumes.
        modality: of what was made.
        details: tables of it alone.
        plots: of it alone.
        rank: which cases keep their volumes where there are too many for a page: the lowest.
    """

    label: str
    files: Files
    modality: Modality
    details: Html
    plots: list[Plot] = field(default_factory=list)
    rank: float = 0.0


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        title: its heading.
        summary: what is to be known at once.
        tables: what follows.
        plots: of all cases.
        cases: for the viewer, each with a number on the page that links name, as they come.
        metrics: that are to be explained, by name.
    """

    title: str
    summary: Html
    tables: Html
    plots: list[Plot]
    cases: list[Shown] = field(default_factory=list)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
