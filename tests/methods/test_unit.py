"""UNIT, by the equations of its paper."""

import pytest
import torch

from medcycle.config import load_config
from medcycle.errors import ConfigError
from medcycle.losses.latent import unit_gaussian_loss
from medcycle.methods.base import Batch, Pair
from medcycle.methods.build import build_method
from medcycle.methods.unit import Unit
from tests.sizes import TINY

DIMENSIONS = [[], ["data.slices=3"], ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]"]]


def built(*overrides: str) -> Unit:
    torch.manual_seed(0)
    plain = ["method.name=unit", "method.anchor_weight=0", "training.warm_start=0"]
    return build_method(load_config("demo", [*TINY, *plain, "network.blocks=2", *overrides]))


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(*(torch.rand(2, 1, 32, 32, generator=generator) * 2 - 1 for _ in range(2)))


def test_the_divergence_is_torchs() -> None:
    mean = torch.randn(3, 4)
    ours = torch.distributions.Normal(mean, 1.0)
    expected = torch.distributions.kl_divergence(ours, torch.distributions.Normal(torch.zeros(3, 4), 1.0)).mean()
    torch.testing.assert_close(unit_gaussian_loss(mean), expected)


def test_the_blocks_about_the_code_are_the_same_objects() -> None:
    method = built()
    target, source = method.generators["target"], method.generators["source"]
    assert target.encoder[-1] is source.encoder[-1]
    assert target.decoder[0] is source.decoder[0]
    own = {id(module) for module in target.modules()} & {id(module) for module in source.modules()}
    shared = {id(module) for part in (target.encoder[-1], target.decoder[0]) for module in part.modules()}
    assert own == shared
    method.load_state_dict(built("training.seed=1").state_dict())
    assert target.encoder[-1] is source.encoder[-1]


def test_losses_follow_the_paper(batch: Batch, monkeypatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    chosen = ["method.reconstruction_weight=3", "method.latent_weight=0.5", "method.cycle_weight=7"]
    method = built(*chosen, "method.mind_weight=2")
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    target, source = method.generators["target"], method.generators["source"]
    code = source.encode(batch.source)
    made = target.decode(code)
    torch.testing.assert_close(outputs["synthetic_target"], made)
    torch.testing.assert_close(method.translate(batch.source), made)
    back = target.encode(made)
    error = (source.decode(back) - batch.source).abs().mean()
    torch.testing.assert_close(losses["cycle_source"], 7 * error)
    torch.testing.assert_close(losses["reconstruction_source"], 3 * (source.decode(code) - batch.source).abs().mean())
    squares = (code.square().mean() + back.square().mean()) / 2
    torch.testing.assert_close(losses["latent_source"], 0.5 * squares)
    (judged,) = method.discriminators["target"](made)
    torch.testing.assert_close(losses["adversarial_target"], (judged - 1).square().mean())
    assert {name.split("_")[0] for name in losses} == {"adversarial", "reconstruction", "cycle", "latent", "structure"}


def test_codes_are_noisy_in_training_alone(batch: Batch) -> None:
    method = built()
    first, second = (method(batch)["synthetic_target"] for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(method.translate(batch.source), method.translate(batch.source))


@pytest.mark.parametrize("sizes", DIMENSIONS)
def test_every_weight_learns(sizes: list[str]) -> None:
    method = built(*sizes)
    shape = (2, 3 if "data.slices=3" in sizes else 1, *[32] * (3 if len(sizes) == 2 else 2))
    batch = Batch(torch.rand(shape) * 2 - 1, torch.rand(shape) * 2 - 1)
    outputs = method(batch)
    sum(method.generator_losses(batch, outputs).values()).backward()
    assert all(weight.grad is not None for weight in method.generators.parameters())
    sum(
        method.discriminator_losses(batch, {n: f.detach() for n, f in method.fakes(outputs).items()}).values()
    ).backward()
    assert all(weight.grad is not None for weight in method.discriminators.parameters())


def test_pairs_start_and_anchor_it(batch: Batch) -> None:
    method = built("method.anchor_weight=3")
    pair = Pair(batch.source.flip(-1), batch.target.flip(-2), (batch.target > 0).float())
    given = batch._replace(pair=pair)
    error = (method.translate(pair.source) - pair.target).abs()[pair.weight > 0].mean()
    torch.testing.assert_close(method.generator_losses(given, method(given))["anchor_target"], 3 * error)
    assert set(method.warm_start_losses(given, reverse=True)) == {"anchor_target", "anchor_source"}
    assert set(method.views(batch)) >= {"synthetic_target", "synthetic_source"}
    assert method.two_way


def test_other_networks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unit needs network\.name resnet, not unet"):
        built("network.name=unet")
