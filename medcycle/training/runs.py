"""What runs there are, and how far they came."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from medcycle.config.plain import read_yaml
from medcycle.errors import BadCheckpoint, EmptyFolder, MedcycleError
from medcycle.io.files import require_exists
from medcycle.io.opening import open_regular, read_json
from medcycle.methods.checkpoint import LAST, MANIFEST, read_checkpoint

__all__ = [
    "METRICS",
    "VALIDATION",
    "DamagedRun",
    "RunSummary",
    "find_runs",
    "loss_of_generators",
    "score_in_words",
]

METRICS = "metrics.csv"
VALIDATION = "validation.csv"

UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, csv.Error)
"""What damaged files of a run, which may hold anything, lead to."""


@dataclass(frozen=True)
class RunSummary:
    """A run.

    Args:
        folder: where it is.
        method: the name of its method.
        dimensions: `2D`, `2.5D` or `3D`.
        cases: how many MR and CT it is trained on.
        step: of the last checkpoint, from which it goes on, or of the last row of its metrics if there is none that can
            be read; 0 if there is neither.
        minutes: how long it had trained at that row.
        losses: of that row, by name.
        checkpoint: of the last checkpoint, `yes`, `none yet` or `damaged`.
        best: the step with the best score of its validations, and the score; None if there was none.
        score_is_error: whether scores are mean absolute errors of synthetic CT, HU, as they are where registered pairs
            are held out; else see `Validator`.
    """

    folder: Path
    method: str
    dimensions: str
    cases: tuple[int, int]
    step: int
    minutes: float
    losses: dict[str, float]
    checkpoint: Literal["yes", "none yet", "damaged"]
    best: tuple[int, float] | None
    score_is_error: bool

    @property
    def loss(self) -> float:
        """The sum of the generators' losses."""
        return loss_of_generators(self.losses)


def loss_of_generators(losses: Mapping[str, float]) -> float:
    """The sum of those losses that are not a discriminator's."""
    return sum(value for name, value in losses.items() if not name.startswith("discriminator"))


@dataclass(frozen=True)
class DamagedRun:
    """A run of which nothing can be said.

    Args:
        folder: where it is.
        problem: what is wrong with it.
    """

    folder: Path
    problem: str


def find_runs(folder: Path) -> list[RunSummary | DamagedRun]:
    """The runs in a folder and below it, in the order of their names, damaged ones among them.

    Raises:
        UsageError: if there is no such folder.
        EmptyFolder: if there is no run in it.
    """
    require_exists(folder, "a folder of runs")
    runs = [_summary(manifest.parent) for manifest in sorted(folder.rglob(MANIFEST))]
    if not runs:
        raise EmptyFolder(f"{folder}: no runs; `medcycle train ... --output {folder / 'first'}` makes one")
    return runs


def _summary(folder: Path) -> RunSummary | DamagedRun:
    try:
        manifest = read_json(folder / MANIFEST)
        config = read_yaml(folder / "config.yaml")
        last = (_rows(folder / METRICS) or [{}])[-1]
        scores = [(float(row["score"]), int(row["step"])) for row in _rows(folder / VALIDATION)]
        trained_on = manifest["split"]["train"]
        logged, (step, checkpoint) = int(last.pop("step", 0)), _checkpoint(folder / LAST)
        return RunSummary(
            folder=folder,
            method=config["method"]["name"],
            dimensions=_dimensions(config),
            cases=(len(trained_on["mr"]), len(trained_on["ct"])),
            step=logged if step is None else step,
            minutes=float(last.pop("elapsed_seconds", 0)) / 60,
            losses={name: float(value) for name, value in last.items() if value},
            checkpoint=checkpoint,
            best=min(scores, key=lambda found: (found[0], -found[1]))[::-1] if scores else None,
            score_is_error=_scored_by_error(folder),
        )
    except FileNotFoundError as error:
        return DamagedRun(folder, f"{Path(error.filename).name} is missing")
    except (OSError, MedcycleError, *UNREADABLE) as error:
        return DamagedRun(folder, f"its files can't be read ({type(error).__name__}: {error})")
    except yaml.YAMLError:
        return DamagedRun(folder, "config.yaml is not YAML")


def _checkpoint(path: Path) -> tuple[int | None, Literal["yes", "none yet", "damaged"]]:
    """The step of a checkpoint, and whether there is one."""
    if not path.is_file():
        return None, "none yet"
    try:
        return int(read_checkpoint(path, mapped=True)["step"]), "yes"
    except (BadCheckpoint, OSError, ValueError, KeyError, TypeError):
        return None, "damaged"


def score_in_words(run: Path, score: float) -> str:
    """A score of a run's validations with its name, and with its unit if it has one."""
    return f"mean absolute error {score:.0f} HU" if _scored_by_error(run) else f"score {score:.0f} (lower is better)"


def _scored_by_error(run: Path) -> bool:
    return any(row.get("mae") for row in _rows(run / VALIDATION))


def _dimensions(config: dict[str, Any]) -> str:
    if config["network"]["spatial_dims"] == 3:
        return "3D"
    return "2.5D" if config["data"]["slices"] > 1 else "2D"


def _rows(table: Path) -> list[dict[str, str]]:
    """Its rows, without one that is just being written."""
    if not table.is_file():
        return []
    with io.TextIOWrapper(open_regular(table), encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if None not in row.values()]
