"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from medcycle.data.findings import Finding
from medcycle.evaluation.tables import Summary

__all__ = ["print_findings", "print_summary"]


def print_findings(findings: Sequence[Finding]) -> None:
    """A row for every volume, a line for every reason to skip files, and one that counts them all."""
    columns = (
        "case",
        "patient",
        "series",
        "modality",
        "voxels",
        "spacing (mm)",
        "axes",
        "field of view (mm)",
        "verdict",
    )
    table = Table(*columns, show_lines=True)
    volumes = [finding for finding in findings if finding.verdict != "skipped"]
    for found in volumes:
        verdict = found.verdict if not found.reason else f"{found.verdict}: {found.reason}"
        table.add_row(
            *(escape(text) for text in (found.name, found.patient, found.description)),
            found.modality or "?",
            "×".join(str(n) for n in found.shape),
            "×".join(f"{width:.3g}" for width in found.spacing),
            found.orientation,
            "×".join(f"{length:.0f}" for length in found.field_of_view),
            escape("; ".join([verdict, *found.notes])),
        )
    console = Console()
    console.print(table)
    for reason, names in _by_reason(findings).items():
        examples = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        console.print(escape(f"skipped: {reason}: {len(names)} ({examples})"), highlight=False)
    sound = [found for found in volumes if found.verdict == "sound"]
    counts = {modality: sum(found.modality == modality for found in sound) for modality in ("mr", "ct")}
    other = len(sound) - sum(counts.values())
    patients = len({found.patient for found in volumes})
    console.print(
        f"{counts['mr']} MR, {counts['ct']} CT, {other} of other kinds, of {patients} patients; "
        f"{len(volumes) - len(sound)} refused, {len(findings) - len(volumes)} skipped",
        highlight=False,
    )


def _by_reason(findings: Sequence[Finding]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for found in findings:
        if found.verdict == "skipped":
            reasons.setdefault(found.reason, []).append(found.name)
    return reasons


def print_summary(summary: Summary) -> None:
    """A row for every case and one for the mean."""
    table = Table("case", *summary.metrics, title=f"protocol {summary.protocol}")
    for name, values in [*summary.cases.items(), ("mean", summary.mean)]:
        table.add_row(name, *(f"{values[metric]:.3f}" for metric in summary.metrics))
    Console().print(table)
