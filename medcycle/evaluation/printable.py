"""Tables for papers and protocols, as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["UNITS", "statistics_table", "to_latex", "to_markdown"]

UNITS = {"mae": "HU", "me": "HU", "rmse": "HU", "psnr": "dB"}
"""Of metrics that have one; those of CT."""

Row = Sequence[str]


def statistics_table(statistics: Mapping[str, Mapping[str, float | None]]) -> list[Row]:
    """Rows, the heading first, of each metric's mean, standard deviation, interval and median."""
    heading = ("metric", "mean", "SD", "95 % interval of the mean", "median", "patients")
    rows: list[Row] = [heading]
    for metric, one in statistics.items():
        unit = f" ({UNITS[metric]})" if metric in UNITS else ""
        interval = f"{number(one['low'])} to {number(one['high'])}" if one["low"] is not None else "–"
        rows.append(
            (f"{metric}{unit}", number(one["mean"]), number(one["sd"]), interval, number(one["median"]), str(one["n"]))
        )
    return rows


def number(value: float | None) -> str:
    """Of four significant digits at least, a dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def to_markdown(rows: Sequence[Row]) -> str:
    """A table, its first row the heading."""
    lines = [f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]) + "\n"


def to_latex(rows: Sequence[Row]) -> str:
    """A `tabular` with the lines of the package booktabs, its first row the heading."""
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in rows]
    columns = "l" + "r" * (len(rows[0]) - 1)
    body = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
    special |= {one: f"\\{one}" for one in "&%$#_{}"}
    return "".join(special.get(one, one) for one in text)
