"""The PatchGAN discriminator."""

from __future__ import annotations

import math

from monai.networks.nets import PatchDiscriminator
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from medcycle.networks.init import Convolution
from medcycle.networks.layers import GROUPS, Layers, Normalisation

__all__ = ["PatchGan"]


class PatchGan(nn.Module):
    """A convolutional discriminator that judges overlapping patches (Isola et al. 2017), by MONAI.

    Args:
        spatial_dims: 2 or 3.
        filters: channels of the first layer.
        layers: strided layers; with 3, each output value sees 70 pixels along an axis, with 0 one pixel.
        in_channels: channels of the input.
        norm: how layers are normalised.
        spectral: hold the largest singular value of every layer at 1 (Miyato et al. 2018, "Spectral normalization for
            generative adversarial networks").
        scales: how many discriminators there are, each next one of images half as large (Wang et al. 2018,
            "High-resolution image synthesis and semantic manipulation with conditional GANs").
    """

    def __init__(
        self,
        spatial_dims: int,
        filters: int = 64,
        layers: int = 3,
        in_channels: int = 1,
        *,
        norm: Normalisation = "instance",
        spectral: bool = False,
        scales: int = 1,
    ) -> None:
        super().__init__()
        self.shrink = functional.avg_pool2d if spatial_dims == 2 else functional.avg_pool3d
        self.nets = nn.ModuleList(
            _patches(spatial_dims, filters, layers, in_channels, norm)
            if layers
            else _pixels(Layers(spatial_dims, norm, activation=_leaky), filters, in_channels)
            for _ in range(scales)
        )
        if spectral:
            for module in self.nets.modules():
                if isinstance(module, Convolution):
                    spectral_norm(module)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Logits of every scale, each of shape (batch, 1, *smaller sizes): high for real patches."""
        logits = []
        for number, net in enumerate(self.nets):
            if number:
                x = self.shrink(x, 3, stride=2, padding=1, count_include_pad=False)
            made = net(x)
            logits.append(made if isinstance(made, Tensor) else made[-1])  # MONAI's gives every layer's output
        return logits


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def _patches(spatial_dims: int, filters: int, layers: int, in_channels: int, norm: Normalisation) -> nn.Module:
    names = {
        "instance": "INSTANCE",
        "group": ("GROUP", {"num_groups": math.gcd(GROUPS, filters)}),
        "layer": ("GROUP", {"num_groups": 1}),
        "none": None,
    }
    net: nn.Module = PatchDiscriminator(
        spatial_dims=spatial_dims,
        channels=filters,
        in_channels=in_channels,
        num_layers_d=layers,
        norm=names[norm],
        bias=norm == "none",
    )
    return net


def _pixels(layers: Layers, filters: int, in_channels: int) -> nn.Module:
    """The PixelGAN of Isola et al. 2017, appendix 6.1.2: convolutions that are one voxel wide."""
    return nn.Sequential(
        layers.plain(in_channels, filters, 1),
        layers.activation(),
        layers.convolution(filters, 2 * filters, 1),
        layers.plain(2 * filters, 1, 1),
    )
