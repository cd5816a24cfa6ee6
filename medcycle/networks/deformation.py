"""A network that brings one image onto another."""

from __future__ import annotations

import warnings
from typing import cast

import torch
from monai.networks.blocks import Warp
from torch import Tensor, nn

from medcycle.networks.layers import Layers
from medcycle.networks.unet import UnetGenerator

__all__ = ["DeformationNet"]


class DeformationNet(nn.Module):
    """Finds where each voxel of a fixed image lies in a moving one, by a U-Net of both.

    Args:
        layers: makes its layers.
        filters: channels of its first layer.
        levels: number of its resolutions.
        channels: of each image; all of them are moved alike.
        largest: voxels that one is moved by at most, along each axis.
    """

    def __init__(
        self, layers: Layers, filters: int = 16, levels: int = 5, channels: int = 1, largest: float = 8.0
    ) -> None:
        super().__init__()
        self.largest = largest
        self.net = UnetGenerator(layers, filters, levels, 1, 2 * channels, layers.spatial_dims)
        with warnings.catch_warnings(action="ignore"):  # that it is PyTorch's own sampling
            self.warp = Warp()

    def forward(self, moving: Tensor, displacement: Tensor) -> Tensor:
        """The moving image, brought onto the fixed one by linear interpolation; shape as given."""
        return cast(Tensor, self.warp(moving.float(), displacement.float()))

    def displacement(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Where voxels of the fixed image lie in the moving one, relative to their place.

        Args:
            moving: shape (batch, channels, *sizes).
            fixed: the same shape.

        Returns:
            Voxels, up to `largest`, shape (batch, dimensions, *sizes).
        """
        return self.largest * cast(Tensor, self.net(torch.cat([moving, fixed], dim=1)))
