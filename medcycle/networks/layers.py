"""Layers that generators are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from monai.networks.layers.factories import Norm
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from medcycle.tuning import convolution

__all__ = ["Layers", "cut_to", "kept_or_computed_again", "to_multiple"]


@dataclass(frozen=True)
class Layers:
    """Makes the layers of one network.

    Args:
        spatial_dims: 2 or 3.
        norm: how a layer's output is normalised: each image and channel, each image, or not at all.
        affine: whether instance normalisation learns a scale and an offset; that of an image always does.
        activation: makes the activation after it.
    """

    spatial_dims: int
    norm: Literal["instance", "layer", "none"] = "instance"
    affine: bool = False
    activation: Callable[[], nn.Module] = field(default=nn.ReLU)

    def plain(self, in_channels: int, out_channels: int, kernel_size: int = 3, strides: int = 1) -> nn.Module:
        """A convolution that keeps sizes, or divides them by the stride; borders are mirrored."""
        # MONAI's Convolution block pads with zeros only, from which generators learn a dark frame
        return convolution(self.spatial_dims)(
            in_channels, out_channels, kernel_size, strides, kernel_size // 2, padding_mode="reflect"
        )

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
        if self.norm == "layer":
            return [Norm[Norm.GROUP, self.spatial_dims](1, channels)]
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
