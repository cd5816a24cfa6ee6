"""The running average of the generators' weights, which is what is kept of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """An exponential moving average of a module's parameters.

    Adversarial losses make weights oscillate about the solution; their average does not (Yazıcı et al. 2019, "The
    unusual effectiveness of averaging in GAN training"). The first updates forget faster, by min(decay, (1 + n) /
    (10 + n)), so that short runs don't keep the random start.

    Args:
        module: its present parameters are where the average starts.
        decay: what an update keeps of the average, 0 to below 1; with 0 the average is the module itself.
        updates: how many updates went before.
    """

    def __init__(self, module: nn.Module, decay: float, updates: int = 0) -> None:
        self._live = list(module.parameters())
        self._average = [parameter.detach().clone() for parameter in self._live]
        self._decay = decay
        self._updates = updates

    @torch.no_grad()
    def update(self) -> None:
        """Take in the module's present parameters."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for average, live in zip(self._average, self._live, strict=True):
            average.lerp_(live, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module has the averaged parameters within this block, and its own again after it."""
        own = [parameter.detach().clone() for parameter in self._live]
        self._set(self._average)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: list[torch.Tensor]) -> None:
        for parameter, value in zip(self._live, values, strict=True):
            parameter.copy_(value)
