"""Translation learned from pairs: made of targets, or registered."""

import pytest
import torch

from medcycle.batch import Batch, Pair
from medcycle.config import Choice, load_config
from medcycle.methods.build import build_method
from medcycle.methods.supervised import Supervised
from tests.sizes import TINY, fitting

WEIGHTS = ["method.l1_weight=3", "method.adversarial_weight=0.5"]


def built(*overrides: str) -> Supervised:
    torch.manual_seed(0)
    unet = ["method.name=randomized", "network.name=unet"]
    return build_method(load_config("head_ct_only", fitting([*TINY, *unet, *overrides]), Choice(dims=2)))


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    source, target, weight = (torch.rand(2, 1, 48, 48, generator=generator) * 2 - 1 for _ in range(3))
    pair = Pair(source, target, weight.abs())
    return Batch(pair.source, pair.target, pair)


def test_losses_are_what_their_names_say(batch: Batch) -> None:
    method = built(*WEIGHTS)
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    made, pair = outputs["synthetic_target"], batch.pair
    torch.testing.assert_close(made, method.generators["target"](pair.source))
    weighted = ((made - pair.target).abs() * pair.weight).sum() / pair.weight.sum()
    torch.testing.assert_close(losses["l1_target"], 3 * weighted)
    judged = method.discriminators["target"](made)
    torch.testing.assert_close(losses["adversarial_target"], 0.5 * ((judged - 1) ** 2).mean())
    assert set(method.warm_start_losses(batch)) == {"l1_target"}


def test_without_adversary_there_is_no_discriminator(batch: Batch) -> None:
    method = built("method.adversarial_weight=0")
    outputs = method(batch)
    assert set(method.generator_losses(batch, outputs)) == {"l1_target"}
    assert not method.discriminators
    assert method.fakes(outputs) == {}
    assert method.discriminator_losses(batch, {}) == {}


def test_each_half_moves_only_its_own_weights(batch: Batch) -> None:
    method = built(*WEIGHTS)
    fakes = {name: fake.detach() for name, fake in method.fakes(method(batch)).items()}
    sum(method.discriminator_losses(batch, fakes).values()).backward()
    assert all(p.grad is None for p in method.generators.parameters())
    assert all(p.grad is not None for p in method.discriminators.parameters())


def test_views_show_the_pair_and_the_mr_if_there_is_one(batch: Batch) -> None:
    of_pair = ["simulated_mr", "recovered_target", "target"]
    assert list(built().views(batch._replace(source=batch.pair.source))) == of_pair
    with_mr = batch._replace(source=batch.pair.source.flip(-1))
    assert list(built().views(with_mr)) == ["source", "synthetic_target", *of_pair]


def test_there_is_no_way_back_and_nothing_without_pairs(batch: Batch) -> None:
    with pytest.raises(ValueError, match="no generator"):
        built().translate(batch.target, reverse=True)
    with pytest.raises(ValueError, match="pair"):
        built()(batch._replace(pair=None))


def test_pix2pix_judges_pairs_by_the_papers_equations(batch: Batch) -> None:
    method = built("method.name=pix2pix", "method.l1_weight=100")
    source, target, weight = (torch.rand(2, 1, 48, 48) * 2 - 1 for _ in range(3))
    registered = batch._replace(registered=Pair(source, target, weight.abs()))
    outputs = method(registered)
    made = method.generators["target"](source)
    torch.testing.assert_close(outputs["synthetic_target"], made)
    losses = method.generator_losses(registered, outputs)
    error = ((made - target).abs() * weight.abs()).sum() / weight.abs().sum()
    torch.testing.assert_close(losses["l1_target"], 100 * error)
    judge = method.discriminators["target"]
    fake, real = judge(torch.cat([source, made], 1)), judge(torch.cat([source, target], 1))
    torch.testing.assert_close(losses["adversarial_target"], (fake - 1).square().mean())
    judged = method.discriminator_losses(registered, {"target": torch.cat([source, made], 1).detach()})
    expected = ((real - 1).square().mean() + fake.square().mean()) / 2
    torch.testing.assert_close(judged["discriminator_target"], expected, atol=1e-5, rtol=1e-4)
    assert method.fakes(outputs)["target"].shape[1] == 2
    sum(losses.values()).backward()
    assert all(weight.grad is not None for weight in method.generators.parameters())
    assert list(method.views(registered)) == ["source", "synthetic_target", "target"]
    assert set(method.warm_start_losses(registered)) == {"l1_target"}
    with pytest.raises(ValueError, match="registered pair"):
        method(batch)
