"""A method from a configuration."""

from __future__ import annotations

from typing import cast

from torch import nn

from medcycle.config import Config, MethodConfig, NetworkConfig
from medcycle.losses.structure import StructureWeights
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Method
from medcycle.methods.cut import Cut, CutWeights
from medcycle.methods.cyclegan import CycleGan, Weights
from medcycle.methods.munit import Munit, MunitWeights
from medcycle.methods.regcyclegan import RegCycleGan
from medcycle.methods.supervised import Supervised
from medcycle.methods.unit import Unit, UnitWeights
from medcycle.networks.autoencoder import sharing_autoencoders
from medcycle.networks.deformation import DeformationNet
from medcycle.networks.ensemble import Ensemble
from medcycle.networks.init import initialise
from medcycle.networks.layers import Layers
from medcycle.networks.library import LibraryGenerator
from medcycle.networks.patchgan import PatchGan
from medcycle.networks.resnet import ResnetGenerator
from medcycle.networks.sampler import PatchSampler
from medcycle.networks.style import StyledAutoencoder
from medcycle.networks.unet import UnetGenerator

__all__ = ["build_method"]


def build_method(config: Config) -> Method:
    """The method with fresh weights, drawn from torch's global random generator."""
    kinds = {
        "randomized": _supervised,
        "pix2pix": _supervised,
        "cyclegan": _cyclegan,
        "hybrid": _cyclegan,
        "cut": _cut,
        "unit": _unit,
        "munit": _munit,
        "regcyclegan": _cyclegan,
    }
    method = kinds[config.method.name](config)
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
        registered=given.registered_weight if given.needs_registered else 0.0,
        warm_start=given.l1_weight,
        structure=_structure(given),
        outside=given.outside_weight,
    )
    to_target, to_source = _generator(network, slices), _generator(network, slices, block_means=True)
    judge_target = _discriminator(network, slices) if given.judges_ct else None
    judge_source = _discriminator(network, slices)
    if given.name != "regcyclegan":
        return CycleGan(to_target, to_source, judge_target, judge_source, weights, _adversary(given))
    layers = Layers(network.spatial_dims, network.norm, affine=True, padding=network.padding, activation=_leaky)
    registration = DeformationNet(layers, network.filters, 5, slices, given.largest_displacement)
    judges = (judge_target, judge_source)
    return RegCycleGan(to_target, to_source, registration, judges, weights, given.smoothness_weight, _adversary(given))


def _cut(config: Config) -> Method:
    given, slices = config.method, config.data.slices
    to_target = cast(ResnetGenerator | UnetGenerator, _generator(config.network, slices))
    weights = CutWeights(
        given.nce_weight, given.nce_identity_weight, given.anchor_weight, given.l1_weight, _structure(given)
    )
    return Cut(
        to_target,
        _discriminator(config.network, slices),
        PatchSampler(to_target.feature_channels, given.nce_width, given.nce_patches),
        weights,
        _adversary(given),
        flip=given.nce_flip,
    )


def _unit(config: Config) -> Method:
    given, network, slices = config.method, config.network, config.data.slices
    layers = Layers(network.spatial_dims, network.norm, padding=network.padding)
    of_target, of_source = sharing_autoencoders(layers, network.filters, network.blocks, network.upsampling, slices)
    weights = UnitWeights(
        given.reconstruction_weight,
        given.latent_weight,
        given.cycle_weight,
        given.anchor_weight,
        given.l1_weight,
        _structure(given),
        given.outside_weight,
    )
    judges = [_discriminator(network, slices) for _ in range(2)]
    return Unit(of_target, of_source, judges[0], judges[1], weights, _adversary(given))


def _munit(config: Config) -> Method:
    given, network, slices = config.method, config.network, config.data.slices
    layers = Layers(network.spatial_dims, network.norm, padding=network.padding)
    of_target, of_source = (
        StyledAutoencoder(layers, network.filters, network.blocks, given.styles, network.upsampling, slices)
        for _ in range(2)
    )
    weights = MunitWeights(
        given.reconstruction_weight,
        given.content_weight,
        given.style_weight,
        given.cycle_weight,
        given.anchor_weight,
        given.l1_weight,
        _structure(given),
        given.outside_weight,
    )
    judges = [_discriminator(network, slices) for _ in range(2)]
    return Munit(of_target, of_source, judges[0], judges[1], given.styles, weights, _adversary(given))


def _structure(given: MethodConfig) -> StructureWeights:
    return StructureWeights(
        given.mind_weight, given.gradient_consistency_weight, given.mutual_information_weight, given.shape_weight
    )


def _supervised(config: Config) -> Method:
    given, slices = config.method, config.data.slices
    channels = 2 * slices if given.needs_registered else slices
    return Supervised(
        _generator(config.network, slices),
        _discriminator(config.network, channels) if given.adversarial else None,
        l1_weight=given.l1_weight,
        gradient_weight=given.gradient_weight,
        adversary=_adversary(given),
        registered=given.needs_registered,
    )


def _adversary(given: MethodConfig) -> Adversary:
    return Adversary(given.adversarial_loss, given.adversarial, given.gradient_penalty)


def _generator(config: NetworkConfig, slices: int, *, block_means: bool = False) -> nn.Module:
    members = [_member(config, slices, block_means=block_means) for _ in range(config.members)]
    return Ensemble(members) if len(members) > 1 else members[0]


def _member(config: NetworkConfig, slices: int, *, block_means: bool) -> nn.Module:
    again, ends = config.checkpointing, (slices, slices)
    if config.name == "resnet":
        layers = Layers(config.spatial_dims, config.norm, padding=config.padding)
        return ResnetGenerator(layers, config.filters, config.blocks, config.upsampling, *ends, checkpointing=again)
    layers = Layers(config.spatial_dims, config.norm, affine=True, padding=config.padding, activation=_leaky)
    if config.name == "unet":
        return UnetGenerator(
            layers,
            config.filters,
            config.levels,
            config.shuffle,
            *ends,
            block_means=block_means,
            checkpointing=again,
        )
    return LibraryGenerator(config.name, layers, config.filters, config.levels, *ends, checkpointing=again)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.1)


def _discriminator(config: NetworkConfig, channels: int) -> PatchGan:
    return PatchGan(
        config.spatial_dims,
        config.discriminator_filters,
        config.discriminator_layers,
        channels,
        norm=config.norm,
        spectral=config.spectral_norm,
        scales=config.discriminator_scales,
    )
