"""A run that starts from the networks of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import nn

from medcycle.cohort.cohort import PREPARATION_KEYS
from medcycle.config import Config
from medcycle.errors import UsageError
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, load_method

__all__ = ["InitialModel"]

SHARED = (*PREPARATION_KEYS, "slices")
"""What two runs have in common of the section `data`, if the networks of one are to start the other."""


@dataclass(frozen=True)
class InitialModel:
    """A trained model whose networks start another one.

    Args:
        path: its checkpoint.
        saved: what is in it.
    """

    path: Path
    saved: SavedMethod

    @classmethod
    def load(cls, run_or_checkpoint: Path) -> Self:
        """That of a run's folder or a checkpoint.

        Raises:
            UsageError: if there is none.
            BadCheckpoint: if it can't be used.
        """
        path = checkpoint_of(run_or_checkpoint)
        return cls(path, load_method(path))

    def settings_shared(self) -> dict[str, Any]:
        """Dotted keys and values that a run which starts from it has to share with it."""
        config = self.saved.config.model_dump(mode="json")
        chosen = [("data", name) for name in SHARED] + [("network", name) for name in config["network"]]
        return {f"{section}.{name}": config[section][name] for section, name in chosen}

    def require_fitting(self, config: Config) -> list[str]:
        """What `give_to` would do to the method of a configuration; returns and raises the same."""
        return self.give_to(build_method(config), config)

    def give_to(self, method: Method, config: Config) -> list[str]:
        """Give a method those networks that both have.

        Args:
            method: gets the weights.
            config: what it was made from.

        Returns:
            The names of the networks, as `generators.target`.

        Raises:
            UsageError: if the data were prepared otherwise, or networks are of other sizes.
        """
        then, now = (one.data.model_dump(mode="json") for one in (self.saved.config, config))
        if other := [f"data.{key} is {then[key]} there" for key in sorted(SHARED) if then[key] != now[key]]:
            raise UsageError(
                f"{self.path}: its settings differ ({'; '.join(other)}); use the same ones to initialise from it"
            )
        taken = []
        for part in ("generators", "discriminators"):
            mine, theirs = getattr(method, part), getattr(self.saved.method, part)
            for name in sorted(mine.keys() & theirs.keys()):
                self._copy(theirs[name], mine[name], f"{part}.{name}")
                taken.append(f"{part}.{name}")
        return sorted(taken)

    def _copy(self, trained: nn.Module, fresh: nn.Module, name: str) -> None:
        try:
            fresh.load_state_dict(trained.state_dict())
        except RuntimeError as error:
            raise UsageError(
                f"{self.path}: its {name} is a different network; use the same `network` settings"
            ) from error
