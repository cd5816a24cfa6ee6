"""A method from a configuration."""

from __future__ import annotations

from torch import nn

from medcycle.config import Config, NetworkConfig
from medcycle.losses.structure import StructureWeights
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Method
from medcycle.methods.cyclegan import CycleGan, Weights
from medcycle.methods.randomized import Randomized
from medcycle.networks.init import initialise
from medcycle.networks.layers import Layers
from medcycle.networks.library import LibraryGenerator
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
    network, slices, given = config.network, config.data.slices, config.method
    weights = Weights(
        cycle=given.cycle_weight,
        identity=given.identity_weight,
        identity_until=given.identity_until,
        cycle_ssim=given.cycle_ssim_share,
        anchor=given.anchor_weight,
        warm_start=given.l1_weight,
        structure=StructureWeights(
            given.mind_weight, given.gradient_consistency_weight, given.mutual_information_weight
        ),
    )
    to_target, to_source = _generator(network, slices), _generator(network, slices)
    judge_target = _discriminator(network, slices) if given.judges_ct else None
    weight = 1.0 if given.adversarial_weight is None else given.adversarial_weight
    adversary = Adversary(given.adversarial_loss, weight, given.gradient_penalty)
    return CycleGan(to_target, to_source, judge_target, _discriminator(network, slices), weights, adversary)


def _randomized(config: Config) -> Method:
    weight = config.method.adversarial_weight or 0.0
    return Randomized(
        _generator(config.network, config.data.slices),
        _discriminator(config.network, config.data.slices) if weight else None,
        l1_weight=config.method.l1_weight,
        gradient_weight=config.method.gradient_weight,
        adversary=Adversary(config.method.adversarial_loss, weight, config.method.gradient_penalty),
    )


def _generator(config: NetworkConfig, slices: int) -> nn.Module:
    again, ends = config.checkpointing, (slices, slices)
    if config.name == "resnet":
        layers = Layers(config.spatial_dims, config.norm, padding=config.padding)
        return ResnetGenerator(layers, config.filters, config.blocks, config.upsampling, *ends, checkpointing=again)
    layers = Layers(config.spatial_dims, config.norm, affine=True, padding=config.padding, activation=_leaky)
    if config.name == "unet":
        return UnetGenerator(layers, config.filters, config.levels, config.shuffle, *ends, checkpointing=again)
    return LibraryGenerator(config.name, layers, config.filters, config.levels, *ends, checkpointing=again)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.1)


def _discriminator(config: NetworkConfig, slices: int) -> PatchGan:
    return PatchGan(
        config.spatial_dims,
        config.discriminator_filters,
        config.discriminator_layers,
        slices,
        norm=config.norm,
        spectral=config.spectral_norm,
        scales=config.discriminator_scales,
    )
