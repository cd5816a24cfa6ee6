"""A direction of a trained method as one network, and the sizes that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim

from medcycle.body import Modality
from medcycle.config import Config
from medcycle.methods.base import Method
from medcycle.methods.checkpoint import SavedMethod
from medcycle.methods.munit import Munit
from medcycle.networks.monai_networks import MonaiGenerator
from medcycle.networks.unet import UnetGenerator
from medcycle.patch_geometry import DOWNSAMPLING

__all__ = ["Sizes", "StyledTranslation", "Translation", "sizes_of", "translation_of"]

SMALLEST = 32
"""Sizes below this are never trained on (`data.patch_size`), and not all networks take them."""


class Translation(nn.Module):
    """Images of one modality to the other; in the middle of all styles, where the method has any.

    Args:
        method: the method, in evaluation mode.
        reverse: from target to source.
    """

    def __init__(self, method: Method, *, reverse: bool) -> None:
        super().__init__()
        self.method = method
        self.reverse = reverse
        # a buffer, since zeros made inside a graph would be bound to the device that it is traced on
        self.register_buffer("style", torch.zeros(1, method.styles) if isinstance(method, Munit) else None)

    def forward(self, image: Tensor) -> Tensor:
        """As of `Method.translate`."""
        if self.style is None:
            return self.method.translate(image, reverse=self.reverse)
        # by the shape, not by len(), which a graph could not keep open
        style = cast(Tensor, self.style).expand(image.shape[0], -1)
        return cast(Munit, self.method).translate(image, reverse=self.reverse, style=style)


class StyledTranslation(nn.Module):
    """The same of a method with styles, whose style is given; arguments as of `Translation`."""

    def __init__(self, method: Munit, *, reverse: bool) -> None:
        super().__init__()
        self.method = method
        self.reverse = reverse

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """As of `Munit.translate`."""
        return self.method.translate(image, reverse=self.reverse, style=style)


@dataclass(frozen=True)
class Sizes:
    """The shapes of images that an exported network takes, (batch, channels, *sizes).

    Args:
        channels: how many.
        dims: number of spatial axes.
        multiple: sizes are multiples of this.
        least: and not below this.
        fixed: the only sizes there are; None where they are free.
        styles: numbers in a style that is given beside the image; 0 for none.
    """

    channels: int
    dims: int
    multiple: int
    least: int
    fixed: tuple[int, ...] | None = None
    styles: int = 0

    def example(self, batch: int, beyond: int = 0) -> tuple[Tensor, ...]:
        """Random inputs, from torch's global generator.

        Args:
            batch: how many.
            beyond: by how many multiples the first axis is longer than the least; each one after it is one longer.
        """
        sizes = self.fixed or tuple(self.least + (beyond + axis) * self.multiple for axis in range(self.dims))
        image = torch.rand(batch, self.channels, *sizes) * 2 - 1
        return (image, torch.randn(batch, self.styles)) if self.styles else (image,)

    def dynamic(self) -> tuple[dict[int, Any], ...]:
        """The open axes of each input, as `torch.export.export` takes them."""
        batch = {0: Dim("batch", min=1)}
        least = self.least // self.multiple
        free = {} if self.fixed else {2 + axis: self.multiple * _named(axis, least) for axis in range(self.dims)}
        return (batch | free, batch) if self.styles else (batch | free,)


def _named(axis: int, least: int) -> Any:
    return Dim(f"size{axis}", min=least)


def sizes_of(saved: SavedMethod, to: Modality, *, style_input: bool) -> Sizes:
    """What a direction of a trained method takes."""
    config, method = saved.config, saved.method
    generator = method.generators["target" if to == "ct" else "source"]
    multiple = generator.multiple if isinstance(generator, UnetGenerator | MonaiGenerator) else DOWNSAMPLING
    least = -(-max(SMALLEST, 2 * multiple) // multiple) * multiple
    styles = method.styles if style_input and isinstance(method, Munit) else 0
    dims = config.network.spatial_dims
    return Sizes(config.data.slices, dims, multiple, least, _fixed(config, multiple, least), styles)


def _fixed(config: Config, multiple: int, least: int) -> tuple[int, ...] | None:
    """Some of MONAI's networks make their parts in Python, of the sizes at hand: they can't be traced for others."""
    if config.network.name != "monai":
        return None
    return tuple(max(least, -(-size // multiple) * multiple) for size in config.data.patch_size)


def translation_of(saved: SavedMethod, to: Modality, sizes: Sizes) -> nn.Module:
    """The network of a direction, on the CPU, in evaluation mode."""
    kind: Any = StyledTranslation if sizes.styles else Translation
    return cast(nn.Module, kind(saved.method, reverse=to == "mr").cpu().eval())
