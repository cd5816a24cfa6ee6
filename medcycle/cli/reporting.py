"""`medcycle report`: one page of what other commands wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcycle.cli.say import RESEARCH_ONLY, say, say_written
from medcycle.words import size

__all__ = ["report", "report_synthesis"]


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Folders that `evaluate`, `dose`, `synthesize` or `train` wrote, and a workflow's jobs.csv; each "
            "becomes a section.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page, a file ending in .html.")],
    mr: Annotated[
        Path | None,
        typer.Option(help="The MR that a synthesis was made from, if it is no longer where it was."),
    ] = None,
    identifiers: Annotated[
        bool, typer.Option("--identifiers", help="Show the names of cases and folders; by default they are numbered.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="The page's heading; shown as it is.")] = None,
) -> None:
    """Write one HTML page with scores, plots and a viewer.

    It opens in any browser, without network.
    """
    from medcycle.report import write_report

    written = write_report(paths, output, mr=mr, identifiers=identifiers, title=title)
    if identifiers:
        say("the page shows names of cases and folders; mind who gets it")
    say(RESEARCH_ONLY)
    say_written(f"{written} ({size(written.stat().st_size)})", "open it in a browser")


def report_synthesis(source: Path, made: Path) -> Path:
    """Judge a synthetic CT by its source and write the page of it, beside it.

    Args:
        source: what was synthesised from: a volume, a series, or a folder of them.
        made: what `synthesize` wrote.

    Returns:
        The page.
    """
    from medcycle.cli.printing import print_verdicts
    from medcycle.report import write_report
    from medcycle.report.judging import judge_synthesis, report_folder

    folder = report_folder(made)
    print_verdicts(judge_synthesis(made, folder, source))
    return write_report([folder], folder / "report.html")
