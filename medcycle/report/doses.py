"""The part of the page that `medcycle dose` makes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medcycle.io.dicom.roi_names import is_standard
from medcycle.report import plots
from medcycle.report.html import Html, element, joined, table
from medcycle.report.names import Names
from medcycle.report.pictures import clean_png
from medcycle.report.plain import Part
from medcycle.report.section import Section

__all__ = ["Doses", "is_of_doses", "section_of"]

KIND = "dose"

FIGURES = {"d98": "D98", "d95": "D95", "d2": "D2", "mean": "mean", "d003cc": "D0.03cc"}

MOST_CURVES = 12
"""Structures whose histograms fit into one plot."""


@dataclass(frozen=True)
class Doses:
    """Two doses that were compared.

    Args:
        folder: what `medcycle dose` wrote.
        summary: its `summary.json`.
    """

    folder: Path
    summary: Part


def is_of_doses(summary: Part) -> bool:
    """Whether a `summary.json` is of doses, and not of an evaluation."""
    return summary.text("kind") == KIND


def section_of(found: Doses, names: Names) -> Section:
    """The plan, gamma, a table of all structures, and their histograms."""
    structures = [
        (_named(name, number, names), part)
        for number, (name, part) in enumerate(found.summary.part("structures").parts(), 1)
    ]
    plot = plots.dose_volumes(structures[:MOST_CURVES])
    note = element(
        "p",
        "Real CT, and in brackets the difference on the synthetic CT, in Gy and in percent of "
        f"{found.summary.number('reference_gy') or 0:.4g} Gy.",
        class_="note",
    )
    return Section(
        "Dose on the synthetic CT",
        joined([element("div", _facts(found, names), class_="facts"), _gamma(found.summary)]),
        joined([note if structures else Html(""), _table(structures), _picture(found.folder)]),
        [plot] if plot else [],
    )


def _named(name: str, number: int, names: Names) -> str:
    """A structure's name, if it is a standard one: others may tell of the patient."""
    if names.shown or is_standard(name):
        return names.plain(name)
    return f"Structure {number}" if number else "–"


def _facts(found: Doses, names: Names) -> Html:
    plan = found.summary.part("plan")
    facts = [("Doses", "calculated with pyRadPlan, generic machine" if plan else "read from files")]
    if plan:
        beams = f"{len(plan.numbers('gantry'))} beams of {names.plain(plan.text('radiation'))}"
        given = f"{plan.number('dose') or 0:g} Gy in {plan.number('fractions') or 0:g} fractions"
        facts += [
            ("Plan", f"{beams}, {given}, optimised on the real CT"),
            ("Target", _named(plan.text("target"), 0, names)),
            ("Dose grid", f"{plan.number('spacing_mm') or 0:g} mm"),
            ("HU table", names.plain(plan.text("table"))),
        ]
        if (outside := plan.number("body_outside_synthetic_percent")) and outside >= 0.05:
            facts.append(("Outside the synthetic CT", f"{outside:.1f} % of the body, where the real CT was taken"))
    return element("dl", *(joined([element("dt", key), element("dd", value)]) for key, value in facts))


def _gamma(summary: Part) -> Html:
    threshold = summary.number("gamma_threshold_percent") or 0
    rows = []
    for criterion, part in summary.part("gamma").parts():
        passed, mean, voxels = (part.number(key) for key in ("pass_percent", "mean", "voxels"))
        rows.append([criterion, _told(passed, ".1f", " %"), _told(mean, ".2f"), _told(voxels, ",.0f")])
    caption = f"Gamma, global, from {threshold:g} % of the highest real dose"
    return table(caption, ["criterion", "voxels that pass", "mean gamma", "voxels"], rows)


def _table(structures: Sequence[tuple[str, Part]]) -> Html:
    rows = []
    for name, part in structures:
        cells = [name, _told(part.number("volume_ml"), ".1f", " ml")]
        for key in FIGURES:
            real, apart, percent = (
                part.part(group).number(key) for group in ("real", "difference", "difference_percent")
            )
            cells.append(f"{_told(real, '.2f')} ({_told(apart, '+.2f')}; {_told(percent, '+.1f', ' %')})")
        rows.append(cells)
    return table("Dose in the structures (Gy)", ["", "volume", *FIGURES.values()], rows)


def _told(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


def _picture(folder: Path) -> Html:
    content = clean_png(folder, "dose.png")
    if not content:
        return Html("")
    caption = "Doses on the real and the synthetic CT, and their difference, through the target"
    data = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return element("figure", element("img", src=data, alt=caption), element("figcaption", caption))
