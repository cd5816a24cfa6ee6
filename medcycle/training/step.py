"""One optimisation step: the generators, then the discriminators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from medcycle.batch import Batch
from medcycle.methods.base import Fakes, Losses, Method
from medcycle.training.optimizers import Optimizers
from medcycle.training.pool import ImagePool
from medcycle.training.runtime import Averager

__all__ = ["Stepper"]

EXPLODED = 1e12
"""Norm of a gradient that no step is taken along."""


class Step(NamedTuple):
    """What became of a step.

    Args:
        losses: detached, by name; means over the batches that have them.
        taken: False if a gradient had exploded, and the weights it is of stayed as they were.
    """

    losses: Losses
    taken: bool


@dataclass(frozen=True)
class Stepper:
    """Improves a method, step by step.

    The gradients of several batches are averaged, so that a step on them is one on the larger batch that they make up
    together, in the memory of one.

    Args:
        fabric: runs the backward passes in the chosen precision.
        method: on Fabric's device. It stays as it is: processes average gradients and not modules' outputs, so that a
            method may call its networks as often as it likes and leave out whichever.
        optimizers: step the two halves.
        pools: for each discriminator, the earlier outputs it is trained on.
    """

    fabric: Fabric
    method: Method
    optimizers: Optimizers
    pools: Mapping[str, ImagePool]
    average: Averager = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "average", Averager(self.fabric))

    def __call__(self, batches: Sequence[Batch]) -> Step:
        """Improve the generators against frozen discriminators, then the discriminators on detached outputs.

        Args:
            batches: real images.

        Returns:
            The losses of both halves, and whether both took their step.
        """
        discriminators, optimizer = self.method.discriminators, self.optimizers.discriminators
        discriminators.requires_grad_(False)
        fakes: list[Fakes] = []
        step = self._descend(self.optimizers.generators, self._of_generators(batches, fakes), len(batches))
        if optimizer is None:
            return step
        discriminators.requires_grad_(True)
        judged = self._descend(optimizer, self._of_discriminators(batches, fakes), len(batches))
        return Step(step.losses | judged.losses, step.taken and judged.taken)

    def warm_start(self, batches: Sequence[Batch], *, reverse: bool = False) -> Step:
        """Improve the generators on the batches' pairs alone; see `Method.warm_start_losses`."""
        return self._descend(self.optimizers.generators, self._of_pairs(batches, reverse=reverse), len(batches))

    def _of_generators(self, batches: Sequence[Batch], fakes: list[Fakes]) -> Iterator[Losses]:
        """The losses of each batch; what discriminators are to judge is put into `fakes`."""
        for batch in batches:
            with self.fabric.autocast():
                outputs = {name: output.float() for name, output in self.method(batch).items()}
                fakes.append({name: fake.detach() for name, fake in self.method.fakes(outputs).items()})
                losses = self.method.generator_losses(batch, outputs)
            yield losses

    def _of_discriminators(self, batches: Sequence[Batch], fakes: Sequence[Fakes]) -> Iterator[Losses]:
        for batch, new in zip(batches, fakes, strict=True):
            judged = {name: self.pools[name].exchange(fake) for name, fake in new.items()}
            with self.fabric.autocast():
                losses = self.method.discriminator_losses(batch, judged)
            yield losses

    def _of_pairs(self, batches: Sequence[Batch], *, reverse: bool) -> Iterator[Losses]:
        for batch in batches:
            with self.fabric.autocast():
                losses = self.method.warm_start_losses(batch, reverse=reverse)
            yield losses

    def _descend(self, optimizer: Optimizer, parts: Iterator[Losses], count: int) -> Step:
        """A step along the mean gradients of the parts' sums, unless these have exploded."""
        optimizer.zero_grad(set_to_none=True)
        found: list[Losses] = []
        for losses in parts:
            self.fabric.backward(torch.stack(list(losses.values())).sum() / count)
            found.append({name: loss.detach() for name, loss in losses.items()})
        means = self._means(found)
        gradients = _gradients(optimizer)
        self.average(list(gradients.values()))
        taken = self._is_sound(gradients, means)
        if taken:
            optimizer.step()
        return Step(means, taken)

    def _is_sound(self, gradients: Mapping[nn.Parameter, Tensor], losses: Losses) -> bool:
        """Whether the gradients of what an optimiser steps are finite and not exploded."""
        scaled = getattr(self.fabric.strategy.precision, "scaler", None) is not None
        norm = nn.utils.get_total_norm(gradients.values())
        # a scaler looks at gradients for itself, and lets the first ones explode until it has found its scale; what
        # explodes without one is an image of one value, as of air alone, that instance normalisation divides by next
        # to nothing in every layer
        return bool(torch.stack(list(losses.values())).isfinite().all() if scaled else norm < EXPLODED)

    def _means(self, found: Sequence[Losses]) -> Losses:
        """Of each loss over those batches that have it, and over processes, whose batches have the same."""
        names = dict.fromkeys(name for losses in found for name in losses)
        means = {name: torch.stack([losses[name] for losses in found if name in losses]).mean() for name in names}
        self.average(list(means.values()))
        return means


def _gradients(optimizer: Optimizer) -> dict[nn.Parameter, Tensor]:
    """Those of what it steps, where there are any."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    return {weight: weight.grad for weight in weights if weight.grad is not None}
