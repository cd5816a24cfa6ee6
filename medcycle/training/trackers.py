"""Recording losses elsewhere too: MLflow, Weights & Biases."""

from __future__ import annotations

import importlib
import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from medcycle.config import Config
from medcycle.errors import UsageError
from medcycle.io.files import write_text
from medcycle.io.opening import read_json

__all__ = ["Tracker", "require_trackers", "trackers_for"]

log = logging.getLogger(__name__)

PROJECT = "medcycle"
KNOWN_RUNS = "trackers.json"
"""Where a run keeps what it is called elsewhere, so that it goes on there when it is resumed."""


class Tracker(ABC):
    """Takes the settings of a run once and losses every so often; neither pictures nor names of cases.

    What goes wrong, as when a server is away, is said once; training goes on without it.

    Attributes:
        title: its name.
        run: what the run is called there.
    """

    title: str
    run: str

    def __init__(self) -> None:
        self._works = True

    def note(self, step: int, values: Mapping[str, float]) -> None:
        """Take the losses of a step."""
        self._tried(lambda: self._note(step, values))

    def close(self) -> None:
        """Finish."""
        self._tried(self._close)

    def _tried(self, work: Callable[[], object]) -> None:
        if not self._works:
            return
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a library's or a server's; no reason to lose a run
            self._works = False
            log.warning("%s: recording there has stopped (%s)", self.title, _short(error))

    @abstractmethod
    def _note(self, step: int, values: Mapping[str, float]) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class _MLflow(Tracker):
    """Where MLFLOW_TRACKING_URI says, in the experiment of MLFLOW_EXPERIMENT_NAME."""

    title = "MLflow"

    def __init__(self, config: Config, folder: Path, known: str | None) -> None:
        super().__init__()
        self._mlflow = _library("mlflow")
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ:
            self._mlflow.set_experiment(PROJECT)
        self.run = self._mlflow.start_run(run_id=known, run_name=folder.name).info.run_id
        if known is None:
            self._mlflow.log_params(_flat(config))

    def _note(self, step: int, values: Mapping[str, float]) -> None:
        self._mlflow.log_metrics(dict(values), step=step)

    def _close(self) -> None:
        self._mlflow.end_run()


class _WandB(Tracker):
    """As WANDB_MODE, WANDB_PROJECT and the like say."""

    title = "Weights & Biases"

    def __init__(self, config: Config, folder: Path, known: str | None) -> None:
        super().__init__()
        wandb = _library("wandb")
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        self._there = wandb.init(
            project=project, name=folder.name, id=known, resume="allow", dir=folder, config=_flat(config)
        )
        self.run = self._there.id

    def _note(self, step: int, values: Mapping[str, float]) -> None:
        self._there.log(dict(values), step=step)

    def _close(self) -> None:
        self._there.finish()


TRACKERS = {"mlflow": _MLflow, "wandb": _WandB}


def require_trackers(config: Config) -> None:
    """Raise `UsageError` if a library is asked for that isn't installed."""
    for name in config.training.trackers:
        _library(name)


def trackers_for(config: Config, run: Path) -> list[Tracker]:
    """Those that the configuration asks for, begun, or gone on with where the run is known there.

    Raises:
        UsageError: if a library isn't installed, or doesn't begin, as when no server answers.
    """
    path = run / KNOWN_RUNS
    known: dict[str, str] = read_json(path) if path.is_file() else {}
    trackers: dict[str, Tracker] = {}
    for name in config.training.trackers:
        try:
            trackers[name] = TRACKERS[name](config, run, known.get(name))
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"training.trackers: {name} can't be started ({_short(error)}); leave it out") from error
    if trackers:
        write_text(path, json.dumps(known | {name: tracker.run for name, tracker in trackers.items()}))
    return list(trackers.values())


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"training.trackers: {name} is not installed; pip install 'medcycle[{name}]'") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _flat(config: Config) -> dict[str, Any]:
    """Dotted keys and their values."""
    sections = config.model_dump(mode="json")
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
