"""Layers that generators are made of."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from monai.networks.layers.factories import Norm
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

__all__ = ["Layers", "Normalisation", "Padding", "cut_to", "kept_or_computed_again", "to_multiple"]

Normalisation = Literal["instance", "group", "layer", "none"]
Padding = Literal["reflect", "replicate", "zeros"]

GROUPS = 32
"""of channels in group normalisation, as in its paper (Wu and He 2018), or as many as divide the channels."""

WIDE, FEW = 5, 4
"""Taps from which on a kernel is wide, and channels up to which it has few."""


class _Convolution(nn.modules.conv._ConvNd):
    """A convolution as PyTorch's, with the same parameters and results, but faster on a processor.

    Borders are mirrored in the precision of the convolution: autocast would take float32, and back. Wide kernels of
    next to no channels leave a processor's matrix units idle; there, the taps along the last axis become channels.
    `torch.export` gets PyTorch's own convolution: what it writes is to run on any device.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if torch.compiler.is_exporting():
            return super()._conv_forward(x, weight, bias)
        kind = x.device.type
        thin = kind == "cpu" and self.kernel_size[-1] >= WIDE and not any(step > 1 for step in self.stride)
        if self.padding_mode == "zeros" and not thin:
            return super()._conv_forward(x, weight, bias)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        x = _padded(x, self._reversed_padding_repeated_twice, mode)
        convolve = functional.conv2d if len(self.kernel_size) == 2 else functional.conv3d
        if thin and self.in_channels <= FEW:
            return convolve(_shifted(x, self.kernel_size[-1]), _taps_in(weight), bias)
        if thin and self.out_channels <= FEW:
            return _sum_of_shifted(convolve(x, _taps_out(weight)), self.out_channels, bias)
        return convolve(x, weight, bias, self.stride)


class _Conv2d(_Convolution, nn.Conv2d):
    pass


class _Conv3d(_Convolution, nn.Conv3d):
    pass


def _padded(x: Tensor, ends: Sequence[int], mode: str) -> Tensor:
    kind = x.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return functional.pad(x, ends, mode=mode)
    with torch.autocast(kind, enabled=False):
        return functional.pad(x.to(torch.get_autocast_dtype(kind)), ends, mode=mode)


def _shifted(x: Tensor, taps: int) -> Tensor:
    """Every shift along the last axis as channels, shape (batch, taps × channels, ...); the axis ends where all do."""
    size = x.shape[-1] - taps + 1
    return torch.cat([x.narrow(-1, tap, size) for tap in range(taps)], dim=1)


def _taps_in(weight: Tensor) -> Tensor:
    """A kernel whose taps along the last axis are channels of its input."""
    return weight.movedim(-1, 1).flatten(1, 2)[..., None]


def _taps_out(weight: Tensor) -> Tensor:
    """A kernel whose taps along the last axis are channels of its output."""
    return weight.movedim(-1, 0).flatten(0, 1)[..., None]


def _sum_of_shifted(x: Tensor, channels: int, bias: Tensor | None) -> Tensor:
    """What the taps of `_taps_out` make, each at its place, added up in float32 at least."""
    taps, kind = x.shape[1] // channels, torch.promote_types(x.dtype, torch.float32)
    size = x.shape[-1] - taps + 1
    parts = [x.narrow(1, tap * channels, channels).narrow(-1, tap, size).to(kind) for tap in range(taps)]
    total = functools.reduce(torch.add, parts)
    if bias is not None:
        total = total + bias.to(kind).view(-1, *[1] * (x.ndim - 2))
    return total.to(x.dtype)


@dataclass(frozen=True)
class Layers:
    """Makes the layers of one network.

    Args:
        spatial_dims: 2 or 3.
        norm: how a layer's output is normalised: each image and channel, each image and group of channels, each image,
            or not at all.
        affine: whether instance normalisation learns a scale and an offset; the others always do.
        padding: what lies beyond the borders.
        activation: makes the activation after it.
    """

    spatial_dims: int
    norm: Normalisation = "instance"
    affine: bool = False
    padding: Padding = "reflect"
    activation: Callable[[], nn.Module] = field(default=nn.ReLU)

    def plain(self, in_channels: int, out_channels: int, kernel_size: int = 3, strides: int = 1) -> nn.Module:
        """A convolution that keeps sizes, or divides them by the stride."""
        # MONAI's Convolution block pads with zeros only, from which generators learn a dark frame
        kind = _Conv2d if self.spatial_dims == 2 else _Conv3d
        return kind(in_channels, out_channels, kernel_size, strides, kernel_size // 2, padding_mode=self.padding)

    def convolution(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, strides: int = 1, *, activate: bool = True
    ) -> nn.Sequential:
        """A convolution, normalised and activated."""
        return nn.Sequential(
            self.plain(in_channels, out_channels, kernel_size, strides),
            *self.normalisation(out_channels),
            *([self.activation()] if activate else []),
        )

    def normalisation(self, channels: int) -> list[nn.Module]:
        """The layer, or none."""
        if self.norm == "none":
            return []
        if self.norm in {"group", "layer"}:
            groups = math.gcd(GROUPS, channels) if self.norm == "group" else 1
            return [Norm[Norm.GROUP, self.spatial_dims](groups, channels)]
        return [Norm[Norm.INSTANCE, self.spatial_dims](channels, affine=self.affine)]


def to_multiple(x: Tensor, multiple: int, least: int = 1) -> Tensor:
    """Images whose sizes are multiples of a number, the border's values repeated beyond their ends.

    Args:
        x: shape (batch, channels, *sizes).
        multiple: the number.
        least: how many times it at least.
    """
    sizes = x.shape[2:]
    # in this order of the two, `torch.export` needs no guard to know which one is taken
    wanted = [max(-(-size // multiple), least) * multiple for size in sizes]
    beyond = [part for size, more in zip(sizes[::-1], wanted[::-1], strict=True) for part in (0, more - size)]
    return functional.pad(x, beyond, mode="replicate") if any(beyond) else x


def cut_to(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The first part of images, of these sizes."""
    for axis, size in enumerate(sizes, start=2):
        x = x.narrow(axis, 0, size)
    return x


def kept_or_computed_again(part: nn.Module, x: Tensor, *, again: bool) -> Tensor:
    """A part's output, whose inner values are kept for the gradient, or with `again` computed again when it is due.

    That takes a third more time, and only the memory of one part at a time (Chen et al. 2016, "Training deep nets with
    sublinear memory cost").
    """
    if again and torch.is_grad_enabled():
        return cast(Tensor, cast(Any, checkpoint)(part, x, use_reentrant=False))
    return cast(Tensor, part(x))
