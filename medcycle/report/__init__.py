"""One self-contained HTML page of evaluations, syntheses and training runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_report"]


def write_report(
    paths: Sequence[Path | str],
    output: Path | str,
    *,
    mr: Path | str | None = None,
    identifiers: bool = False,
    title: str | None = None,
) -> Path:
    """Write one HTML page that opens without network or server.

    Args:
        paths: folders that `medcycle evaluate`, `dose`, `synthesize` or `train` wrote; each becomes a section.
        output: the page, a file ending in .html; it is replaced if it is there.
        mr: what the syntheses among them were made from: their CT are judged by it. None to look where they say that it
            was; where nothing is found, they are shown without a verdict.
        identifiers: show the names of cases and folders. By default cases are called `Case 1`, `Case 2`, ... in the
            order of their table, and no name, path or host is anywhere in the page.
        title: the page's heading; it is shown as it is.

    Returns:
        Where the page is.

    Raises:
        UsageError: if a path is none of these folders, or the output is not named .html.
        DataError: if a folder's tables are damaged, or the page's JavaScript libraries are not installed.
    """
    from medcycle.report.writing import report_of

    source = None if mr is None else Path(mr)
    return report_of([Path(path) for path in paths], Path(output), mr=source, identifiers=identifiers, title=title)
