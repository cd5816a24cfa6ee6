"""The optimisers of a method, and how fast they go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Self

from lightning_fabric import Fabric
from torch import nn
from torch.optim import Adam, Optimizer

from medcycle.config import TrainingConfig
from medcycle.methods.base import Method
from medcycle.training.muon import Muon

__all__ = ["Optimizers", "learning_rate_factor"]

ENDS = 8
"""Channels up to which a layer is an entry or an exit, which Muon leaves to Adam."""

MUON_RATE = 10.0
"""How many times Adam's learning rate Muon has, whose steps are scaled to a fifth of the size of Adam's largest."""

ITERATIONS = 3
"""of Newton and Schulz that make a gradient orthogonal, roughly; five, as usual, learn no faster."""


def learning_rate_factor(progress: float, decay: str = "linear") -> float:
    """What the learning rate is multiplied by.

    Args:
        progress: how much of the run is done, 0 to 1.
        decay: `linear` is 1 in the first half, then falls linearly to 0 (Zhu et al. 2017, 7.1); `cosine` falls all the
            way as half a cosine (Loshchilov and Hutter 2017, eq. 5, without restarts); `constant` is 1.
    """
    left = max(0.0, min(1.0, 1.0 - progress))
    match decay:
        case "linear":
            return min(1.0, 2.0 * left)
        case "cosine":
            return (1.0 - math.cos(math.pi * left)) / 2.0
        case _:
            return 1.0


@dataclass(frozen=True)
class Optimizers:
    """The optimiser of the generators, and that of the discriminators, where there are any.

    Args:
        generators: steps all their weights.
        discriminators: the same; None without discriminators.
    """

    generators: Optimizer
    discriminators: Optimizer | None = None

    @classmethod
    def of(cls, method: Method, config: TrainingConfig) -> Self:
        """Those of a method. With `config.optimizer: muon`, Muon steps the wide layers of generators, Adam the rest."""
        generators = _of_weights(list(method.generators.parameters()), config, by_muon=config.optimizer == "muon")
        judging = list(method.discriminators.parameters())
        discriminators = _of_weights(judging, config, by_muon=False) if judging else None
        return cls(generators, discriminators)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this rate from now on."""
        for optimizer in self._halves().values():
            for group in optimizer.param_groups:
                group["lr"] = group.get("rate", 1.0) * learning_rate

    def state_dict(self) -> dict[str, list[dict[str, Any]]]:
        """What they know of the gradients so far."""
        return {name: [optimizer.state_dict()] for name, optimizer in self._halves().items()}

    def load_state_dict(self, state: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        """Go on with it. Raises `KeyError` or `ValueError` where it doesn't fit."""
        for name, optimizer in self._halves().items():
            (known,) = state[name]
            optimizer.load_state_dict(known)

    def on_devices(self, fabric: Fabric) -> Self:
        """The same, as Fabric wraps them."""
        wrapped: dict[str, Any] = {name: fabric.setup_optimizers(half) for name, half in self._halves().items()}
        return replace(self, **wrapped)

    def _halves(self) -> dict[str, Optimizer]:
        halves = {"generators": self.generators, "discriminators": self.discriminators}
        return {name: optimizer for name, optimizer in halves.items() if optimizer}


class _Together(Optimizer):
    """Several optimisers as one, which all take their step or none.

    Args:
        parts: step weights of their own.
    """

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        self._parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """A step of each; none has a closure."""
        assert closure is None
        for part in self._parts:
            part.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what all of them knew."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Give the parts what is kept here of them."""
        groups = iter(self.param_groups)
        for part in self._parts:
            part.state, part.param_groups = self.state, list(islice(groups, len(part.param_groups)))


def _of_weights(weights: Sequence[nn.Parameter], config: TrainingConfig, *, by_muon: bool) -> Optimizer:
    """Adam, or together with it Muon, which steps what is wide."""
    for_muon: list[nn.Parameter] = []
    for_adam: list[nn.Parameter] = []
    for weight in weights:
        is_wide = by_muon and weight.ndim > 1 and min(weight.shape[:2]) > ENDS
        (for_muon if is_wide else for_adam).append(weight)
    adam = Adam(for_adam, config.learning_rate, config.betas, fused=True)
    if not for_muon:
        return adam
    muon = Muon([{"params": for_muon, "rate": MUON_RATE}], config.learning_rate, iterations=ITERATIONS)
    return _Together([adam, muon])
