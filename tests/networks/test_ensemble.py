"""Generators of several networks."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from medcycle.config import load_config
from medcycle.methods.base import Batch, Pair
from medcycle.methods.build import build_method
from medcycle.networks.ensemble import Ensemble
from tests.sizes import TINY, fitting

THREE = ["network.members=3", "training.batch_size=3", "method.anchor_weight=0", "training.warm_start=0"]


class Plus(nn.Module):
    """Adds a number, and keeps what it saw."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.tensor(number))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x + self.number


def images(count: int) -> Tensor:
    return torch.arange(count).float().reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def test_in_training_each_learns_from_its_own_images() -> None:
    both = Ensemble([Plus(10.0), Plus(30.0)]).train()
    made = both(images(4))
    assert made[:, 0, 0, 0].tolist() == [10, 31, 12, 33]
    assert [len(member.seen[0]) for member in both.members] == [2, 2]
    made[1::2].sum().backward()
    assert [float(member.number.grad or 0) for member in both.members] == [0, 8]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_otherwise_the_mean_is_what_counts(count: int) -> None:
    both = Ensemble([Plus(10.0), Plus(30.0)]).eval()
    torch.testing.assert_close(both(images(count)), images(count) + 20)
    with torch.no_grad():  # as previews are drawn in the course of training
        torch.testing.assert_close(both.train()(images(count)), images(count) + 20)


def kinds_seen_by(member: nn.Module, kinds: list[Tensor]) -> set[int]:
    """The numbers of the batches of which a network is given an image from now on."""
    seen: set[int] = set()

    def note(_: nn.Module, given: tuple[Tensor]) -> None:
        shown = {number for number, kind in enumerate(kinds) for one in kind for x in given[0] if torch.equal(one, x)}
        seen.update(shown)

    member.register_forward_pre_hook(note)
    return seen


@pytest.mark.parametrize("name", ["randomized", "cyclegan", "pix2pix", "hybrid", "regcyclegan"])
def test_all_members_of_a_method_learn_and_differ(name: str) -> None:
    config = load_config("demo", fitting([*TINY, *THREE, f"method.name={name}"]))
    torch.manual_seed(0)
    method = build_method(config)
    drawn = [torch.rand(3, 1, *config.data.patch_size) * 2 - 1 for _ in range(6)]
    pairs = [Pair(drawn[first], drawn[first + 1], torch.ones_like(drawn[0])) for first in (2, 4)]
    batch = Batch(drawn[0], drawn[1], *pairs)
    generators = [one for one in method.generators.values() if isinstance(one, Ensemble)]
    assert generators
    seen = [[kinds_seen_by(member, drawn) for member in generator.members] for generator in generators]
    sum(method.generator_losses(batch, method(batch)).values()).backward()
    for first, *others in seen:
        assert first
        assert all(other == first for other in others)
    for generator in generators:
        first = [next(member.parameters()) for member in generator.members]
        assert len(first) == 3
        assert all(weight.grad.abs().sum() > 0 for weight in first)
        assert all(not torch.equal(one, other) for one, other in pairwise(first))
