"""From folders to a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from medcycle.errors import DataError, UsageError
from medcycle.io.files import require_exists, write_text
from medcycle.report import doses, jobs, scored, synthesized, trained
from medcycle.report.doses import Doses, is_of_doses
from medcycle.report.evaluation import Evaluation, read_evaluation
from medcycle.report.jobs import Jobs, read_jobs
from medcycle.report.judging import judge_synthesis
from medcycle.report.libraries import asset, libraries, licences
from medcycle.report.names import Names
from medcycle.report.page import page_of
from medcycle.report.plain import read_part
from medcycle.report.section import Section, Shown
from medcycle.report.synthesized import Synthesis, described_in, read_synthesis
from medcycle.report.trained import Run, is_run, read_run
from medcycle.report.volumes import Packed, pack_case

__all__ = ["report_of"]

BUDGET = 34_000_000
"""Characters of all volumes together, so that a page with the libraries stays below 40 MB."""

LARGEST_CASE, SMALLEST_CASE = 9_000_000, 120_000
"""Characters of a case's volumes; where there are more cases than have room, the worst are shown."""

Findings = Evaluation | Synthesis | Run | Jobs | Doses


def report_of(paths: Sequence[Path], output: Path, *, mr: Path | None, identifiers: bool, title: str | None) -> Path:
    """Write the page; arguments and errors as of `medcycle.report.write_report`."""
    if not paths:
        raise UsageError("nothing to report on; give a folder of an evaluation, a synthesis or a run")
    if output.suffix.lower() not in (".html", ".htm") or output.is_dir():
        raise UsageError(f"{output}: the report is one file; give a name that ends in .html")
    code = libraries()  # before any work is done for a page without them
    with TemporaryDirectory() as scratch:
        judged = [_judged(path, mr, Path(scratch) / f"{number}") for number, path in enumerate(paths)]
        page = _page(judged, code, title, Names(shown=identifiers))
    write_text(output, page)
    return output


def _judged(path: Path, mr: Path | None, scratch: Path) -> Path:
    """Of a synthesis of CT whose MR are known, an evaluation by these; else the path."""
    if not path.is_dir() or is_run(path) or not described_in(path):
        return path
    try:
        judge_synthesis(path, scratch, mr)
    except DataError:
        if mr:
            raise
        return path  # its volumes can be shown without a verdict
    return scratch


def _page(paths: Sequence[Path], code: Sequence[str], title: str | None, names: Names) -> str:
    found = [_read(path, names) for path in paths]
    sections: list[Section] = []
    for one in found:
        sections.append(_section(one, names, sum(len(section.cases) for section in sections)))
    sections = _told_apart(sections)
    packed = _packed([case for section in sections for case in section.cases], names)
    return page_of(
        sections,
        packed,
        title=title or "medcycle report",
        template=asset("page.html"),
        style=asset("report.css"),
        scripts=[*code, *(asset(name) for name in ("plots.js", "volumes.js", "viewer.js", "report.js"))],
        licences=licences(),
    )


def _read(path: Path, names: Names) -> Findings:
    """What a folder holds, told by the files in it."""
    require_exists(path, "a folder that `medcycle evaluate`, `dose`, `synthesize` or `train` wrote")
    if path.suffix == ".csv":
        return read_jobs(path)
    if (path / "summary.json").is_file():
        summary = read_part(path / "summary.json", "run `medcycle evaluate` or `dose` again")
        return Doses(path, summary) if is_of_doses(summary) else read_evaluation(path, names)
    if is_run(path):
        return read_run(path, names)
    if path.is_dir() and described_in(path):
        return read_synthesis(path, names)
    raise UsageError(
        f"{path}: neither scores or doses (summary.json), a synthesis (synthesis.json) nor a run (config.yaml and "
        "metrics.csv); give a folder that `medcycle evaluate`, `dose`, `synthesize` or `train` wrote"
    )


def _section(found: Findings, names: Names, first: int) -> Section:
    match found:
        case Evaluation():
            return scored.section_of(found, names, first)
        case Synthesis():
            return synthesized.section_of(found, names)
        case Run():
            return trained.section_of(found, names)
        case Doses():
            return doses.section_of(found, names)
        case Jobs():
            return jobs.section_of(found, names)


def _told_apart(sections: Sequence[Section]) -> list[Section]:
    """With numbers behind titles that several of them have."""
    counts = Counter(section.title for section in sections)
    seen: Counter[str] = Counter()
    told = []
    for section in sections:
        seen[section.title] += 1
        title = f"{section.title} ({seen[section.title]})" if counts[section.title] > 1 else section.title
        told.append(replace(section, title=title))
    return told


def _packed(cases: Sequence[Shown], names: Names) -> list[Packed]:
    """The volumes of all cases, none of those for which there is no room."""
    count = max(1, min(len(cases), BUDGET // SMALLEST_CASE))
    shown = set(sorted(range(len(cases)), key=lambda number: cases[number].rank)[:count])
    left_out = Packed(missing=dict.fromkeys(("real", "synthetic"), f"left out: the page has room for {count} cases"))
    budget = min(LARGEST_CASE, BUDGET // count)
    rooms = [max(SMALLEST_CASE // 2, budget - len(case.details)) for case in cases]
    return [
        pack_case(case.files, case.modality, room, names.told) if number in shown else left_out
        for number, (case, room) in enumerate(zip(cases, rooms, strict=True))
    ]
