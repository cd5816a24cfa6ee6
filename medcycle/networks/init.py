"""Initial weights."""

from __future__ import annotations

from torch import nn

__all__ = ["initialise"]

WEIGHTS = ("weight", "parametrizations.weight.original")


def initialise(network: nn.Module, gain: float = 0.02) -> None:
    """Draw convolution weights from a normal distribution of standard deviation `gain`, as CycleGAN does."""
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            # not what is computed from it, as by spectral normalisation
            (weight,) = (part for name, part in module.named_parameters() if name in WEIGHTS)
            nn.init.normal_(weight, 0.0, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
