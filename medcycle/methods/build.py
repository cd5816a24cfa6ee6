"""A method from a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from medcycle.config import (
    AnyNetwork,
    Config,
    CutConfig,
    CycleGanBaseConfig,
    CycleGanConfig,
    HybridConfig,
    MonaiConfig,
    MunitConfig,
    NetworkConfig,
    PartlyRegisteredConfig,
    Pix2PixConfig,
    RandomizedConfig,
    RegCycleGanConfig,
    ResnetConfig,
    SupervisedConfig,
    UnetConfig,
    UnitConfig,
)
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
from medcycle.networks.init import initialise
from medcycle.networks.layers import Layers
from medcycle.networks.monai_networks import MonaiGenerator
from medcycle.networks.patchgan import PatchGan
from medcycle.networks.resnet import ResnetGenerator
from medcycle.networks.sampler import PatchSampler
from medcycle.networks.style import StyledAutoencoder
from medcycle.networks.unet import UnetGenerator

__all__ = ["build_method", "without_memory"]


class _OnProcessor(TorchFunctionMode):
    """Lets MONAI's transformers read the few numbers of which they make their layers."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if function is torch.linspace:
            given["device"] = "cpu"
        return function(*args, **given)


@contextmanager
def without_memory() -> Iterator[None]:
    """Methods that are built in the block have weights of known sizes and without values (PyTorch's meta device)."""
    with torch.device("meta"), _OnProcessor():
        yield


def build_method(config: Config) -> Method:
    """The method with fresh weights, drawn from torch's global random generator."""
    method = _fresh(config)
    initialise(method)
    return method


def _fresh(config: Config) -> Method:
    network, slices = config.network, config.data.slices
    match config.method:
        case CycleGanConfig() | HybridConfig() as given:
            return CycleGan(*_both_ways(given, network, slices), _weights(given), Adversary(given.adversarial))
        case RegCycleGanConfig() as given:
            return _regcyclegan(given, network, slices)
        case RandomizedConfig() | Pix2PixConfig() as given:
            return _supervised(given, network, slices)
        case CutConfig() as given:
            return _cut(given, network, slices)
        case UnitConfig() as given:
            return _unit(given, cast(ResnetConfig, network), slices)
        case MunitConfig() as given:
            return _munit(given, cast(ResnetConfig, network), slices)


def _weights(given: CycleGanBaseConfig) -> Weights:
    return Weights(
        cycle=given.cycle_weight,
        identity=given.identity_weight,
        simulated_pair=given.simulated_pair_weight,
        registered=given.registered_weight if isinstance(given, PartlyRegisteredConfig) else 0.0,
        warm_start=given.l1_weight,
        mind=given.mind_weight,
    )


def _both_ways(
    given: CycleGanBaseConfig, network: AnyNetwork, slices: int
) -> tuple[nn.Module, nn.Module, PatchGan | None, PatchGan]:
    """Both generators, and the discriminators of target, if it has one, and source."""
    to_target, to_source = _generator(network, slices), _generator(network, slices, block_means=True)
    judge_target = _discriminator(network, slices) if given.judges_ct else None
    return to_target, to_source, judge_target, _discriminator(network, slices)


def _regcyclegan(given: RegCycleGanConfig, network: AnyNetwork, slices: int) -> Method:
    to_target, to_source, judge_target, judge_source = _both_ways(given, network, slices)
    assert isinstance(network, ResnetConfig | UnetConfig)  # the configuration sees to it
    layers = Layers(network.spatial_dims, affine=True, activation=_leaky)
    registration = DeformationNet(layers, network.filters, 5, slices, given.largest_displacement)
    judges, weights = (judge_target, judge_source), _weights(given)
    return RegCycleGan(to_target, to_source, registration, judges, weights, adversary=Adversary(given.adversarial))


def _cut(given: CutConfig, network: AnyNetwork, slices: int) -> Method:
    to_target = cast(ResnetGenerator | UnetGenerator, _generator(network, slices))
    weights = CutWeights(
        given.nce_weight, given.nce_identity_weight, given.simulated_pair_weight, given.l1_weight, given.mind_weight
    )
    return Cut(
        to_target,
        _discriminator(network, slices),
        PatchSampler(to_target.feature_channels),
        weights,
        Adversary(given.adversarial),
    )


def _unit(given: UnitConfig, network: ResnetConfig, slices: int) -> Method:
    layers = Layers(network.spatial_dims)
    of_target, of_source = sharing_autoencoders(layers, network.filters, network.blocks, network.upsampling, slices)
    weights = UnitWeights(
        given.cycle_weight,
        given.simulated_pair_weight,
        given.l1_weight,
        given.mind_weight,
    )
    judges = [_discriminator(network, slices) for _ in range(2)]
    return Unit(of_target, of_source, judges[0], judges[1], weights, Adversary(given.adversarial))


def _munit(given: MunitConfig, network: ResnetConfig, slices: int) -> Method:
    layers = Layers(network.spatial_dims)
    of_target, of_source = (
        StyledAutoencoder(layers, network.filters, network.blocks, given.styles, network.upsampling, slices)
        for _ in range(2)
    )
    weights = MunitWeights(
        given.cycle_weight,
        given.simulated_pair_weight,
        given.l1_weight,
        given.mind_weight,
    )
    judges = [_discriminator(network, slices) for _ in range(2)]
    return Munit(of_target, of_source, judges[0], judges[1], given.styles, weights, Adversary(given.adversarial))


def _supervised(given: SupervisedConfig, network: AnyNetwork, slices: int) -> Method:
    conditional = isinstance(given, Pix2PixConfig)
    channels = 2 * slices if conditional else slices
    return Supervised(
        _generator(network, slices),
        _discriminator(network, channels) if given.adversarial else None,
        l1_weight=given.l1_weight,
        adversary=Adversary(given.adversarial),
        registered=conditional,
        registered_weight=given.registered_weight if isinstance(given, RandomizedConfig) else 0.0,
    )


def _generator(config: AnyNetwork, slices: int, *, block_means: bool = False) -> nn.Module:
    dims, ends = config.spatial_dims, (slices, slices)
    match config:
        case ResnetConfig(checkpointing=again):
            return ResnetGenerator(
                Layers(dims), config.filters, config.blocks, config.upsampling, *ends, checkpointing=again
            )
        case UnetConfig(checkpointing=again):
            layers = Layers(dims, affine=True, activation=_leaky)
            sizes = (config.filters, config.levels, config.shuffle)
            return UnetGenerator(layers, *sizes, *ends, block_means=block_means, checkpointing=again)
        case MonaiConfig():
            return MonaiGenerator(config.type, dims, *ends, config.arguments, config.multiple)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.1)


def _discriminator(config: NetworkConfig, channels: int) -> PatchGan:
    return PatchGan(config.spatial_dims, config.discriminator_filters, config.discriminator_layers, channels)
