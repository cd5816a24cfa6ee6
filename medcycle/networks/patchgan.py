"""The PatchGAN discriminator."""

from __future__ import annotations

from typing import cast

from monai.networks.nets import PatchDiscriminator
from torch import Tensor, nn

__all__ = ["PatchGan"]


class PatchGan(nn.Module):
    """A convolutional discriminator that judges overlapping patches (Isola et al. 2017), by MONAI.

    Args:
        spatial_dims: 2 or 3.
        filters: channels of the first layer.
        layers: strided layers; with 3, each output value sees 70 pixels along an axis.
        in_channels: channels of the input.
    """

    def __init__(self, spatial_dims: int, filters: int = 64, layers: int = 3, in_channels: int = 1) -> None:
        super().__init__()
        self.net = PatchDiscriminator(
            spatial_dims=spatial_dims,
            channels=filters,
            in_channels=in_channels,
            num_layers_d=layers,
            norm="INSTANCE",
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Logits of its one scale, shape (batch, 1, *smaller sizes): high for real patches."""
        return [cast(Tensor, self.net(x)[-1])]
