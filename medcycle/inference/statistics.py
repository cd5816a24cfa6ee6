"""Normalisation by statistics that all windows of a volume share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.instancenorm import _InstanceNorm

__all__ = ["Statistics"]


class _Found(NamedTuple):
    """The mean and the variance of each channel, or of each group of channels, summed up with weights."""

    mean: Tensor
    variance: Tensor


class Statistics:
    """The means and variances that a network's layers normalise by.

    Instance and group normalisation take them from the image that they are given. Of a volume in windows, each window
    has others, so that a tissue is brighter in one than in the next. Here they are found first, as the means over
    windows, and then used for all: the network then does the same everywhere, up to the borders of windows.

    Args:
        network: with layers that normalise.
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = [
            module
            for module in network.modules()
            if (isinstance(module, _InstanceNorm) and not module.track_running_stats)
            or isinstance(module, nn.GroupNorm)
        ]
        self._found: list[_Found] = []
        self._weight = 0.0
        self._turn = 0

    @contextmanager
    def gathered(self, weight: float) -> Iterator[None]:
        """In the block, the network's one pass adds to the statistics with this weight."""
        self._turn = 0
        self._weight += weight
        with self._replaced(partial(self._gather, weight=weight)):
            yield

    @contextmanager
    def applied(self) -> Iterator[None]:
        """In the block, the network's one pass is normalised by what was gathered."""
        self._turn = 0
        with self._replaced(self._apply):
            yield

    @contextmanager
    def _replaced(self, normalise: Callable[..., Tensor]) -> Iterator[None]:
        for layer in self.layers:
            layer.forward = partial(normalise, layer)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for layer in self.layers:
                del layer.forward

    def _gather(self, layer: nn.Module, x: Tensor, *, weight: float) -> Tensor:
        groups = layer.num_groups if isinstance(layer, nn.GroupNorm) else x.shape[1]
        variance, mean = torch.var_mean(x.detach().float().reshape(len(x), groups, -1), -1, correction=0)
        found = _Found(weight * mean.mean(0), weight * variance.mean(0))
        if self._turn < len(self._found):  # a layer may be used twice: what counts is the order of the calls
            before = self._found[self._turn]
            self._found[self._turn] = _Found(before.mean + found.mean, before.variance + found.variance)
        else:
            self._found.append(found)
        self._turn += 1
        return cast(Tensor, type(layer).forward(layer, x))

    def _apply(self, layer: nn.InstanceNorm3d | nn.GroupNorm, x: Tensor) -> Tensor:
        found = self._found[self._turn]
        self._turn += 1
        each = x.shape[1] // len(found.mean)
        mean, variance = ((part / self._weight).repeat_interleave(each) for part in found)
        weight, bias = (part.float() if part is not None else None for part in (layer.weight, layer.bias))
        return functional.batch_norm(x, mean, variance, weight, bias, training=False, eps=layer.eps)
