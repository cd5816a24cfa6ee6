"""Registered pairs: found, and cut alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medcycle.config import DataConfig
from medcycle.dataset.augmentation import Augmentation
from medcycle.dataset.patches import UnpairedPatches
from medcycle.dataset.registered import RegisteredPatches, WithRegistered, registered_cases
from medcycle.dataset.store import Store
from medcycle.errors import DataError

CONFIG = DataConfig(spacing=(4, 4, None), patch_size=(64, 64))
TURNED = Augmentation(flip=True, rotation=30, scaling=0.05)


def test_pairs_are_those_of_one_patient_on_one_grid(paired: Store) -> None:
    together = registered_cases(paired)
    assert [(mr.record.name, ct.record.name) for mr, ct in together] == [("case000", "case000"), ("case001", "case001")]


def test_without_pairs_it_is_said_what_is_missing(store: Store, paired: Store) -> None:
    with pytest.raises(DataError, match=r"no patient has both.*medcycle register"):
        registered_cases(store)
    moved = [
        replace(case, record=replace(case.record, affine=(np.array(case.record.affine) + 0.1).tolist()))
        for case in paired.ct
    ]
    with pytest.raises(DataError, match="case000, case001 have both MR and CT, but on other grids"):
        registered_cases(replace(paired, ct=tuple(moved)))


def test_every_pair_is_drawn_as_often(paired: Store) -> None:
    """Two MR of the first patient: three pairs, each there once."""
    second = replace(paired.mr[0], record=replace(paired.mr[0].record, name="second"))
    patches = RegisteredPatches(replace(paired, mr=(*paired.mr, second)), CONFIG, length=1, seed=0)
    names = [(mr.case.record.name, ct.case.record.name) for mr, ct in patches.pairs]
    assert sorted(names) == [("case000", "case000"), ("case001", "case001"), ("second", "case000")]


@pytest.mark.parametrize("size", [(64, 64), (48, 36), (32, 32, 32)])
def test_both_show_the_same_place(paired: Store, size: tuple[int, ...]) -> None:
    patches = RegisteredPatches(
        paired, CONFIG.model_copy(update={"patch_size": size}), length=10, seed=0, augmentation=TURNED
    )
    for index in range(10):
        item = patches[index]
        assert {name: tuple(patch.shape) for name, patch in item.items()} == dict.fromkeys(item, (1, *size))
        assert item["body"].dtype == torch.bool
        for name in ("source", "target"):
            assert ((item[name] > -0.95) == item["body"]).float().mean() > 0.93
        assert torch.equal(patches[index]["source"], item["source"])
    assert not torch.equal(patches[0]["source"], patches[1]["source"])


def test_an_mr_of_its_own_ct_is_cut_as_it_is(paired: Store) -> None:
    """With the CT in place of the MR both patches are the same, whatever was drawn."""
    same = replace(paired, mr=paired.ct)
    patches = RegisteredPatches(same, CONFIG, length=10, seed=3, augmentation=TURNED)
    for index in range(10):
        assert torch.equal(patches[index]["source"], patches[index]["target"])


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_part_of_the_batches_has_pairs(paired: Store, share: float) -> None:
    config = CONFIG.model_copy(update={"patch_size": (32, 32), "augmentation": "none"})
    registered = RegisteredPatches(paired, config, length=160, seed=0)
    patches = UnpairedPatches(paired, config, length=160, seed=0)
    both = WithRegistered(patches, registered, batch_size=4, share=share, seed=0)
    assert len(both) == 160
    with_pair = np.array(["registered_source" in both[index] for index in range(160)]).reshape(40, 4)
    assert (with_pair.all(axis=1) == with_pair.any(axis=1)).all()
    assert with_pair.mean() == pytest.approx(share, abs=0.15)
    if share:
        index = int(np.argmax(with_pair.ravel()))
        assert torch.equal(both[index]["registered_target"], registered[index]["target"])
        assert torch.equal(both[index]["target"], patches[index]["target"])
        names = both.cases(index)
        assert names["registered_mr"] == names["registered_ct"]
    assert ["registered_ct" in both.cases(index) for index in range(160)] == with_pair.ravel().tolist()


def test_no_slice_with_enough_of_a_body(paired: Store) -> None:
    with pytest.raises(DataError, match="min_body_fraction"):
        RegisteredPatches(paired, CONFIG.model_copy(update={"min_body_fraction": 0.99}), length=1, seed=0)


def test_indices_beyond_the_end(paired: Store) -> None:
    with pytest.raises(IndexError):
        RegisteredPatches(paired, CONFIG, length=1, seed=0)[1]
