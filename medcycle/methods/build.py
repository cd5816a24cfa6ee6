"""A method from a configuration."""

from __future__ import annotations

from torch import nn

from medcycle.config import Config, NetworkConfig
from medcycle.methods.base import Method
from medcycle.methods.cyclegan import CycleGan
from medcycle.methods.randomized import Randomized
from medcycle.networks.init import initialise
from medcycle.networks.patchgan import PatchGan
from medcycle.networks.resnet import ResnetGenerator
from medcycle.networks.unet import UnetGenerator

__all__ = ["build_method"]


def build_method(config: Config) -> Method:
    """The method with fresh weights, drawn from torch's global random generator."""
    method = _randomized(config) if config.method.name == "randomized" else _cyclegan(config)
    initialise(method)
    return method


def _cyclegan(config: Config) -> Method:
    return CycleGan(
        *(_generator(config.network, config.data.slices) for _ in range(2)),
        *(_discriminator(config.network, config.data.slices) for _ in range(2)),
        cycle_weight=config.method.cycle_weight,
        identity_weight=config.method.identity_weight,
        anchor_weight=config.method.anchor_weight,
    )


def _randomized(config: Config) -> Method:
    weight = config.method.adversarial_weight
    return Randomized(
        _generator(config.network, config.data.slices),
        _discriminator(config.network, config.data.slices) if weight else None,
        l1_weight=config.method.l1_weight,
        gradient_weight=config.method.gradient_weight,
        adversarial_weight=weight,
    )


def _generator(config: NetworkConfig, slices: int) -> nn.Module:
    if config.name == "unet":
        return UnetGenerator(config.spatial_dims, config.filters, config.levels, config.shuffle, slices, slices)
    return ResnetGenerator(config.spatial_dims, config.filters, config.blocks, config.upsampling, slices, slices)


def _discriminator(config: NetworkConfig, slices: int) -> PatchGan:
    return PatchGan(config.spatial_dims, config.discriminator_filters, config.discriminator_layers, slices)
