"""A run that starts from the networks of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from torch import nn

from medcycle.config import Config
from medcycle.errors import UsageError
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, load_method, told_of
from medcycle.models import shipped_names
from medcycle.planning.initial import SHARED

__all__ = ["InitialModel", "start_of"]


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
                f"{told_of(self.path)}: its settings differ ({'; '.join(other)}); use the same ones to initialise from "
                "it"
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
                f"{told_of(self.path)}: its {name} is a different network; use the same `network` settings"
            ) from error


def start_of(
    config: Config, given: InitialModel | None, say: Callable[[str], None]
) -> tuple[InitialModel | None, Config]:
    """The model that a new run starts from, which is not taken if it ships with medcycle and doesn't fit.

    Args:
        config: all settings; `training.init_from` names the model.
        given: the model, if it was chosen by the user, and so has to fit.
        say: takes what is told.

    Returns:
        The model, or None; and the settings, without `training.init_from` if there is none.

    Raises:
        UsageError: if there is no such model, or one that has to fit doesn't.
        BadCheckpoint: if it can't be used.
    """
    name = config.training.init_from
    if name is None:
        return None, config
    model = given or InitialModel.load(Path(name))
    try:
        told = told_of(model.path) if name in shipped_names() else name
        say(f"initialised from {told}: {', '.join(model.require_fitting(config))}")
    except UsageError as error:
        if given or name not in shipped_names():
            raise
        say(f"training from scratch: {str(error).partition('; use the same')[0]}")
        new = config.training.model_copy(update={"init_from": None})
        return None, config.model_copy(update={"training": new})
    return model, config
