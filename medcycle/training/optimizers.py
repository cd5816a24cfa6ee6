"""The optimisers of a method, and how fast they go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Optimizer

from medcycle.config import TrainingConfig
from medcycle.methods.base import Method
from medcycle.training.sharding import spread_states

__all__ = ["Optimizers", "learning_rate_factor"]


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
    """The optimisers of the generators, and those of the discriminators.

    Args:
        generators: each steps networks of their own.
        discriminators: the same.
        discriminator_rate: how many times faster than generators discriminators go (Heusel et al. 2017).
    """

    generators: Sequence[Optimizer]
    discriminators: Sequence[Optimizer]
    discriminator_rate: float = 1.0

    @classmethod
    def of(cls, method: Method, config: TrainingConfig) -> Self:
        """Adam, one for each half of a method or one for each network, as `config.optimizers` says.

        What two networks share belongs to the first of them.
        """
        # of clipped gradients a scaler has to take its scale out first, which it leaves to a fused Adam
        fused, halves = config.gradient_clip is None, []
        for networks in (method.generators, method.discriminators):
            parts = [networks] if config.optimizers == "joint" else list(networks.values())
            seen: set[nn.Parameter] = set()
            half = []
            for part in parts:
                weights = [weight for weight in part.parameters() if weight not in seen]
                seen.update(weights)
                if weights:
                    half.append(torch.optim.Adam(weights, config.learning_rate, config.betas, fused=fused))
            halves.append(half)
        generators, discriminators = halves
        return cls(generators, discriminators, config.discriminator_rate)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this rate from now on; for discriminators `discriminator_rate` times it."""
        for half, factor in ((self.generators, 1.0), (self.discriminators, self.discriminator_rate)):
            for group in (group for optimizer in half for group in optimizer.param_groups):
                group["lr"] = factor * learning_rate

    def state_dict(self) -> dict[str, list[dict[str, Any]]]:
        """What Adam knows of the gradients so far."""
        return {name: [optimizer.state_dict() for optimizer in half] for name, half in self._halves().items()}

    def load_state_dict(self, state: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        """Go on with it. Raises `KeyError` or `ValueError` where it doesn't fit."""
        for name, half in self._halves().items():
            for optimizer, known in zip(half, state[name], strict=True):
                weights = [weight for group in optimizer.param_groups for weight in group["params"]]
                optimizer.load_state_dict(spread_states(known, weights))

    def on_devices(self, fabric: Fabric) -> Self:
        """The same, as Fabric wraps them."""
        generators, discriminators = (
            [cast(Optimizer, fabric.setup_optimizers(optimizer)) for optimizer in half]
            for half in (self.generators, self.discriminators)
        )
        return replace(self, generators=generators, discriminators=discriminators)

    def _halves(self) -> dict[str, Sequence[Optimizer]]:
        return {"generators": self.generators, "discriminators": self.discriminators}
