"""A U-Net generator."""

from __future__ import annotations

from itertools import pairwise

import torch
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn
from torch.nn import functional

from medcycle.networks.layers import Layers, cut_to, kept_or_computed_again, to_multiple

__all__ = ["UnetGenerator"]

LARGEST = 256
"""Channels that no level has more of."""


class UnetGenerator(nn.Module):
    """An encoder and a decoder of several resolutions with links between them (Ronneberger et al. 2015).

    Two 3-wide convolutions a level, strided ones down, nearest neighbour and convolution up. Links carry edges past the
    bottleneck, and the lowest level sees the whole image. With `shuffle`, blocks of pixels become channels at the door
    and channels pixels at the exit (Shi et al. 2016, "Real-time single image and video super-resolution"), so that no
    convolution runs at full resolution: about three times faster in 2D at 2.

    Args:
        layers: makes its layers.
        filters: channels of the first level; they double from level to level, up to `LARGEST`.
        levels: number of resolutions.
        shuffle: side of the blocks of pixels; 1 for none.
        block_means: make each pixel the mean of the block that ends with it: pixels that other channels made can't form
            a chequer then, as they do where a discriminator teaches them (Sugawara, Shiota and Kiya 2018,
            "Super-resolution using convolutional neural networks without any checkerboard artifacts"). Where the target
            is known there is none, and edges get a little softer.
        in_channels: channels of the input.
        out_channels: channels of the output.
        checkpointing: compute every level again for the gradient, which saves memory.
    """

    def __init__(
        self,
        layers: Layers,
        filters: int = 32,
        levels: int = 5,
        shuffle: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        *,
        block_means: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.block_means = block_means
        self.checkpointing = checkpointing
        self.spatial_dims = layers.spatial_dims
        self.shuffle = shuffle
        self.multiple = shuffle * 2 ** (levels - 1)
        block = shuffle**self.spatial_dims
        self.ends = in_channels
        self.widths = widths = [min(filters * 2**level, LARGEST) for level in range(levels)]
        self.entry = layers.convolution(block * in_channels, widths[0])
        self.first = _two(layers, widths[0], widths[0])
        self.down = nn.ModuleList(_two(layers, wide, deep, strides=2) for wide, deep in pairwise(widths))
        self.up = nn.ModuleList(_two(layers, wide + deep, wide) for wide, deep in pairwise(widths))
        self.exit = layers.plain(widths[0], block * out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Args:
            x: shape (batch, in_channels, *sizes), values in [−1, 1].

        Returns:
            Shape (batch, out_channels, *sizes), values in [−1, 1].
        """
        sizes, links = x.shape[2:], self._encoded(x)
        x = links.pop()
        for up, link in zip(reversed(self.up), reversed(links), strict=True):
            x = self._level(up, torch.cat([link, functional.interpolate(x, scale_factor=2, mode="nearest")], dim=1))
        x = self.exit(x)
        x = pixelshuffle(x, self.spatial_dims, self.shuffle) if self.shuffle > 1 else x
        x = self._means(x) if self.block_means else x
        return torch.tanh(cut_to(x, sizes))

    @property
    def feature_channels(self) -> list[int]:
        """Channels of each level of `features`."""
        return [self.ends, *self.widths]

    def features(self, x: Tensor) -> list[Tensor]:
        """What the encoder sees of images: themselves, and every resolution."""
        return [x, *self._encoded(x)]

    def _encoded(self, x: Tensor) -> list[Tensor]:
        x = to_multiple(x, self.multiple, least=2)  # two voxels at the lowest level, which borders are mirrored in
        x = pixelunshuffle(x, self.spatial_dims, self.shuffle) if self.shuffle > 1 else x
        links = [self._level(self.first, self.entry(x))]
        for down in self.down:
            links.append(self._level(down, links[-1]))
        return links

    def _means(self, x: Tensor) -> Tensor:
        for axis in range(2, x.ndim):  # the first blocks once more, so that border pixels have means of whole ones
            x = torch.cat([x.narrow(axis, 1, self.shuffle - 1), x], dim=axis)
        mean = functional.avg_pool2d if self.spatial_dims == 2 else functional.avg_pool3d
        return mean(x, self.shuffle, stride=1)

    def _level(self, level: nn.Module, x: Tensor) -> Tensor:
        return kept_or_computed_again(level, x, again=self.checkpointing)


def _two(layers: Layers, in_channels: int, out_channels: int, strides: int = 1) -> nn.Sequential:
    return nn.Sequential(
        layers.convolution(in_channels, out_channels, strides=strides),
        layers.convolution(out_channels, out_channels),
    )
