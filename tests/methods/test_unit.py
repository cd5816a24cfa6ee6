"""UNIT, by the equations of its paper."""

import pytest
import torch

from medcycle.batch import Batch
from medcycle.errors import ConfigError
from medcycle.losses.latent import unit_gaussian_loss
from tests.methods.support import DIMENSIONS, error_of, images_for, small_method, with_pair

BLOCKS = "network.blocks=2"


@pytest.fixture
def batch() -> Batch:
    return images_for([])


def test_the_divergence_is_torchs() -> None:
    mean = torch.randn(3, 4)
    ours = torch.distributions.Normal(mean, 1.0)
    expected = torch.distributions.kl_divergence(ours, torch.distributions.Normal(torch.zeros(3, 4), 1.0)).mean()
    torch.testing.assert_close(unit_gaussian_loss(mean), expected)


def test_the_blocks_about_the_code_are_the_same_objects() -> None:
    method = small_method("unit", BLOCKS)
    target, source = method.generators["target"], method.generators["source"]
    assert target.encoder[-1] is source.encoder[-1]
    assert target.decoder[0] is source.decoder[0]
    own = {id(module) for module in target.modules()} & {id(module) for module in source.modules()}
    shared = {id(module) for part in (target.encoder[-1], target.decoder[0]) for module in part.modules()}
    assert own == shared
    method.load_state_dict(small_method("unit", BLOCKS, "training.seed=1").state_dict())
    assert target.encoder[-1] is source.encoder[-1]


def test_losses_follow_the_paper(batch: Batch, monkeypatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    method = small_method("unit", BLOCKS, "method.cycle_weight=7", "method.mind_weight=2")
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
    torch.testing.assert_close(losses["reconstruction_source"], 10 * (source.decode(code) - batch.source).abs().mean())
    squares = (code.square().mean() + back.square().mean()) / 2
    torch.testing.assert_close(losses["latent_source"], 0.01 * squares)
    judged = method.discriminators["target"](made)
    torch.testing.assert_close(losses["adversarial_target"], (judged - 1).square().mean())
    assert {name.split("_")[0] for name in losses} == {"adversarial", "reconstruction", "cycle", "latent", "structure"}


def test_codes_are_noisy_in_training_alone(batch: Batch) -> None:
    method = small_method("unit", BLOCKS)
    first, second = (method(batch)["synthetic_target"] for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(method.translate(batch.source), method.translate(batch.source))


@pytest.mark.parametrize("sizes", DIMENSIONS)
def test_every_weight_learns(sizes: list[str]) -> None:
    method = small_method("unit", BLOCKS, *sizes)
    batch = images_for(sizes)
    outputs = method(batch)
    sum(method.generator_losses(batch, outputs).values()).backward()
    assert all(weight.grad is not None for weight in method.generators.parameters())
    sum(
        method.discriminator_losses(batch, {n: f.detach() for n, f in method.fakes(outputs).items()}).values()
    ).backward()
    assert all(weight.grad is not None for weight in method.discriminators.parameters())


def test_simulated_pairs_teach_it(batch: Batch) -> None:
    method = small_method("unit", BLOCKS, "method.simulated_pair_weight=3")
    given = with_pair(batch)
    error = error_of(method, given.pair)
    torch.testing.assert_close(method.generator_losses(given, method(given))["simulated_pair_target"], 3 * error)
    assert set(method.warm_start_losses(given, reverse=True)) == {"simulated_pair_target", "simulated_pair_source"}
    assert set(method.views(batch)) >= {"synthetic_target", "synthetic_source"}
    assert method.two_way


def test_other_networks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unit needs network\.name resnet, not unet"):
        small_method("unit", "network.name=unet")
