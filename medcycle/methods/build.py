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
        *(_generator(config.network, config.data.slices) for _ in range(2)),
        *(_discriminator(config.network, config.data.slices) for _ in range(2)),
        cycle_weight=config.method.cycle_weight,
        identity_weight=config.method.identity_weight,
        anchor_weight=config.method.anchor_weight,
    )
    initialise(method)
    return method


def _generator(config: NetworkConfig, slices: int) -> ResnetGenerator:
    return ResnetGenerator(config.spatial_dims, config.filters, config.blocks, config.upsampling, slices, slices)


def _discriminator(config: NetworkConfig, slices: int) -> PatchGan:
    return PatchGan(config.spatial_dims, config.discriminator_filters, config.discriminator_layers, slices)
