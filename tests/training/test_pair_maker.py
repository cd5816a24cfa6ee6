"""The pairs of a step."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medcycle.batch import Batch
from medcycle.config import Config, load_config
from medcycle.dataset.patches import UnpairedPatches
from medcycle.dataset.store import Store
from medcycle.training.pair_maker import MEASURE_EVERY, MEASURE_FROM, PairMaker

MEASURED = ["randomize.measured_share=1", "method.simulated_pair_weight=10"]


def config(*overrides: str) -> Config:
    return load_config("demo", ["data.patch_size=[64, 64]", "training.batch_size=2", *overrides])


def maker(store: Store, settings: Config, *, trained: bool = False) -> PairMaker:
    intensity = {"ct": store.ct[0].intensity, "mr": store.mr[0].intensity}
    return PairMaker(settings, intensity, torch.device("cpu"), trained=trained)


def items(store: Store, settings: Config, pairs: PairMaker) -> dict[str, torch.Tensor]:
    patches = UnpairedPatches(store, settings.data, length=2, seed=0, thick=pairs.thick)
    return {name: torch.stack([patches[0][name], patches[1][name]]) for name in patches[0]}


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.simulated_pair(), other.simulated_pair(), strict=True))


def test_a_pair_depends_on_seed_and_step(store: Store) -> None:
    settings = config("method.simulated_pair_weight=10")
    pairs = maker(store, settings)
    item = items(store, settings, pairs)
    first, second = pairs.batch(item, 0), pairs.batch(item, 1)
    assert not same(first, second)
    assert same(first, pairs.batch(item, 0))
    assert same(second, maker(store, settings).batch(item, 1))
    assert not same(first, maker(store, config("method.simulated_pair_weight=10", "training.seed=1")).batch(item, 0))
    assert torch.equal(first.source, item["source"])


def test_thick_targets_are_of_one_slice_with_and_without_a_pair(store: Store) -> None:
    settings = config("method.simulated_pair_weight=0", "training.warm_start=0.5", "randomize.thick_share=1")
    pairs = maker(store, settings)
    item = items(store, settings, pairs)
    assert item["target"].shape[1] == 3
    for wanted in (True, False):
        batch = pairs.batch(item, 0, pairs=wanted)
        assert torch.equal(batch.target, item["target"][:, 1:2])
        assert (batch.pair is not None) == wanted


def test_slices_of_any_distance_where_no_other_scans_are_beside_them(store: Store) -> None:
    settings = config("data.slices=3", "method.name=randomized", "training.warm_start=0", "randomize.thick_share=0.5")
    pairs = maker(store, settings)
    item = items(store, settings, pairs)
    assert item["target"].shape[1] == 7
    batch = pairs.batch(item, 0)
    assert batch.pair.source.shape == batch.pair.target.shape == batch.target.shape == (2, 3, 64, 64)
    assert torch.equal(batch.target, item["target"][:, 1::2])
    assert maker(store, config("data.slices=3", "method.simulated_pair_weight=10")).thick is None


def test_no_pairs_where_no_loss_wants_them(store: Store) -> None:
    settings = config("method.simulated_pair_weight=0", "training.warm_start=0")
    pairs = maker(store, settings)
    assert pairs.batch(items(store, settings, pairs), 0).pair is None


@pytest.mark.parametrize("trained", [False, True])
def test_contrasts_are_measured_every_so_often_once_bone_is_known(store: Store, trained: bool) -> None:
    settings = config(*MEASURED)
    pairs = maker(store, settings, trained=trained)
    batch = pairs.batch(items(store, settings, pairs), 0)
    oracle = SimpleNamespace(translate=batch.target.expand_as)
    counts = []
    for step in (0, 1, MEASURE_EVERY, MEASURE_FROM, MEASURE_FROM + MEASURE_EVERY - MEASURE_FROM % MEASURE_EVERY):
        pairs.measure(batch.source, oracle, step)
        counts.append(len(pairs.state_dict()["measured"]))
    assert counts == ([2, 2, 4, 4, 6] if trained else [0, 0, 0, 0, 2])
    again = maker(store, settings)
    again.load_state_dict(pairs.state_dict())
    np.testing.assert_array_equal(again.state_dict()["measured"], pairs.state_dict()["measured"])


@pytest.mark.parametrize(("share", "has_mr"), [(0, True), (1, False)])
def test_nothing_is_measured_unless_asked_or_without_mr(store: Store, share: float, has_mr: bool) -> None:
    settings = config(f"randomize.measured_share={share}", "method.simulated_pair_weight=10")
    intensity = {"ct": store.ct[0].intensity, "mr": store.mr[0].intensity}
    pairs = PairMaker(settings, intensity, torch.device("cpu"), trained=True, has_mr=has_mr)
    pairs.measure(torch.zeros(1, 1, 64, 64), SimpleNamespace(translate=None), 0)
    assert len(pairs.state_dict()["measured"]) == 0
