"""Networks that take an image apart into content and style, and put both together."""

from __future__ import annotations

import math
from typing import cast

from monai.networks.layers.factories import Norm, Pool
from torch import Tensor, nn

from medcycle.networks.init import Unnormalised
from medcycle.networks.layers import Layers
from medcycle.networks.resnet import ResidualBlock, Upsampling, enlargement, reduction

__all__ = ["StyledAutoencoder", "StyledBlock"]


class StyledBlock(nn.Module):
    """A residual block whose two layers are normalised to a mean and a spread that a style says.

    Adaptive instance normalisation (Huang and Belongie 2017, "Arbitrary style transfer in real-time with adaptive
    instance normalization", eq. 8).

    Args:
        layers: makes its layers.
        channels: of input and output.
    """

    def __init__(self, layers: Layers, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.first, self.second = (layers.plain(channels, channels) for _ in range(2))
        self.even = Norm[Norm.INSTANCE, layers.spatial_dims](channels)
        self.activation = layers.activation()

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """The block's output.

        Args:
            x: shape (batch, channels, *sizes).
            style: shape (batch, 4 × channels): of each layer what the spread is more than 1, and the mean.
        """
        parts = [part.reshape(*part.shape, *[1] * (x.ndim - 2)) for part in style.chunk(4, dim=1)]
        inner = self.activation(self.even(self.first(x)) * (1 + parts[0]) + parts[1])
        return x + cast(Tensor, self.even(self.second(inner)) * (1 + parts[2]) + parts[3])


class StyledAutoencoder(nn.Module):
    """A domain's encoders of content and of style, and the decoder of both (Huang et al. 2018, appendix B).

    Args:
        layers: makes the layers of the content's encoder and of the decoder's borders.
        filters: channels of the first layer.
        blocks: residual blocks of the content's encoder, and of the decoder; 4 in the paper.
        styles: numbers in a style; 8 in the paper.
        upsampling: as in `ResnetGenerator`.
        channels: of the images.
    """

    def __init__(
        self,
        layers: Layers,
        filters: int = 64,
        blocks: int = 4,
        styles: int = 8,
        upsampling: Upsampling = "resize",
        channels: int = 1,
    ) -> None:
        super().__init__()
        wide, bare = 4 * filters, Layers(layers.spatial_dims, "none")
        self.content = nn.Sequential(
            *reduction(layers, filters, channels), *(ResidualBlock(layers, wide) for _ in range(blocks))
        )
        # normalisation would take away the mean and the spread, which are the style
        self.style = Unnormalised(
            *reduction(bare, filters, channels),
            *(bare.convolution(wide, wide, strides=2) for _ in range(2)),
            Pool[Pool.ADAPTIVEAVG, layers.spatial_dims](1),
            bare.plain(wide, styles, 1),
            nn.Flatten(),
        )
        self.blocks = nn.ModuleList(StyledBlock(layers, wide) for _ in range(blocks))
        self.perceptron = nn.Sequential(
            nn.Linear(styles, wide), nn.ReLU(), nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, blocks * 4 * wide)
        )
        # normalising each channel would give every image the same style again
        whole = Layers(layers.spatial_dims, "layer")
        self.last = nn.Sequential(*enlargement(whole, filters, upsampling, channels))
        for module in self.perceptron:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 1 / math.sqrt(module.in_features))
                nn.init.zeros_(module.bias)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Content, at a quarter of the resolution, and style, shape (batch, styles), of images in [−1, 1]."""
        return cast(Tensor, self.content(x)), cast(Tensor, self.style(x))

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Images in [−1, 1] of contents and styles."""
        said = self.perceptron(style).chunk(len(self.blocks), dim=1)
        for block, part in zip(self.blocks, said, strict=True):
            content = block(content, part)
        return cast(Tensor, self.last(content))
