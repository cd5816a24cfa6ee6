"""Normalisation of windows by statistics that are not theirs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

__all__ = ["Statistics"]


class _Moments(NamedTuple):
    """The means and the variances that images are normalised by in one layer, shape (images, channels or groups)."""

    mean: Tensor
    variance: Tensor


class Statistics:
    """The means and variances that a network's layers normalise by.

    Instance and group normalisation take them from the image that they are given. Of a volume in windows, each window
    has others, so that a tissue can be brighter in one than in the next. Here they are found for all windows first,
    are brought closer to those of the windows beside, and are then used instead of each window's own.

    Args:
        network: with layers that normalise.
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = [module for module in network.modules() if _normalises(module)]
        self._found: list[list[_Moments]] = []
        self._mixed: list[_Moments] = []
        self._turn = 0

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """In the block, the network's one pass adds the statistics of its images to those of the images before."""
        with self._replaced(self._gather):
            yield

    def mix(self, weights: Tensor) -> None:
        """Give each image the means of what all images have.

        Args:
            weights: shape (images, images), of each image those of all, their sum 1.
        """
        by_call = [_Moments(*(torch.cat(parts) for parts in zip(*calls, strict=True))) for calls in self._found]
        self._mixed = [_Moments(*(weights.to(part) @ part for part in moments)) for moments in by_call]

    @contextmanager
    def applied(self, images: slice) -> Iterator[None]:
        """In the block, the network's one pass, of some of the images, is normalised by what they were given."""
        with self._replaced(partial(self._apply, images=images)):
            yield

    @contextmanager
    def _replaced(self, normalise: Callable[..., Tensor]) -> Iterator[None]:
        self._turn = 0
        for layer in self.layers:
            layer.forward = partial(normalise, layer)
        try:
            with torch.compiler.set_stance("force_eager"):  # what is compiled has the layers as they were
                yield
        finally:
            for layer in self.layers:
                del layer.forward

    def _gather(self, layer: nn.Module, x: Tensor) -> Tensor:
        groups = layer.num_groups if isinstance(layer, nn.GroupNorm) else x.shape[1]
        variance, mean = torch.var_mean(x.float().reshape(len(x), groups, -1), -1, correction=0)
        if self._turn == len(self._found):  # a layer may be used twice: what counts is the order of the calls
            self._found.append([])
        self._found[self._turn].append(_Moments(mean, variance))
        self._turn += 1
        return cast(Tensor, type(layer).forward(layer, x))

    def _apply(self, layer: nn.InstanceNorm3d | nn.GroupNorm, x: Tensor, *, images: slice) -> Tensor:
        mean, variance = (part[images] for part in self._mixed[self._turn])
        self._turn += 1
        each = x.shape[1] // mean.shape[1]
        scale = (variance + layer.eps).rsqrt()
        shift = -mean * scale
        scale, shift = scale.repeat_interleave(each, 1), shift.repeat_interleave(each, 1)
        if layer.weight is not None:
            scale, shift = scale * layer.weight, shift * layer.weight + layer.bias
        ones = [1] * (x.ndim - 2)
        return torch.addcmul(shift.reshape(*shift.shape, *ones), x, scale.reshape(*scale.shape, *ones)).to(x.dtype)


def _normalises(module: nn.Module) -> bool:
    if isinstance(module, _InstanceNorm):
        return not module.track_running_stats
    return isinstance(module, nn.GroupNorm)
