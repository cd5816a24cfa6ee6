"""The cases of a folder of outputs that failed, in a table beside the others."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from medcycle.io.files import write_text
from medcycle.io.opening import read_text
from medcycle.shards import Shard
from medcycle.words import cell

__all__ = ["failures_in", "write_failures"]

LARGEST = 2**26
"""Bytes of a table that is read."""


def write_failures(reasons: Mapping[str, str], folder: Path, shard: Shard | None = None) -> None:
    """List the cases that failed in `failed.csv`, or of a shard in `failed-3-of-16.csv`; no failure, no file.

    Args:
        reasons: by the names of the cases.
        folder: of the outputs.
        shard: that the cases are of; None for all.
    """
    path = folder / (f"failed-{shard.number}-of-{shard.of}.csv" if shard else "failed.csv")
    own = f"failed-*-of-{shard.of}.csv" if shard else "failed.csv"
    for other in set(folder.glob("failed*.csv")) - set(folder.glob(own)):
        other.unlink(missing_ok=True)  # of another number of shards
    if not reasons:
        path.unlink(missing_ok=True)
        return
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["case", "reason"])
    writer.writerows([cell(name), cell(reason)] for name, reason in reasons.items())
    write_text(path, rows.getvalue())


def failures_in(folder: Path) -> dict[str, str]:
    """The reasons of all that failed, by the names of the cases; tables that can't be read are left out."""
    found = dict[str, str]()
    for path in sorted(folder.glob("failed*.csv")):
        try:
            rows = list(csv.DictReader(read_text(path, LARGEST).splitlines()))
        except (OSError, ValueError, csv.Error):
            continue
        found |= {row["case"]: row["reason"] for row in rows if row.get("case") and row.get("reason")}
    return found
