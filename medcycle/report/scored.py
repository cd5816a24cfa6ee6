"""The part of the page that an evaluation makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from medcycle.report import plots
from medcycle.report.case_tables import case_details, grade_mark
from medcycle.report.evaluation import Case, Evaluation, Statistics
from medcycle.report.html import Html, element, joined, table, term
from medcycle.report.metrics import figure, metric_of
from medcycle.report.models import model_facts
from medcycle.report.names import Names
from medcycle.report.section import Plot, Section, Shown
from medcycle.report.spread import outliers

__all__ = ["section_of"]

MAIN = ("mae", "nmae", "me", "psnr", "ssim", "ms_ssim", "ncc", "score", "outline_dice")
"""The metrics of the summary, in its order."""

MOST_MAIN = 6

PRINTED_ROWS, PRINTED_COLUMNS = 40, 8
"""of the table of cases: what a page of paper holds."""


def section_of(evaluation: Evaluation, names: Names, first: int) -> Section:
    """An evaluation's part of the page.

    Args:
        evaluation: what was read.
        names: know all cases and folders of the page.
        first: the number on the page of its first case.
    """
    labels = [names.case(case.name) for case in evaluation.cases]
    with_true = "against the true" if evaluation.has_reference else "without a true"
    title = f"Evaluation {with_true} {evaluation.modality.upper()}"
    ranks = _ranks(evaluation)
    cases = [
        Shown(
            label,
            case.files,
            evaluation.modality,
            case_details(case, evaluation.folder, names),
            _plots_of_case(label, case),
            rank,
        )
        for label, case, rank in zip(labels, evaluation.cases, ranks, strict=True)
    ]
    return Section(
        title,
        joined(
            [
                element("div", _facts(evaluation, names), _extremes(evaluation, labels, ranks, first), class_="facts"),
                _figures(evaluation),
                _tolerances(evaluation, names),
            ]
        ),
        joined([_notes(evaluation, names), _case_table(evaluation, labels, ranks, first), _all_statistics(evaluation)]),
        _plots(evaluation, labels),
        cases,
        {name: metric_of(name) for name in evaluation.metrics},
    )


def _main(evaluation: Evaluation) -> list[str]:
    there = evaluation.metrics
    return ([name for name in MAIN if name in there] or there)[:MOST_MAIN]


def _ranks(evaluation: Evaluation) -> list[float]:
    """The place of each case by the first of the main metrics, 0 for the worst; those without a value are the last."""
    if not (main := _main(evaluation)):
        return [float(number) for number in range(len(evaluation.cases))]
    sign = 1.0 if metric_of(main[0]).better == "higher" else -1.0
    values = evaluation.values(main[0])
    order = sorted(range(len(values)), key=lambda n: (values[n] is None, sign * (values[n] or 0.0)))
    ranks = [0.0] * len(values)
    for place, number in enumerate(order):
        ranks[number] = float(place)
    return ranks


def _facts(evaluation: Evaluation, names: Names) -> Html:
    count = len(evaluation.cases)
    facts = [
        ("Cases", f"{count} scored" + (f", {len(evaluation.failed)} not" if evaluation.failed else "")),
        ("Data", f"synthetic {evaluation.modality.upper()}, {_reference(evaluation)}"),
        ("Protocol", names.plain(evaluation.protocol) or "–"),
        *model_facts([case.made_with for case in evaluation.cases], names),
    ]
    if evaluation.folder and names.shown:
        facts.append(("Folder", names.told(str(evaluation.folder))))
    return element("dl", *(joined([element("dt", key), element("dd", value)]) for key, value in facts))


def _reference(evaluation: Evaluation) -> str:
    if not evaluation.has_reference:
        return "compared with the source MR alone"
    return f"with the true {evaluation.modality.upper()} of each case"


def _link(label: str, number: int) -> Html:
    return element("a", label, href="#viewer", data_case=number)


def _extremes(evaluation: Evaluation, labels: Sequence[str], ranks: Sequence[float], first: int) -> Html:
    """Links to the worst and the best cases."""
    if len(labels) < 2 or not (main := _main(evaluation)):
        return Html("")
    order = [n for n in sorted(range(len(labels)), key=ranks.__getitem__) if evaluation.values(main[0])[n] is not None]
    metric = metric_of(main[0])

    def told(numbers: Sequence[int]) -> Html:
        links = [
            joined([_link(labels[n], first + n), f" {figure(main[0], evaluation.values(main[0])[n])}"]) for n in numbers
        ]
        return joined([piece for link in links for piece in (", ", link)][1:])

    count = min(3, len(order) // 2) or 1
    return element(
        "p",
        f"Worst by {metric.title}: ",
        told(order[:count]),
        ". Best: ",
        told(order[::-1][:count]),
        ".",
        class_="extremes",
    )


def _interval(name: str, found: Statistics) -> str:
    if found.low is None or found.high is None:
        return f"n = {found.n}" if found.n is not None else ""
    return f"95 % CI {figure(name, found.low)} to {figure(name, found.high)}"


def _figures(evaluation: Evaluation) -> Html:
    """The main metrics with their intervals."""
    cards = []
    for name in _main(evaluation):
        metric, found = metric_of(name), evaluation.statistics[name]
        value = element("strong", figure(name, found.mean))
        unit = element("span", f" {metric.unit}", class_="unit") if metric.unit else Html("")
        interval = element("span", _interval(name, found), class_="interval")
        cards.append(element("li", term(name, metric), element("span", value, unit, class_="value"), interval))
    return element("ul", *cards, class_="figures")


def _tolerances(evaluation: Evaluation, names: Names) -> Html:
    """How many cases are inside each tolerance, or have each grade."""
    if not evaluation.has_reference:
        grades = Counter(case.details.part("verdict").text("grade") for case in evaluation.cases)
        rows = [[grade_mark(grade), str(grades[grade])] for grade in ("no finding", "check", "do not use")]
        return table("Verdicts", ["grade", "cases"], rows) if sum(grades.values()) else Html("")
    told: dict[tuple[str, str, str], list[bool]] = {}
    for case in evaluation.cases:
        for one in case.details.list("tolerances"):
            key = one.text("name"), one.text("limit"), one.text("source")
            if isinstance(inside := one.values.get("inside"), bool):
                told.setdefault(key, []).append(inside)
    rows = []
    for (name, limit, source), found in told.items():
        all_inside = all(found)
        mark = f"{'○' if all_inside else '△'} inside in {sum(found)} of {len(found)}"
        marked = element("span", mark, class_=f"grade {'good' if all_inside else 'warn'}")
        rows.append([names.plain(name), names.plain(limit), marked, names.plain(source)])
    return table("Tolerances", ["", "tolerance", "cases", "source"], rows)


def _notes(evaluation: Evaluation, names: Names) -> Html:
    """What could not be scored, and what the evaluation warns of."""
    failed = [
        element("li", f"{names.case(name)} was not scored: {names.told(reason)}")
        for name, reason in evaluation.failed.items()
    ]
    warned: dict[str, list[str]] = {}
    for case in evaluation.cases:
        for text in case.details.texts("warnings"):
            warned.setdefault(names.told(text), []).append(names.case(case.name))
    notes = [
        element("li", f"{', '.join(labels[:5])}{' and others' if len(labels) > 5 else ''}: {text}")
        for text, labels in warned.items()
    ]
    if not failed and not notes:
        return Html("")
    return element("div", element("h3", "Notes"), element("ul", *failed, *notes), class_="notes")


def _case_table(evaluation: Evaluation, labels: Sequence[str], ranks: Sequence[float], first: int) -> Html:
    """A row a case, sorted by a click on a heading."""
    main = _main(evaluation)
    metrics = [*main, *(name for name in evaluation.metrics if name not in main)]
    marks = {name: outliers(evaluation.values(name)) for name in metrics}
    last = "Tolerances" if evaluation.has_reference else "Grade"
    head = [_heading("Case", None, printed=True)]
    head += [_heading(metric_of(name).title, name, printed=n < PRINTED_COLUMNS) for n, name in enumerate(metrics)]
    head.append(_heading(last, None, printed=True))
    rows = []
    for number, (label, case, rank) in enumerate(zip(labels, evaluation.cases, ranks, strict=True)):
        cells = [element("th", _link(label, first + number), scope="row", data_value=number)]
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
    about = term(name, metric_of(name), "?") if name else None
    button = element("button", title, type="button", class_="sort")
    class_ = None if printed else "screen"
    return element("th", button, about or Html(""), scope="col", aria_sort="none", class_=class_)


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


def _all_statistics(evaluation: Evaluation) -> Html:
    rows = []
    for name in evaluation.metrics:
        found = evaluation.statistics[name]
        interval = "–" if found.low is None else f"{figure(name, found.low)} to {figure(name, found.high)}"
        numbers = [figure(name, value) for value in (found.mean, found.sd, found.median)]
        rows.append([term(name, metric_of(name), metric_of(name).title), *numbers, interval, str(found.n or "–")])
    headings = ["", "mean", "SD", "median", "95 % interval of the mean", "n"]
    made = table("All metrics over the cases", headings, rows)
    return element("details", element("summary", "All metrics"), made, class_="screen") if rows else Html("")


def _plots(evaluation: Evaluation, labels: Sequence[str]) -> list[Plot]:
    details = [(label, case.details) for label, case in zip(labels, evaluation.cases, strict=True)]
    main = _main(evaluation)
    by_tissue: dict[str, dict[str, list[tuple[str, float | None]]]] = {"mae": {}, "me": {}}
    for label, told in details:
        for tissue, part in told.part("tissues").parts():
            for metric, groups in by_tissue.items():
                groups.setdefault(tissue, []).append((label, part.number(metric)))
    made = [
        plots.box_by_metric(main, {name: evaluation.values(name) for name in main}, labels),
        plots.boxes("tissue-mae", "MAE by tissue", "HU", by_tissue["mae"]),
        plots.boxes("tissue-me", "ME by tissue", "HU", by_tissue["me"]),
        plots.calibration_of_all(details),
        plots.wepl_of_all(details),
        plots.levels(details),
        plots.histogram("histogram", details),
        plots.boxes("uncertainty", "Uncertainty by tissue and region", "HU", _uncertainties(evaluation, labels)),
    ]
    return [plot for plot in made if plot]


def _uncertainties(evaluation: Evaluation, labels: Sequence[str]) -> dict[str, list[tuple[str, float | None]]]:
    groups: dict[str, list[tuple[str, float | None]]] = {}
    for label, case in zip(labels, evaluation.cases, strict=True):
        for group in ("by_tissue", "by_region"):
            for name, value in case.details.part("uncertainty", group).scalars().items():
                groups.setdefault(name, []).append((label, value))
    return groups


def _plots_of_case(label: str, case: Case) -> list[Plot]:
    told = case.details
    uncertain = told.part("uncertainty", "levels")
    by_level = told.part("levels")
    made = [
        plots.curves(
            *("case-levels", "Error by axial level", ("z (mm), feet to head", by_level.numbers("z_mm")), "HU"),
            [("MAE", "accent", by_level.numbers("mae")), ("ME", "synthetic", by_level.numbers("me"))],
        ),
        plots.calibration(told),
        plots.wepl(told),
        plots.histogram("case-histogram", [(label, told)]),
        plots.curves(
            *("case-uncertainty", "Uncertainty by level", ("z (mm), feet to head", uncertain.numbers("z_mm")), "HU"),
            [("mean", "accent", uncertain.numbers("mean_hu"))],
        ),
    ]
    return [plot for plot in made if plot]
