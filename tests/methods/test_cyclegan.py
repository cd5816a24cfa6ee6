"""CycleGAN's contract."""

import pytest
import torch

from medcycle.batch import Batch, Pair
from medcycle.config import load_config
from medcycle.losses.structure import mind_loss
from medcycle.methods.build import build_method
from medcycle.methods.cyclegan import CycleGan
from tests.sizes import TINY


@pytest.fixture
def method() -> CycleGan:
    torch.manual_seed(0)
    return build_method(
        load_config("demo", [*TINY, "method.adversaries=both", "method.cycle_weight=10", "method.identity_weight=5"])
    )


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(*(torch.rand(2, 1, 48, 48, generator=generator) * 2 - 1 for _ in range(2)))


def test_outputs_are_what_the_generators_give(method: CycleGan, batch: Batch) -> None:
    outputs = method(batch)
    to_target, to_source = method.generators["target"], method.generators["source"]
    expected = {
        "synthetic_target": to_target(batch.source),
        "synthetic_source": to_source(batch.target),
        "restored_source": to_source(to_target(batch.source)),
        "restored_target": to_target(to_source(batch.target)),
        "same_target": to_target(batch.target),
        "same_source": to_source(batch.source),
    }
    assert set(outputs) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(outputs[name], tensor, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(method.translate(batch.source), expected["synthetic_target"])
    torch.testing.assert_close(method.translate(batch.target, reverse=True), expected["synthetic_source"])


def test_losses_follow_the_paper(method: CycleGan, batch: Batch) -> None:
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    restored, same = outputs["restored_source"], outputs["same_target"]
    assert losses["cycle_source"].item() == pytest.approx(10 * (restored - batch.source).abs().mean().item())
    assert losses["identity_target"].item() == pytest.approx(5 * (same - batch.target).abs().mean().item())
    judged = method.discriminators["target"](outputs["synthetic_target"])
    assert losses["adversarial_target"].item() == pytest.approx(((judged - 1) ** 2).mean().item(), rel=1e-5)
    fakes = {name: fake.detach() for name, fake in method.fakes(outputs).items()}
    judges = method.discriminator_losses(batch, fakes)
    real = method.discriminators["source"](batch.source)
    fake = method.discriminators["source"](outputs["synthetic_source"])
    expected = 0.5 * (((real - 1) ** 2).mean() + (fake**2).mean()).item()
    assert judges["discriminator_source"].item() == pytest.approx(expected, rel=1e-5)


def test_without_identity(batch: Batch) -> None:
    method = build_method(load_config("demo", [*TINY, "method.adversaries=both", "method.identity_weight=0"]))
    outputs = method(batch)
    assert set(outputs) == {"synthetic_target", "synthetic_source", "restored_source", "restored_target"}
    assert not any(name.startswith("identity") for name in method.generator_losses(batch, outputs))


def test_the_structure_loss_ties_outputs_to_their_inputs(batch: Batch) -> None:
    weight = "method.mind_weight=2"
    method = build_method(load_config("demo", [*TINY, "method.adversaries=both", weight]))
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    synthetic_ct, synthetic_mr = outputs["synthetic_target"], outputs["synthetic_source"]
    torch.testing.assert_close(losses["structure_target"], 2 * mind_loss(batch.source, synthetic_ct))
    torch.testing.assert_close(losses["structure_source"], 2 * mind_loss(batch.target, synthetic_mr))
    losses["structure_source"].backward()
    assert all(weight.grad is not None for weight in method.generators["source"].parameters())
    judged_mr = build_method(load_config("demo", [*TINY, "method.adversaries=mr", weight]))
    assert "structure_target" not in judged_mr.generator_losses(batch, judged_mr(batch))


def test_the_simulated_pair_loss_is_the_l1_loss_on_pairs(batch: Batch) -> None:
    method = build_method(load_config("demo", [*TINY, "method.simulated_pair_weight=7", "training.warm_start=0"]))
    pair = Pair(batch.source.flip(-1), batch.target.flip(-2), (batch.target > 0).float())
    with_pair = batch._replace(pair=pair)
    outputs = method(with_pair)
    error = (method.translate(pair.source) - pair.target).abs()[pair.weight > 0].mean()
    torch.testing.assert_close(method.generator_losses(with_pair, outputs)["simulated_pair_target"], 7 * error)
    torch.testing.assert_close(method.warm_start_losses(with_pair), {"simulated_pair_target": 10 * error})
    back = (method.translate(pair.target, reverse=True) - pair.source).square().mean()
    both = method.warm_start_losses(with_pair, reverse=True)
    torch.testing.assert_close(both, {"simulated_pair_target": 10 * error, "simulated_pair_source": 10 * back})
    assert "simulated_pair_target" not in method.generator_losses(batch, method(batch))
    with pytest.raises(ValueError, match="pair"):
        method.warm_start_losses(batch)


def test_without_an_adversary_of_targets_pairs_and_synthetic_sources_teach_them(batch: Batch) -> None:
    method = build_method(load_config("demo", [*TINY, "method.simulated_pair_weight=7", "method.cycle_weight=3"]))
    assert set(method.discriminators) == {"source"}
    paired = batch._replace(pair=Pair(batch.source.flip(-1), batch.target.flip(-2), torch.ones_like(batch.target)))
    outputs = method(paired)
    losses = method.generator_losses(paired, outputs)
    assert set(losses) == {"adversarial_source", "cycle_target", "simulated_pair_target"}
    found_again = method.translate(method.translate(batch.target, reverse=True))
    assert losses["cycle_target"].item() == pytest.approx(3 * (found_again - batch.target).abs().mean().item())
    assert set(method.fakes(outputs)) == {"source"}
    assert set(method.views(batch)) >= {"synthetic_target", "restored_source"}
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.generators.parameters() if p.ndim > 1)
    assert set(method.discriminator_losses(batch, method.fakes(outputs))) == {"discriminator_source"}


def test_registered_pairs_supervise_both_directions_where_they_are(batch: Batch) -> None:
    chosen = ["method.name=hybrid", "method.simulated_pair_weight=0", "method.registered_weight=7"]
    method = build_method(load_config("demo", [*TINY, *chosen, "method.identity_weight=0", "training.warm_start=0"]))
    weight = (batch.target > 0).float()
    paired = batch._replace(registered=Pair(batch.source.flip(-1), batch.target.flip(-2), weight))
    alone, both = method.generator_losses(batch, method(batch)), method.generator_losses(paired, method(paired))
    assert set(both) - set(alone) == {"registered_target", "registered_source"}
    for name in alone:
        torch.testing.assert_close(both[name], alone[name], atol=1e-4, rtol=1e-3)
    source, target, _ = paired.registered
    there, back = method.translate(source), method.translate(target, reverse=True)
    torch.testing.assert_close(both["registered_target"], 7 * (there - target).abs()[weight > 0].mean())
    torch.testing.assert_close(both["registered_source"], 7 * (back - source).abs()[weight > 0].mean())


@pytest.mark.parametrize(
    ("adversaries", "weight", "judged"),
    [
        ("auto", 10, {"source"}),
        ("auto", 0, {"source", "target"}),
        ("both", 10, {"source", "target"}),
    ],
)
def test_pairs_make_an_adversary_superfluous(adversaries: str, weight: float, judged: set[str]) -> None:
    chosen = [f"method.adversaries={adversaries}", f"method.simulated_pair_weight={weight}"]
    assert set(build_method(load_config("demo", [*TINY, *chosen])).discriminators) == judged


def test_each_half_moves_only_its_own_weights(method: CycleGan, batch: Batch) -> None:
    sum(method.generator_losses(batch, method(batch)).values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.generators.parameters() if p.ndim > 1)
    method.zero_grad()
    fakes = {name: fake.detach() for name, fake in method.fakes(method(batch)).items()}
    sum(method.discriminator_losses(batch, fakes).values()).backward()
    assert all(p.grad is None for p in method.generators.parameters())
    assert all(p.grad is not None for p in method.discriminators.parameters())
