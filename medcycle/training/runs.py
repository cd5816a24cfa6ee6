"""What runs there are, and how far they came."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medcycle.errors import EmptyFolder
from medcycle.io.files import require_exists
from medcycle.methods.saved import LAST

__all__ = [
    "MANIFEST",
    "METRICS",
    "VALIDATION",
    "RunSummary",
    "find_runs",
    "loss_of_generators",
]

MANIFEST = "manifest.json"
METRICS = "metrics.csv"
VALIDATION = "validation.csv"


@dataclass(frozen=True)
class RunSummary:
    """A run.

    Args:
        folder: where it is.
        method: the name of its method.
        dimensions: `2D`, `2.5D` or `3D`.
        cases: how many MR and CT it is trained on.
        step: the last row of its metrics; 0 if there is none.
        minutes: how long it had trained then.
        losses: of that row, by name.
        saved: whether there is a checkpoint.
        best: the step with the best score of its validations, and the score, HU; None if there was none.
    """

    folder: Path
    method: str
    dimensions: str
    cases: tuple[int, int]
    step: int
    minutes: float
    losses: dict[str, float]
    saved: bool
    best: tuple[int, float] | None

    @property
    def loss(self) -> float:
        """The sum of the generators' losses."""
        return loss_of_generators(self.losses)


def loss_of_generators(losses: Mapping[str, float]) -> float:
    """The sum of those losses that are not a discriminator's."""
    return sum(value for name, value in losses.items() if not name.startswith("discriminator"))


def find_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder and below it, in the order of their names; what can't be read is left out.

    Raises:
        UsageError: if there is no such folder.
        EmptyFolder: if there is no run in it.
    """
    require_exists(folder, "a folder of runs")
    found = [_summary(manifest.parent) for manifest in sorted(folder.rglob(MANIFEST))]
    runs = [run for run in found if run]
    if not runs:
        raise EmptyFolder(f"{folder}: no runs; `medcycle train ... --output {folder / 'first'}` makes one")
    return runs


def _summary(folder: Path) -> RunSummary | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        last = (_rows(folder / METRICS) or [{}])[-1]
        scores = [(float(row["score"]), int(row["step"])) for row in _rows(folder / VALIDATION)]
        trained_on = manifest["split"]["train"]
        return RunSummary(
            folder=folder,
            method=config["method"]["name"],
            dimensions=_dimensions(config),
            cases=(len(trained_on["mr"]), len(trained_on["ct"])),
            step=int(last.pop("step", 0)),
            minutes=float(last.pop("elapsed_seconds", 0)) / 60,
            losses={name: float(value) for name, value in last.items() if value},
            saved=(folder / LAST).is_file(),
            best=min(scores, key=lambda found: (found[0], -found[1]))[::-1] if scores else None,
        )
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


def _dimensions(config: dict[str, Any]) -> str:
    if config["network"]["spatial_dims"] == 3:
        return "3D"
    return "2.5D" if config["data"]["slices"] > 1 else "2D"


def _rows(table: Path) -> list[dict[str, str]]:
    """Its rows, without one that is just being written."""
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if None not in row.values()]
