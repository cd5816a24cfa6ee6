"""Normalisation of windows by statistics that are not theirs alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.instancenorm import _InstanceNorm

__all__ = ["Statistics"]

_Normalising = _InstanceNorm | nn.GroupNorm


class _Moments(NamedTuple):
    """The means and the variances that images are normalised by in one layer, shape (images, channels or groups)."""

    mean: Tensor
    variance: Tensor


class Statistics:
    """The means and variances that a network's layers normalise by.

    Instance and group normalisation take them from the image that they are given. Of a volume in windows, each window
    has others, so that a tissue can be brighter in one than in the next. Here each window is normalised by its own and
    those of the windows before it, layer by layer in one pass.

    Args:
        network: with layers that normalise.
        weights: how much each image and those before it count in its statistics, shape (images, images), rows of sum 1.
    """

    def __init__(self, network: nn.Module, weights: Tensor) -> None:
        self.layers = [module for module in network.modules() if _normalises(module)]
        self.weights = weights
        self._known: list[_Moments] = []
        self._turn = 0

    @contextmanager
    def mixed(self, images: slice) -> Iterator[None]:
        """In the block, the network's one pass is of these images, which follow on those of the passes before."""
        self._turn = 0
        for layer in self.layers:
            layer.forward = partial(self._normalise, cast(_Normalising, layer), images=images)
        try:
            with torch.compiler.set_stance("force_eager"):  # what is compiled has the layers as they were
                yield
        finally:
            for layer in self.layers:
                del layer.forward

    def _normalise(self, layer: _Normalising, x: Tensor, *, images: slice) -> Tensor:
        own = _moments(layer, x)
        if self._turn == len(self._known):  # a layer may be used twice: what counts is the order of the calls
            self._known.append(own)
        elif images.start:
            self._known[self._turn] = _Moments(*map(torch.cat, zip(self._known[self._turn], own, strict=True)))
        known = self._known[self._turn]
        self._turn += 1
        weights = self.weights[images, : len(known.mean)].to(known.mean)
        each = x.shape[1] // own.mean.shape[1]
        with torch.autocast(x.device.type, enabled=False):  # it would round them
            mean, variance = ((weights @ part)[:, :, None].expand(-1, -1, each).flatten() for part in known)
        apart = x.reshape(1, -1, *x.shape[2:])  # as if all images' channels were those of one
        return functional.batch_norm(apart, mean, variance, *_repeated(layer, len(x)), eps=layer.eps).reshape(x.shape)


def _moments(layer: _Normalising, x: Tensor) -> _Moments:
    """The images' own."""
    x = x.detach()
    groups = layer.num_groups if isinstance(layer, nn.GroupNorm) else x.shape[1]
    if x.device.type != "cpu" or groups < x.shape[1]:
        variance, mean = torch.var_mean(x.float().reshape(len(x), groups, -1), -1, correction=0)
        return _Moments(mean, variance)
    # several times faster on a processor, but not to be had on every device; running statistics of single precision, to
    # which nothing is added, keep those of half precision in it
    running = torch.zeros(len(x) * groups, dtype=torch.promote_types(x.dtype, torch.float32))
    mean, variance = torch.batch_norm_update_stats(x.reshape(1, -1, *x.shape[2:]), running, running, 0.0)
    return _Moments(mean.reshape(len(x), groups), variance.reshape(len(x), groups))


def _repeated(layer: _Normalising, images: int) -> tuple[Tensor | None, Tensor | None]:
    """A layer's scale and offset of every channel of so many images, if it has any."""
    if layer.weight is None:
        return None, None
    weight, bias = (part.expand(images, -1).flatten() for part in (layer.weight, layer.bias))  # of one, no copies
    return weight, bias


def _normalises(module: nn.Module) -> bool:
    if isinstance(module, _InstanceNorm):
        return not module.track_running_stats
    return isinstance(module, nn.GroupNorm)
