"""Initial weights."""

from __future__ import annotations

from torch import nn

__all__ = ["initialise"]


def initialise(network: nn.Module, gain: float = 0.02) -> None:
    """Draw convolution weights from a normal distribution of standard deviation `gain`, as CycleGAN does."""
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.normal_(module.weight, 0.0, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
