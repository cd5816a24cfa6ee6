"""A method from a configuration."""

from __future__ import annotations

from medcycle.config import Config, NetworkConfig
from medcycle.methods.base import Method
from medcycle.methods.cyclegan import CycleGan
from medcycle.networks.init import initialise
from medcycle.networks.patchgan import PatchGan
from medcycle.networks.resnet import ResnetGenerator

__all__ = ["build_method"]


def build_method(config: Config) -> Method:
    """The method with fresh weights, drawn from torch's global random generator."""
    method = CycleGan(
        _generator(config.network),
        _generator(config.network),
        _discriminator(config.network),
        _discriminator(config.network),
        cycle_weight=config.method.cycle_weight,
        identity_weight=config.method.identity_weight,
        anchor_weight=config.method.anchor_weight,
    )
    initialise(method)
    return method


def _generator(config: NetworkConfig) -> ResnetGenerator:
    return ResnetGenerator(config.spatial_dims, config.filters, config.blocks, config.upsampling)


def _discriminator(config: NetworkConfig) -> PatchGan:
    return PatchGan(config.spatial_dims, config.discriminator_filters, config.discriminator_layers)
