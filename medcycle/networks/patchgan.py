"""The PatchGAN discriminator."""

from __future__ import annotations

from typing import cast

from monai.networks.nets import PatchDiscriminator
from torch import Tensor, nn

from medcycle.networks.layers import Layers

__all__ = ["PatchGan"]


class PatchGan(nn.Module):
    """A convolutional discriminator that judges overlapping patches (Isola et al. 2017), by MONAI.

    Args:
        spatial_dims: 2 or 3.
        filters: channels of the first layer.
        layers: strided layers; with 3, each output value sees 70 pixels along an axis, with 0 one pixel.
        in_channels: channels of the input.
    """

    def __init__(self, spatial_dims: int, filters: int = 64, layers: int = 3, in_channels: int = 1) -> None:
        super().__init__()
        net = (
            PatchDiscriminator(spatial_dims, filters, in_channels, num_layers_d=layers, norm="INSTANCE", bias=False)
            if layers
            else _pixels(Layers(spatial_dims, activation=_leaky), filters, in_channels)
        )
        self.nets = nn.ModuleList([net])  # a list, as checkpoints have it

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (batch, 1, *smaller sizes): high for real patches."""
        made = self.nets[0](x)
        return cast(Tensor, made if isinstance(made, Tensor) else made[-1])  # MONAI's gives every layer's output


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def _pixels(layers: Layers, filters: int, in_channels: int) -> nn.Module:
    """The PixelGAN of Isola et al. 2017, appendix 6.1.2: convolutions that are one voxel wide."""
    return nn.Sequential(
        layers.plain(in_channels, filters, 1),
        layers.activation(),
        layers.convolution(filters, 2 * filters, 1),
        layers.plain(2 * filters, 1, 1),
    )
