"""Encoders to a code that two domains share, and decoders from it."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from medcycle.networks.layers import Layers
from medcycle.networks.resnet import ResidualBlock, Upsampling, enlargement, reduction

__all__ = ["Autoencoder", "sharing_autoencoders"]


class Autoencoder(nn.Module):
    """A domain's encoder and decoder, each of the layers of the residual generator.

    Args:
        encoder: images to codes.
        decoder: codes to images.
    """

    def __init__(self, encoder: nn.Sequential, decoder: nn.Sequential) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, x: Tensor) -> Tensor:
        """Images in [−1, 1], sizes multiples of 4, to the mean of their code, at a quarter of the resolution."""
        return cast(Tensor, self.encoder(x))

    def decode(self, code: Tensor) -> Tensor:
        """A code to images in [−1, 1]."""
        return cast(Tensor, self.decoder(code))


def sharing_autoencoders(
    layers: Layers, filters: int = 64, blocks: int = 4, upsampling: Upsampling = "resize", channels: int = 1
) -> tuple[Autoencoder, Autoencoder]:
    """Two autoencoders with the same last block of the encoder and the same first one of the decoder.

    As in Liu et al. 2017, "Unsupervised image-to-image translation networks", section 3 and appendix A.

    Args:
        layers: makes their layers.
        filters: channels of the first layer.
        blocks: residual blocks of each encoder and each decoder, the shared ones included; 4 in the paper.
        upsampling: as in `ResnetGenerator`.
        channels: of the images.
    """
    wide = 4 * filters
    last, first = ResidualBlock(layers, wide), ResidualBlock(layers, wide)

    def of_one_domain() -> Autoencoder:
        own = [[ResidualBlock(layers, wide) for _ in range(blocks - 1)] for _ in range(2)]
        encoder = nn.Sequential(*reduction(layers, filters, channels), *own[0], last)
        return Autoencoder(encoder, nn.Sequential(first, *own[1], *enlargement(layers, filters, upsampling, channels)))

    return of_one_domain(), of_one_domain()
