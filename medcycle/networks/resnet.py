"""The residual generator of CycleGAN."""

from __future__ import annotations

from typing import Literal, cast

from monai.networks.blocks import Convolution, UpSample
from monai.networks.layers.factories import Conv, Norm
from torch import Tensor, nn

__all__ = ["DOWNSAMPLING", "ResnetGenerator"]

DOWNSAMPLING = 4
"""Sizes of a generator's input are multiples of this."""


class ResidualBlock(nn.Module):
    """Two 3-wide convolutions, added to their input."""

    def __init__(self, spatial_dims: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(spatial_dims, channels, channels),
            _convolution(spatial_dims, channels, channels, activation=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape in, shape out: (batch, channels, *sizes)."""
        return x + cast(Tensor, self.layers(x))


class ResnetGenerator(nn.Module):
    """The generator of Johnson et al. 2016 as used by CycleGAN (Zhu et al. 2017, appendix 7.2).

    A 7-wide convolution, two strided ones, residual blocks at a quarter of the resolution, two upsamplings, a 7-wide
    convolution and tanh. Instance normalisation, borders mirrored so that no dark frame is learned.

    Args:
        spatial_dims: 2 or 3.
        filters: channels of the first layer.
        blocks: number of residual blocks.
        upsampling: "transposed" convolution, or "resize" (nearest neighbour, then convolution: no
            checkerboards; Odena et al. 2016).
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(
        self,
        spatial_dims: int,
        filters: int = 64,
        blocks: int = 9,
        upsampling: Literal["transposed", "resize"] = "resize",
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        narrow, middle, wide = filters, 2 * filters, 4 * filters
        self.layers = nn.Sequential(
            _convolution(spatial_dims, in_channels, narrow, kernel_size=7),
            _convolution(spatial_dims, narrow, middle, strides=2),
            _convolution(spatial_dims, middle, wide, strides=2),
            *(ResidualBlock(spatial_dims, wide) for _ in range(blocks)),
            _upsampling(spatial_dims, wide, middle, upsampling),
            _upsampling(spatial_dims, middle, narrow, upsampling),
            _convolution(spatial_dims, narrow, out_channels, kernel_size=7, normalise=False, activation=nn.Tanh),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Args:
            x: shape (batch, in_channels, *sizes), values in [−1, 1], sizes multiples of `DOWNSAMPLING`.

        Returns:
            Shape (batch, out_channels, *sizes), values in [−1, 1].
        """
        return cast(Tensor, self.layers(x))


def _convolution(
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    strides: int = 1,
    normalise: bool = True,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    # MONAI's Convolution block pads with zeros only, from which generators learn a dark frame
    convolution = Conv[Conv.CONV, spatial_dims](
        in_channels, out_channels, kernel_size, strides, padding=kernel_size // 2, padding_mode="reflect"
    )
    return nn.Sequential(
        convolution,
        *([Norm[Norm.INSTANCE, spatial_dims](out_channels)] if normalise else []),
        *([activation()] if activation else []),
    )


def _upsampling(spatial_dims: int, in_channels: int, out_channels: int, kind: str) -> nn.Module:
    if kind == "transposed":
        return cast(
            nn.Module,
            Convolution(spatial_dims, in_channels, out_channels, strides=2, is_transposed=True, act="RELU"),
        )
    return nn.Sequential(
        UpSample(
            spatial_dims,
            in_channels,
            in_channels,
            scale_factor=2,
            mode="nontrainable",
            interp_mode="nearest",
            align_corners=None,
        ),
        _convolution(spatial_dims, in_channels, out_channels),
    )
