"""The table of an evaluation's cases, and which of them are the worst."""

from __future__ import annotations

from collections.abc import Sequence

from medcycle.report.evaluation import Case, Evaluation
from medcycle.report.html import Html, about, element
from medcycle.report.metrics import figure, metric_of
from medcycle.report.one_case import grade_mark
from medcycle.report.spread import outliers

__all__ = ["case_link", "case_table", "main_metrics", "ranks_of"]

MAIN = (
    *("mae", "nmae", "me", "psnr", "ssim", "ms_ssim", "ncc"),
    *("score", "outline_dice", "outline_hd95_mm", "edges", "bright_voids", "flicker"),
)
"""The metrics of the summary, in its order."""

MOST_MAIN = 6

PRINTED_ROWS, PRINTED_COLUMNS = 40, 8
"""of the table of cases: what a page of paper holds."""


def main_metrics(evaluation: Evaluation) -> list[str]:
    """Those of its metrics that the summary has."""
    there = evaluation.metrics
    return ([name for name in MAIN if name in there] or there)[:MOST_MAIN]


def ranks_of(evaluation: Evaluation) -> list[float]:
    """The place of each case by the first of the main metrics, 0 for the worst; those without a value are the last."""
    if not (main := main_metrics(evaluation)):
        return [float(number) for number in range(len(evaluation.cases))]
    sign = 1.0 if metric_of(main[0]).better == "higher" else -1.0
    values = evaluation.values(main[0])
    order = sorted(range(len(values)), key=lambda n: (values[n] is None, sign * (values[n] or 0.0)))
    ranks = [0.0] * len(values)
    for place, number in enumerate(order):
        ranks[number] = float(place)
    return ranks


def case_link(label: str, number: int) -> Html:
    """A link that opens the case of a number on the page in the viewer."""
    return element("a", label, href="#viewer", data_case=number)


def case_table(evaluation: Evaluation, labels: Sequence[str], ranks: Sequence[float], first: int) -> Html:
    """A row a case, sorted by a click on a heading; nothing where no case was scored."""
    if not evaluation.cases:
        return Html("")
    main = main_metrics(evaluation)
    metrics = [*main, *(name for name in evaluation.metrics if name not in main)]
    marks = {name: outliers(evaluation.values(name)) for name in metrics}
    last = "Tolerances" if evaluation.has_reference else "Grade"
    head = [_heading("Case", None, printed=True)]
    head += [_heading(metric_of(name).title, name, printed=n < PRINTED_COLUMNS) for n, name in enumerate(metrics)]
    head.append(_heading(last, None, printed=True))
    rows = []
    for number, (label, case, rank) in enumerate(zip(labels, evaluation.cases, ranks, strict=True)):
        cells = [element("th", case_link(label, first + number), scope="row", data_value=number)]
        for place, name in enumerate(metrics):
            cells.append(_cell(name, case.scores.get(name), marks[name][number], printed=place < PRINTED_COLUMNS))
        cells.append(_last_cell(evaluation, case))
        rows.append(element("tr", *cells, class_=None if rank < PRINTED_ROWS else "screen"))
    note = "Outliers, more than 1.5 interquartile ranges outside the quartiles, are marked high or low."
    if len(rows) > PRINTED_ROWS:
        note += f" In print: the {PRINTED_ROWS} worst of {len(rows)} cases."
    made = element(
        "table",
        element("caption", f"Cases. {note}"),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
        class_="sortable",
    )
    return element("div", made, class_="scroll cases", tabindex=0, role="region", aria_label="Table of cases")


def _heading(title: str, name: str | None, *, printed: bool) -> Html:
    button = element("button", title, type="button", class_="sort")
    class_ = None if printed else "screen"
    meaning = about(name, metric_of(name)) if name else Html("")
    return element("th", button, meaning, scope="col", aria_sort="none", class_=class_)


def _cell(name: str, value: float | None, outlier: str | None, *, printed: bool) -> Html:
    mark = element("span", f" {outlier}", class_="outlier") if outlier else Html("")
    classes = [*(["marked"] if outlier else []), *([] if printed else ["screen"])]
    data = "" if value is None else repr(value)
    return element("td", figure(name, value), mark, data_value=data, class_=" ".join(classes) or None)


def _last_cell(evaluation: Evaluation, case: Case) -> Html:
    if not evaluation.has_reference:
        grade = case.details.part("verdict").text("grade")
        order = {"no finding": 0, "check": 1, "do not use": 2}.get(grade, -1)
        return element("td", grade_mark(grade), data_value=order)
    found = [one.values.get("inside") for one in case.details.list("tolerances")]
    known = [inside for inside in found if isinstance(inside, bool)]
    if not known:
        return element("td", "–", data_value="")
    mark = element("span", f"{sum(known)} of {len(known)} inside", class_=f"grade {'good' if all(known) else 'warn'}")
    return element("td", mark, data_value=repr(sum(known) / len(known)))
