"""What the page tells of one case alone."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from medcycle.report.evaluation import Case
from medcycle.report.html import Html, element, joined, table
from medcycle.report.metrics import decimal, figure, significant
from medcycle.report.names import Names
from medcycle.report.pictures import clean_png
from medcycle.report.plain import Part

__all__ = ["case_details", "further_warnings", "grade_mark"]

GRADES = {"no finding": "good", "check": "warn", "do not use": "bad"}
"""What a synthetic CT without a true one can be given, and how it is marked."""

TISSUE_COLUMNS = (("mae", "MAE (HU)"), ("me", "ME (HU)"), ("rmse", "RMSE (HU)"))
OUTLINE_COLUMNS = (("dice", "Dice"), ("hd95_mm", "HD95 (mm)"), ("msd_mm", "MSD (mm)"))
ERROR_COLUMNS = (("mae", "MAE (HU)"), ("me", "ME (HU)"))
LINE_COLUMNS = (("slope", "slope"), ("intercept", "intercept (HU)"), ("r2", "R²"), ("me", "ME (HU)"))
SHIFT_COLUMNS = (("mae", "MAE (HU)"), ("me", "ME (HU)"), ("psnr", "PSNR (dB)"), ("bone_dice", "bone Dice"))
DENSITY_COLUMNS = (("mae", "MAE"), ("me", "ME"))
RANGE_COLUMNS = (
    *(("me_mm", "ME (mm)"), ("mae_mm", "MAE (mm)"), ("p95_mm", "95th percentile (mm)")),
    *(("mae_percent", "MAE (%)"), ("beyond_2mm_percent", "beyond 2 mm (%)")),
)
RANGE_ROWS = {"own_outline": "own outline", "true_outline": "true outline"}
DENSITIES = {"red": "electron density", "spr": "stopping power"}
VIEWS = {"ap": "anterior-posterior", "lateral": "lateral"}

Columns = Sequence[tuple[str, str]]


def grade_mark(grade: str) -> Html:
    """A grade, marked by more than its colour."""
    kind = GRADES.get(grade, "")
    sign = {"good": "○", "warn": "△", "bad": "✕"}.get(kind, "")
    return element("span", f"{sign} {grade}".strip() if kind else "–", class_=f"grade {kind}".strip())


def case_details(case: Case, folder: Path, names: Names, room: int) -> Html:
    """Tables, warnings and pictures of one case.

    Args:
        case: what was read.
        folder: of the evaluation.
        names: know all cases and folders of the page.
        room: characters for pictures; those for which there is none are left out.
    """
    told = case.details
    labels = told.part("labels", "structures") or told.part("labels")
    parts = [
        _verdict(told, names),
        _warnings(told, case.problem, names),
        _tolerances(told, names),
        _measures(told, names),
        _by_key("Tissues", told.part("tissues"), TISSUE_COLUMNS, names),
        _by_key("HU calibration, synthetic over real", told.part("calibration"), LINE_COLUMNS, names),
        _by_key("Outlines", told.part("structures"), OUTLINE_COLUMNS, names),
        _by_key("Labelled structures", labels, OUTLINE_COLUMNS, names),
        _by_key("Regions of the head", told.part("regions"), ERROR_COLUMNS, names),
        _by_key("Registration", _shifts(told), SHIFT_COLUMNS, names),
        _by_key("Densities relative to water", _renamed(told.part("density"), DENSITIES), DENSITY_COLUMNS, names, 4),
        _by_key("Water-equivalent path length", _renamed(told.part("wepl"), RANGE_ROWS), RANGE_COLUMNS, names),
        _single_numbers(told),
        _uncertainty(told, names),
        _radiographs(told, folder, room),
    ]
    return joined(filter(None, parts))


def _by_key(caption: str, part: Part, columns: Columns, names: Names, decimals: int = 0) -> Html:
    """A row a key, and of the columns those that have a value."""
    rows = [(key, [values.number(name) for name, _ in columns]) for key, values in part.parts()]
    rows = [(key, values) for key, values in rows if any(value is not None for value in values)]
    used = [n for n in range(len(columns)) if any(values[n] is not None for _, values in rows)]
    cells = [[names.plain(key), *(_number(columns[n][0], values[n], decimals) for n in used)] for key, values in rows]
    return table(caption, ["", *(columns[n][1] for n in used)], cells)


def _number(name: str, value: float | None, decimals: int = 0) -> str:
    """A value with as many decimals as its column has."""
    if decimals and value is not None:
        return decimal(value, decimals)
    known = {"bone_dice": "dice", "intercept": "me"}
    return figure(known.get(name, name), value)


def _verdict(told: Part, names: Names) -> Html:
    verdict = told.part("verdict")
    if not verdict:
        return Html("")
    reasons = [element("li", names.told(reason)) for reason in verdict.texts("reasons")]
    line = element(
        "p", "Verdict: ", grade_mark(verdict.text("grade")), f" (score {figure('score', verdict.number('score'))})"
    )
    return element("div", line, element("ul", *reasons) if reasons else Html(""), class_="notes")


def further_warnings(told: Part) -> list[str]:
    """The warnings of a case that are not among the reasons of its verdict, which repeat those of the synthesis."""
    reasons = told.part("verdict").texts("reasons")
    return [text for text in told.texts("warnings") if not any(reason.endswith(text) for reason in reasons)]


def _warnings(told: Part, problem: str, names: Names) -> Html:
    texts = [*further_warnings(told), *([problem] if problem else [])]
    if not texts:
        return Html("")
    return element("div", element("ul", *(element("li", names.told(text)) for text in texts)), class_="notes")


def _tolerances(told: Part, names: Names) -> Html:
    rows = []
    for one in told.list("tolerances"):
        inside = one.values.get("inside")
        value, unit = one.number("value"), names.plain(one.text("unit"))
        shown = "–" if value is None else f"{significant(value)} {unit}".strip()
        limit = f"{names.plain(one.text('limit'))} {unit}".strip()
        rows.append([names.plain(one.text("name")), shown, limit, inside_mark(inside)])
    return table("Tolerances", ["", "value", "tolerance", ""], rows)


def inside_mark(inside: object) -> Html:
    """Whether a value is inside its tolerance, marked by more than its colour."""
    if inside is True:
        return element("span", "○ inside", class_="grade good")
    return element("span", "△ outside", class_="grade warn") if inside is False else Html("–")


def _measures(told: Part, names: Names) -> Html:
    rows = []
    for one in told.list("measures"):
        value, unit = one.number("value"), names.plain(one.text("unit"))
        shown = "–" if value is None else f"{significant(value)} {unit}".strip()
        why = names.plain(one.text("why"))
        rows.append(
            [
                names.plain(one.text("name")),
                shown,
                names.plain(one.text("expected")),
                grade_mark(one.text("grade")),
                why,
            ]
        )
    return table("Measures without a true CT", ["", "value", "expected", "grade", "why"], rows, "wide")


def _renamed(part: Part, names: dict[str, str]) -> Part:
    return Part({name: part.values.get(key) for key, name in names.items()})


def _shifts(told: Part) -> Part:
    found = told.part("misregistration")
    return Part({"as given": found.values.get("before"), "after registration": found.values.get("after")})


def _single_numbers(told: Part) -> Html:
    shift, steps = told.part("misregistration"), told.part("continuity")
    known = [
        ("Displacement of synthetic from real CT, mean", shift.number("mean_mm"), "mm"),
        ("Displacement, largest", shift.number("max_mm"), "mm"),
        ("Change from slice to slice, real CT", steps.number("real_hu"), "HU"),
        ("Change from slice to slice, synthetic CT", steps.number("synthetic_hu"), "HU"),
        ("Level of the largest step, z", steps.number("worst_z_mm"), "mm"),
    ]
    rows = [[name, f"{value:.1f} {unit}".replace("-", "−")] for name, value, unit in known if value is not None]
    return table("Position and slices", ["", "value"], rows)


def _uncertainty(told: Part, names: Names) -> Html:
    found = told.part("uncertainty")
    rows = [
        [names.plain(key), f"{value:.0f}"]
        for group in ("by_region", "by_tissue", "by_layer")
        for key, value in found.part(group).scalars().items()
        if value is not None
    ]
    return table("Uncertainty, mean", ["", "HU"], rows)


def _radiographs(told: Part, folder: Path, room: int) -> Html:
    figures = []
    for view, name in VIEWS.items():
        part = told.part("drr", view)
        content = clean_png(folder, part.text("image"))
        if not content:
            continue
        caption = f"DRR, {name}: real, synthetic, difference"
        if (ncc := part.number("ncc")) is not None:
            caption += f"; NCC {ncc:.3f}"
        data = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
        if len(data) > room // len(VIEWS):
            figures.append(element("p", f"{caption}. The picture is left out: too large for this page.", class_="note"))
            continue
        figures.append(
            element("figure", element("img", src=data, alt=caption, loading="lazy"), element("figcaption", caption))
        )
    return element("div", *figures, class_="pictures") if figures else Html("")
