"""The part of the page that an evaluation makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from medcycle.report import plots
from medcycle.report.all_cases import case_link, case_table, main_metrics, ranks_of
from medcycle.report.evaluation import Case, Evaluation, Statistics
from medcycle.report.html import Html, element, joined, table, term
from medcycle.report.metrics import figure, metric_of, significant
from medcycle.report.models import model_facts
from medcycle.report.names import Names
from medcycle.report.one_case import case_details, further_warnings, grade_mark
from medcycle.report.plain import Part
from medcycle.report.section import Plot, Section, Shown

__all__ = ["section_of"]


PICTURES = 8_000_000
"""Characters of the pictures of all cases."""


def section_of(evaluation: Evaluation, names: Names, first: int) -> Section:
    """An evaluation's part of the page.

    Args:
        evaluation: what was read.
        names: know all cases and folders of the page.
        first: the number on the page of its first case.
    """
    labels, ranks = [names.case(case.name) for case in evaluation.cases], ranks_of(evaluation)
    facts, extremes = _facts(evaluation, names), _extremes(evaluation, labels, ranks, first)
    return Section(
        f"Evaluation {'against the' if evaluation.has_reference else 'without a'} true {evaluation.modality.upper()}",
        joined([element("div", facts, extremes, class_="facts"), _figures(evaluation), _tolerances(evaluation, names)]),
        joined([_notes(evaluation, names), case_table(evaluation, labels, ranks, first), _all_statistics(evaluation)]),
        _plots(evaluation, labels),
        [_shown(evaluation, *one, names) for one in zip(evaluation.cases, labels, ranks, strict=True)],
        {name: metric_of(name) for name in evaluation.metrics},
    )


def _shown(evaluation: Evaluation, case: Case, label: str, rank: float, names: Names) -> Shown:
    room = PICTURES // len(evaluation.cases)
    details = case_details(case, evaluation.folder, names, room)
    return Shown(label, case.files, evaluation.modality, details, _plots_of_case(label, case), rank)


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


def _extremes(evaluation: Evaluation, labels: Sequence[str], ranks: Sequence[float], first: int) -> Html:
    """Links to the worst and the best cases."""
    if len(labels) < 2 or not (main := main_metrics(evaluation)):
        return Html("")
    order = [n for n in sorted(range(len(labels)), key=ranks.__getitem__) if evaluation.values(main[0])[n] is not None]
    metric = metric_of(main[0])

    def told(numbers: Sequence[int]) -> Html:
        links = [
            joined([case_link(labels[n], first + n), f" {figure(main[0], evaluation.values(main[0])[n])}"])
            for n in numbers
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
    for name in main_metrics(evaluation):
        metric, found = metric_of(name), evaluation.statistics[name]
        value = element("strong", figure(name, found.mean))
        unit = element("span", f" {metric.unit}", class_="unit") if metric.unit else Html("")
        interval = element("span", _interval(name, found), class_="interval")
        cards.append(element("li", term(name, metric), element("span", value, unit, class_="value"), interval))
    return element("ul", *cards, class_="figures") if cards else Html("")


def _tolerances(evaluation: Evaluation, names: Names) -> Html:
    """How many cases are inside each tolerance, or have each grade."""
    if not evaluation.has_reference:
        grades = Counter(case.details.part("verdict").text("grade") for case in evaluation.cases)
        rows = [[grade_mark(grade), str(grades[grade])] for grade in ("no finding", "check", "do not use")]
        return table("Verdicts", ["grade", "cases"], rows) if sum(grades.values()) else Html("")
    told: dict[tuple[str, str, str], list[Part]] = {}
    for case in evaluation.cases:
        for one in case.details.list("tolerances"):
            limit = f"{one.text('limit')} {one.text('unit')}".strip()
            if isinstance(one.values.get("inside"), bool):
                told.setdefault((one.text("name"), limit, one.text("source")), []).append(one)
    rows = []
    for (name, limit, _), found in told.items():
        values = [value for one in found if (value := one.number("value")) is not None]
        middle = significant(median(values)) if values else "–"
        rows.append([names.plain(name), names.plain(limit), middle, _inside(found)])
    sources = {names.plain(name): names.plain(source) for name, _, source in told if source}
    return joined([table("Tolerances", ["", "tolerance", "median", "cases"], rows, "tolerances"), _sources(sources)])


def _inside(found: Sequence[Part]) -> Html:
    inside = sum(one.values["inside"] for one in found)
    sign, class_ = ("○", "good") if inside == len(found) else ("△", "warn")
    return element("span", f"{sign} inside in {inside} of {len(found)}", class_=f"grade {class_}")


def _sources(sources: dict[str, str]) -> Html:
    """Where tolerances come from: to be opened on the screen, and in small print on paper."""
    if not sources:
        return Html("")
    items = [element("li", element("strong", name), f": {source}") for name, source in sources.items()]
    opened = element("details", element("summary", "Sources of the tolerances"), element("ul", *items), class_="screen")
    return joined(
        [opened, element("p", "; ".join(f"{name}: {text}" for name, text in sources.items()), class_="printed")]
    )


def _notes(evaluation: Evaluation, names: Names) -> Html:
    """What could not be scored, and what the evaluation warns of."""
    failed = [
        element("li", f"{names.case(name)} was not scored: {names.told(reason)}")
        for name, reason in evaluation.failed.items()
    ]
    warned: dict[str, list[str]] = {}
    for case in evaluation.cases:
        reasons = case.details.part("verdict").texts("reasons")
        for text in [*reasons, *further_warnings(case.details)]:
            warned.setdefault(names.told(text), []).append(names.case(case.name))
    notes = [
        element("li", f"{', '.join(labels[:5])}{' and others' if len(labels) > 5 else ''}: {text}")
        for text, labels in warned.items()
    ]
    if not failed and not notes:
        return Html("")
    return element("div", element("h3", "Notes"), element("ul", *failed, *notes), class_="notes")


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
    main = main_metrics(evaluation)
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
        for group in ("by_tissue", "by_region", "by_layer"):
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
