"""Normalisation of windows by statistics that are not theirs alone."""

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
        if self._turn == len(self._found):  # a layer may be used twice: what counts is the order of the calls
            self._found.append([])
        if isinstance(layer, nn.GroupNorm):
            variance, mean = torch.var_mean(x.detach().float().reshape(len(x), layer.num_groups, -1), -1, correction=0)
            made = type(layer).forward(layer, x)
        else:
            made, mean, variance = _by_own(cast(_InstanceNorm, layer), x)
        self._found[self._turn].append(_Moments(mean, variance))
        self._turn += 1
        return made

    def _apply(self, layer: nn.InstanceNorm3d | nn.GroupNorm, x: Tensor, *, images: slice) -> Tensor:
        given = [part[images] for part in self._mixed[self._turn]]
        self._turn += 1
        each = x.shape[1] // given[0].shape[1]
        mean, variance = (part.repeat_interleave(each, 1).flatten() for part in given)
        apart = x.reshape(1, -1, *x.shape[2:])  # as if all images' channels were those of one
        return functional.batch_norm(apart, mean, variance, *_repeated(layer, len(x)), eps=layer.eps).reshape(x.shape)


def _by_own(layer: _InstanceNorm, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What instance normalisation makes of images, and by which means and variances, in one go."""
    apart = x.reshape(1, -1, *x.shape[2:])
    made, mean, inverse = torch.native_batch_norm(
        apart, *_repeated(layer, len(x)), None, None, training=True, momentum=0.0, eps=layer.eps
    )
    variance = (inverse.square().reciprocal() - layer.eps).clamp_min(0)
    return made.reshape(x.shape), mean.reshape(x.shape[:2]), variance.reshape(x.shape[:2])


def _repeated(layer: _InstanceNorm | nn.GroupNorm, images: int) -> tuple[Tensor | None, Tensor | None]:
    """A layer's scale and offset of every channel of so many images, if it has any."""
    if layer.weight is None:
        return None, None
    return layer.weight.repeat(images), layer.bias.repeat(images)


def _normalises(module: nn.Module) -> bool:
    if isinstance(module, _InstanceNorm):
        return not module.track_running_stats
    return isinstance(module, nn.GroupNorm)
