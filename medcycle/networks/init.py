"""Initial weights."""

from __future__ import annotations

from torch import nn

__all__ = ["Convolution", "Unnormalised", "initialise"]

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d

WEIGHTS = ("weight", "parametrizations.weight.original")


class Unnormalised(nn.Sequential):
    """Layers one after the other without normalisation: their weights alone keep the scale of what they pass on."""


def initialise(network: nn.Module, gain: float = 0.02) -> None:
    """Draw convolution weights from a normal distribution of standard deviation `gain`, as CycleGAN does.

    Those of `Unnormalised` layers have the standard deviation that keeps the scale (He et al. 2015, "Delving deep into
    rectifiers", eq. 10), as MUNIT does: with the other one, nothing would be left after a few of them.
    """
    for convolution in _convolutions(network):
        # not what is computed from it, as by spectral normalisation
        (weight,) = (part for name, part in convolution.named_parameters() if name in WEIGHTS)
        nn.init.normal_(weight, 0.0, gain)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
    for part in network.modules():
        if isinstance(part, Unnormalised):
            for convolution in _convolutions(part):
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")


def _convolutions(network: nn.Module) -> list[Convolution]:
    return [module for module in network.modules() if isinstance(module, Convolution)]
