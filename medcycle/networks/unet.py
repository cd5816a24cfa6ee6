"""A U-Net generator."""

from __future__ import annotations

from itertools import pairwise

import torch
from monai.networks.layers.factories import Conv, Norm
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UnetGenerator"]

LARGEST = 256
"""Channels that no level has more of."""


class UnetGenerator(nn.Module):
    """An encoder and a decoder of several resolutions with links between them (Ronneberger et al. 2015).

    Two 3-wide convolutions a level with instance normalisation and leaky ReLU, strided convolutions down, nearest
    neighbour and convolution up, borders mirrored. Links carry edges past the bottleneck, and the lowest level sees
    the whole image. With `shuffle`, blocks of pixels become channels at the door and channels pixels at the exit (Shi
    et al. 2016, "Real-time single image and video super-resolution"), so that no convolution runs at full resolution:
    about three times faster in 2D at 2.

    Args:
        spatial_dims: 2 or 3.
        filters: channels of the first level; they double from level to level, up to `LARGEST`.
        levels: number of resolutions.
        shuffle: side of the blocks of pixels; 1 for none.
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(
        self,
        spatial_dims: int,
        filters: int = 32,
        levels: int = 5,
        shuffle: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.shuffle = shuffle
        self.multiple = shuffle * 2 ** (levels - 1)
        block = shuffle**spatial_dims
        widths = [min(filters * 2**level, LARGEST) for level in range(levels)]
        self.entry = _convolution(spatial_dims, block * in_channels, widths[0])
        self.first = _two(spatial_dims, widths[0], widths[0])
        self.down = nn.ModuleList(_two(spatial_dims, wide, deep, strides=2) for wide, deep in pairwise(widths))
        self.up = nn.ModuleList(_two(spatial_dims, wide + deep, wide) for wide, deep in pairwise(widths))
        self.exit = Conv[Conv.CONV, spatial_dims](widths[0], block * out_channels, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Args:
            x: shape (batch, in_channels, *sizes), values in [−1, 1].

        Returns:
            Shape (batch, out_channels, *sizes), values in [−1, 1].
        """
        sizes = x.shape[2:]
        # to a multiple, and two voxels at the lowest level, which borders are mirrored in
        wanted = [max(2, -(-size // self.multiple)) * self.multiple for size in sizes]
        beyond = [part for size, more in zip(sizes[::-1], wanted[::-1], strict=True) for part in (0, more - size)]
        x = functional.pad(x, beyond, mode="replicate") if any(beyond) else x
        x = pixelunshuffle(x, self.spatial_dims, self.shuffle) if self.shuffle > 1 else x
        links = [self.first(self.entry(x))]
        for down in self.down:
            links.append(down(links[-1]))
        x = links.pop()
        for up, link in zip(reversed(self.up), reversed(links), strict=True):
            x = up(torch.cat([link, functional.interpolate(x, scale_factor=2, mode="nearest")], dim=1))
        x = self.exit(x)
        x = pixelshuffle(x, self.spatial_dims, self.shuffle) if self.shuffle > 1 else x
        for axis, size in enumerate(sizes, start=2):
            x = x.narrow(axis, 0, size)
        return torch.tanh(x)


def _two(spatial_dims: int, in_channels: int, out_channels: int, strides: int = 1) -> nn.Sequential:
    return nn.Sequential(
        _convolution(spatial_dims, in_channels, out_channels, strides),
        _convolution(spatial_dims, out_channels, out_channels),
    )


def _convolution(spatial_dims: int, in_channels: int, out_channels: int, strides: int = 1) -> nn.Sequential:
    # MONAI's Convolution block pads with zeros only, from which generators learn a dark frame
    return nn.Sequential(
        Conv[Conv.CONV, spatial_dims](in_channels, out_channels, 3, strides, padding=1, padding_mode="reflect"),
        Norm[Norm.INSTANCE, spatial_dims](out_channels, affine=True),
        nn.LeakyReLU(0.1),
    )
