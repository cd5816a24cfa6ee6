"""A run that begins with the networks of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from medcycle.config import Config
from medcycle.data.cohort import PREPARATION_KEYS
from medcycle.errors import UsageError
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.methods.saved import checkpoint_of, load_method

__all__ = ["require_fitting", "settings_shared", "start_from"]

SHARED = (*PREPARATION_KEYS, "slices")
"""What two runs have in common of the section `data`, if the networks of one are to start the other."""


def settings_shared(run_or_checkpoint: Path) -> dict[str, Any]:
    """Dotted keys and values that a run has to share with one whose networks it starts from.

    Raises:
        UsageError: if there is no such checkpoint.
        BadCheckpoint: if it can't be used.
    """
    config = load_method(checkpoint_of(run_or_checkpoint)).config.model_dump(mode="json")
    chosen = [("data", name) for name in SHARED] + [("network", name) for name in config["network"]]
    return {f"{section}.{name}": config[section][name] for section, name in chosen}


def require_fitting(config: Config, run_or_checkpoint: Path) -> list[str]:
    """What `start_from` would do to the method of a configuration; returns and raises the same."""
    return start_from(build_method(config), config, run_or_checkpoint)


def start_from(method: Method, config: Config, run_or_checkpoint: Path) -> list[str]:
    """Give a method those networks of a trained one that both have.

    Args:
        method: gets the weights.
        config: what it was made from.
        run_or_checkpoint: a run's folder, or a checkpoint.

    Returns:
        The names of the networks, as `generators.target`.

    Raises:
        UsageError: if there is no such checkpoint, or its data were prepared otherwise, or its networks are of other
            sizes.
        BadCheckpoint: if it can't be used.
    """
    path = checkpoint_of(run_or_checkpoint)
    saved = load_method(path)
    then, now = (one.data.model_dump(mode="json") for one in (saved.config, config))
    if other := [f"data.{key} is {then[key]} there" for key in sorted(SHARED) if then[key] != now[key]]:
        raise UsageError(f"{path}: can't be started from ({'; '.join(other)}); take the same settings")
    taken = []
    for part in ("generators", "discriminators"):
        mine, theirs = getattr(method, part), getattr(saved.method, part)
        for name in sorted(mine.keys() & theirs.keys()):
            _copy(theirs[name], mine[name], path, f"{part}.{name}")
            taken.append(f"{part}.{name}")
    return sorted(taken)


def _copy(trained: nn.Module, fresh: nn.Module, path: Path, name: str) -> None:
    try:
        fresh.load_state_dict(trained.state_dict())
    except RuntimeError as error:
        raise UsageError(f"{path}: its {name} is another network; take the settings of `network` it has") from error
