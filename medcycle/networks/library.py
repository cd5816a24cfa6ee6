"""Generators of MONAI."""

from __future__ import annotations

from typing import Literal, cast

import torch
from monai.networks.nets import AttentionUnet, DynUNet, SwinUNETR
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from medcycle.networks.layers import Layers, cut_to, to_multiple

__all__ = ["LibraryGenerator", "LibraryName"]

LibraryName = Literal["attention-unet", "dynunet", "swin-unetr"]

MOST_CHANNELS = {2: 512, 3: 320}
"""of a level of `dynunet`, as in nnU-Net, in 2D and 3D."""

SWIN_MULTIPLE = 32
"""Sizes that a SwinUNETR takes are multiples of this."""


class LibraryGenerator(nn.Module):
    """A network of MONAI that keeps sizes, its output brought to [−1, 1].

    - `attention-unet`: a U-Net whose links pass attention gates (Oktay et al. 2018, "Attention U-Net").
    - `dynunet`: the U-Net of nnU-Net (Isensee et al. 2021).
    - `swin-unetr`: an encoder of shifted-window attention and a convolutional decoder (Hatamizadeh et al. 2022).

    They pad with zeros. All but the last are normalised as `layers` says, the last in its encoder by layer.

    Args:
        name: which one.
        layers: the number of dimensions and the normalisation.
        filters: channels of the first level, which double from level to level; of `swin-unetr` a multiple of 12.
        levels: number of resolutions; 5 in `swin-unetr`, whatever is given.
        in_channels: channels of the input.
        out_channels: channels of the output.
        checkpointing: compute the encoder of `swin-unetr` again for the gradient, which saves memory.
    """

    def __init__(
        self,
        name: LibraryName,
        layers: Layers,
        filters: int = 32,
        levels: int = 5,
        in_channels: int = 1,
        out_channels: int = 1,
        *,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        dims, strides = layers.spatial_dims, [2] * (levels - 1)
        self.multiple = 2 ** (levels - 1)
        if name == "attention-unet":
            widths = [filters * 2**level for level in range(levels)]
            net: nn.Module = AttentionUnet(dims, in_channels, out_channels, widths, strides)
        elif name == "dynunet":
            net = DynUNet(
                dims,
                in_channels,
                out_channels,
                [3] * levels,
                [1, *strides],
                strides,
                filters=[min(filters * 2**level, MOST_CHANNELS[dims]) for level in range(levels)],
            )
        else:
            self.multiple = SWIN_MULTIPLE
            net = SwinUNETR(
                in_channels, out_channels, feature_size=filters, spatial_dims=dims, use_checkpoint=checkpointing
            )
        _renormalise(net, layers)
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Args:
            x: shape (batch, in_channels, *sizes), values in [−1, 1].

        Returns:
            Shape (batch, out_channels, *sizes), values in [−1, 1].
        """
        made = cast(Tensor, self.net(to_multiple(x, self.multiple, least=2)))
        return torch.tanh(cut_to(made, x.shape[2:]))


def _renormalise(module: nn.Module, layers: Layers) -> None:
    """Put the layers' normalisation in place of what normalises whole batches or images."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm | _InstanceNorm):
            setattr(module, name, nn.Sequential(*layers.normalisation(child.num_features)))
        else:
            _renormalise(child, layers)
