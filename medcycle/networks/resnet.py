"""The residual generator of CycleGAN."""

from __future__ import annotations

from typing import Literal, cast

from monai.networks.blocks import Convolution, UpSample
from torch import Tensor, nn

from medcycle.networks.layers import Layers, kept_or_computed_again

__all__ = ["ResidualBlock", "ResnetGenerator", "Upsampling", "enlargement", "reduction"]

Upsampling = Literal["transposed", "resize"]

LEVELS = (1, 2, 3, 7)
"""Layers whose output is a level of features."""


class ResidualBlock(nn.Module):
    """Two 3-wide convolutions, added to their input."""

    def __init__(self, layers: Layers, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            layers.convolution(channels, channels),
            layers.convolution(channels, channels, activate=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape in, shape out: (batch, channels, *sizes)."""
        return x + cast(Tensor, self.layers(x))


class ResnetGenerator(nn.Module):
    """The generator of Johnson et al. 2016 as used by CycleGAN (Zhu et al. 2017, appendix 7.2).

    A 7-wide convolution, two strided ones, residual blocks at a quarter of the resolution, two upsamplings, a 7-wide
    convolution and tanh. Borders are mirrored by default, so that no dark frame is learned.

    Args:
        layers: makes its layers.
        filters: channels of the first layer.
        blocks: number of residual blocks.
        upsampling: "transposed" convolution, or "resize" (nearest neighbour, then convolution: no
            checkerboards; Odena et al. 2016).
        in_channels: channels of the input.
        out_channels: channels of the output.
        checkpointing: compute the residual blocks again for the gradient, which saves memory.
    """

    def __init__(
        self,
        layers: Layers,
        filters: int = 64,
        blocks: int = 9,
        upsampling: Upsampling = "resize",
        in_channels: int = 1,
        out_channels: int = 1,
        *,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.ends, self.filters, self.blocks = in_channels, filters, blocks
        self.layers = nn.Sequential(
            *reduction(layers, filters, in_channels),
            *(ResidualBlock(layers, 4 * filters) for _ in range(blocks)),
            *enlargement(layers, filters, upsampling, out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Args:
            x: shape (batch, in_channels, *sizes), values in [−1, 1], sizes multiples of 4.

        Returns:
            Shape (batch, out_channels, *sizes), values in [−1, 1].
        """
        for part in self.layers:
            x = self._through(part, x)
        return x

    @property
    def feature_channels(self) -> list[int]:
        """Channels of each level of `features`."""
        return [self.ends, self.filters * 2, *[self.filters * 4] * (len(self._levels) - 1)]

    def features(self, x: Tensor) -> list[Tensor]:
        """What the encoder sees of images: themselves, both reductions, the first and the fifth residual block.

        Five levels as in Park et al. 2020, appendix C.1; the last block where there are fewer than five.
        """
        levels = [x]
        for number, part in enumerate(self.layers):
            if number > max(self._levels):
                break
            x = self._through(part, x)
            if number in self._levels:
                levels.append(x)
        return levels

    @property
    def _levels(self) -> set[int]:
        """The layers whose output is a level."""
        return {min(number, self.blocks + 2) for number in LEVELS}

    def _through(self, part: nn.Module, x: Tensor) -> Tensor:
        return kept_or_computed_again(part, x, again=self.checkpointing and isinstance(part, ResidualBlock))


def reduction(layers: Layers, filters: int, in_channels: int) -> list[nn.Module]:
    """A 7-wide convolution and two strided ones: images to 4 × `filters` channels at a quarter of the resolution."""
    return [
        layers.convolution(in_channels, filters, 7),
        layers.convolution(filters, 2 * filters, strides=2),
        layers.convolution(2 * filters, 4 * filters, strides=2),
    ]


def enlargement(layers: Layers, filters: int, upsampling: Upsampling, out_channels: int) -> list[nn.Module]:
    """Two upsamplings, a 7-wide convolution and tanh: the reverse of `reduction`."""
    return [
        _upsampling(layers, 4 * filters, 2 * filters, upsampling),
        _upsampling(layers, 2 * filters, filters, upsampling),
        nn.Sequential(layers.plain(filters, out_channels, 7), nn.Tanh()),
    ]


def _upsampling(layers: Layers, in_channels: int, out_channels: int, kind: Upsampling) -> nn.Module:
    if kind == "transposed":
        # its own block, for the output padding
        block = Convolution(
            layers.spatial_dims, in_channels, out_channels, strides=2, is_transposed=True, conv_only=True
        )
        return nn.Sequential(block, *layers.normalisation(out_channels), layers.activation())
    upsampled = UpSample(
        layers.spatial_dims,
        in_channels,
        in_channels,
        scale_factor=2,
        mode="nontrainable",
        interp_mode="nearest",
        align_corners=None,
    )
    return nn.Sequential(upsampled, layers.convolution(in_channels, out_channels))
