"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from medcycle.data.findings import Finding
from medcycle.evaluation.tables import Summary

__all__ = ["print_findings", "print_summary"]


def print_findings(findings: Sequence[Finding]) -> None:
    """A row for every volume, and a line that counts them."""
    table = Table("case", "modality", "voxels", "spacing (mm)", "axes", "verdict")
    for finding in findings:
        table.add_row(
            finding.name,
            finding.modality or "?",
            "×".join(str(n) for n in finding.shape),
            "×".join(f"{s:.3g}" for s in finding.spacing),
            finding.orientation,
            finding.problem or "sound",
        )
    Console().print(table)
    sound = [finding for finding in findings if not finding.problem]
    counts = {modality: sum(item.modality == modality for item in sound) for modality in ("mr", "ct")}
    other = len(sound) - sum(counts.values())
    Console().print(
        f"{counts['mr']} MR, {counts['ct']} CT, {other} of other kinds, {len(findings) - len(sound)} refused",
        highlight=False,
    )


def print_summary(summary: Summary) -> None:
    """A row for every case and one for the mean."""
    table = Table("case", *summary.metrics, title=f"protocol {summary.protocol}")
    for name, values in [*summary.cases.items(), ("mean", summary.mean)]:
        table.add_row(name, *(f"{values[metric]:.3f}" for metric in summary.metrics))
    Console().print(table)
