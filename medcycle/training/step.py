"""One optimisation step: the generators, then the discriminators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from medcycle.config import TrainingConfig
from medcycle.methods.base import Batch, Losses, Method
from medcycle.training.pool import ImagePool

__all__ = ["Optimizers", "Step", "training_step", "warm_start_step"]

EXPLODED = 1e12
"""Norm of a gradient that no step is taken along."""


class Step(NamedTuple):
    """What became of a step.

    Args:
        losses: detached, by name.
        taken: False if a gradient had exploded, and the weights it is of stayed as they were.
    """

    losses: Losses
    taken: bool


@dataclass(frozen=True)
class Optimizers:
    """The optimisers of the generators, and those of the discriminators."""

    generators: Sequence[Optimizer]
    discriminators: Sequence[Optimizer]

    @classmethod
    def of(cls, method: Method, config: TrainingConfig) -> Self:
        """Adam, one for each half of a method or one for each network, as `config.optimizers` says.

        What two networks share belongs to the first of them.
        """
        halves = []
        for networks in (method.generators, method.discriminators):
            parts = [networks] if config.optimizers == "joint" else list(networks.values())
            seen: set[nn.Parameter] = set()
            half = []
            for part in parts:
                weights = [weight for weight in part.parameters() if weight not in seen]
                seen.update(weights)
                if weights:
                    half.append(torch.optim.Adam(weights, config.learning_rate, config.betas))
            halves.append(half)
        return cls(*halves)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this rate from now on."""
        for half in self._halves().values():
            for optimizer in half:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate

    def state_dict(self) -> dict[str, list[dict[str, Any]]]:
        """What Adam knows of the gradients so far."""
        return {name: [optimizer.state_dict() for optimizer in half] for name, half in self._halves().items()}

    def load_state_dict(self, state: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        """Go on with it. Raises `KeyError` or `ValueError` where it doesn't fit."""
        for name, half in self._halves().items():
            for optimizer, known in zip(half, state[name], strict=True):
                optimizer.load_state_dict(known)

    def on_devices(self, fabric: Fabric) -> Self:
        """The same, as Fabric wraps them."""
        wrapped = {
            name: [cast(Optimizer, fabric.setup_optimizers(optimizer)) for optimizer in half]
            for name, half in self._halves().items()
        }
        return type(self)(**wrapped)

    def _halves(self) -> dict[str, Sequence[Optimizer]]:
        return {"generators": self.generators, "discriminators": self.discriminators}


def training_step(
    fabric: Fabric, method: nn.Module, batch: Batch, optimizers: Optimizers, pools: Mapping[str, ImagePool]
) -> Step:
    """Improve the generators against frozen discriminators, then the discriminators on detached outputs.

    Args:
        fabric: runs the backward passes in the chosen precision.
        method: a `Method` as Fabric wraps it.
        batch: real images.
        optimizers: step the two halves.
        pools: for each discriminator, the earlier outputs it is trained on.

    Returns:
        The losses of both halves, and whether both took their step.
    """
    discriminators = cast(nn.ModuleDict, method.discriminators)
    discriminators.requires_grad_(False)
    outputs = method(batch)
    generator_losses = method.generator_losses(batch, outputs)  # type: ignore[operator]
    taken = _descend(fabric, optimizers.generators, generator_losses)
    if not discriminators:
        return _step(generator_losses, taken)
    discriminators.requires_grad_(True)
    fakes = {name: pools[name].exchange(fake.detach()) for name, fake in method.fakes(outputs).items()}  # type: ignore[operator]
    discriminator_losses = method.discriminator_losses(batch, fakes)  # type: ignore[operator]
    taken = _descend(fabric, optimizers.discriminators, discriminator_losses) and taken
    return _step(generator_losses | discriminator_losses, taken)


def warm_start_step(
    fabric: Fabric, method: nn.Module, batch: Batch, optimizers: Optimizers, *, reverse: bool = False
) -> Step:
    """Improve the generators on the batch's pair alone; as `training_step` and `warm_start_losses`."""
    losses: Losses = method.warm_start_losses(batch, reverse=reverse)  # type: ignore[operator]
    return _step(losses, _descend(fabric, optimizers.generators, losses))


def _step(losses: Losses, taken: bool) -> Step:
    return Step({name: loss.detach() for name, loss in losses.items()}, taken)


def _descend(fabric: Fabric, optimizers: Sequence[Optimizer], losses: Mapping[str, Tensor]) -> bool:
    """A step of each optimiser along the gradients of the losses' sum, unless its own have exploded.

    Returns:
        Whether all took it.
    """
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    total = torch.stack(list(losses.values())).sum()
    fabric.backward(total)
    taken = True
    for optimizer in optimizers:
        sound = _is_sound(fabric, optimizer, total)
        if sound:
            optimizer.step()
        taken = taken and sound
    return taken


def _is_sound(fabric: Fabric, optimizer: Optimizer, loss: Tensor) -> bool:
    """Whether the gradients of what an optimiser steps are finite and not exploded."""
    # an image of one value, as of air alone, makes instance normalisation divide by next to nothing in every layer; a
    # scaler looks at gradients for itself, and lets the first ones explode until it has found its scale
    if getattr(fabric.strategy.precision, "scaler", None) is not None:
        return bool(loss.isfinite())
    gradients = [
        weight.grad for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None
    ]
    return bool(nn.utils.get_total_norm(gradients) < EXPLODED)
