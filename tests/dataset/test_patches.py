"""What a network is fed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from medcycle.config import DataConfig
from medcycle.dataset.augmentation import Augmentation
from medcycle.dataset.patches import Thickness, UnpairedPatches, preview_patches
from medcycle.dataset.stacks import neighbours, stacks_of
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import DataError
from medcycle.volume import Array

CONFIG = DataConfig(spacing=(4, 4, None), patch_size=(64, 64))


def test_patches_depend_on_seed_and_index_alone(store: Store) -> None:
    patches = UnpairedPatches(store, CONFIG, length=20, seed=1)
    again = UnpairedPatches(store, CONFIG, length=20, seed=1)
    _ = again[3], again[11]
    for domain in ("source", "target"):
        torch.testing.assert_close(patches[7][domain], again[7][domain], rtol=0, atol=0)
        assert not torch.equal(patches[7][domain], patches[8][domain])
        assert not torch.equal(patches[7][domain], UnpairedPatches(store, CONFIG, length=20, seed=2)[7][domain])


@pytest.mark.parametrize("plane", ["axial", "all"])
def test_it_is_known_which_cases_an_index_draws_from(store: Store, plane: str) -> None:
    patches = UnpairedPatches(store, CONFIG.model_copy(update={"plane": plane}), length=20, seed=1)
    cut, drawn = patches.cutter, list[Path]()

    def note(arrays: Sequence[Array], *rest: Any, **named: Any) -> list[torch.Tensor]:
        drawn.append(Path(cast(np.memmap, arrays[0]).filename).parent)
        return cut(arrays, *rest, **named)

    patches.cutter = note  # type: ignore[assignment]
    for index in range(20):
        drawn.clear()
        _ = patches[index]
        names = patches.cases(index)
        named = {kind: {case.folder: case.record.name for case in cases} for kind, cases in store.both().items()}
        assert names == {kind: named[kind][folder] for kind, folder in zip(("ct", "mr"), drawn, strict=True)}


@pytest.mark.parametrize("size", [(64, 64), (32, 32), (128, 36), (32, 32, 32)])
def test_shapes_and_ranges(store: Store, size: tuple[int, ...]) -> None:
    patches = UnpairedPatches(store, DataConfig(patch_size=size), length=5, seed=0)
    for index in range(5):
        item = patches[index]
        assert item["body"].dtype == torch.bool
        assert item["body"].shape == (1, *size)
        assert (item["target"][~item["body"]] < -0.5).float().mean() > 0.95  # air, but for the border's interpolation
        for patch in (item["source"], item["target"]):
            assert type(patch) is torch.Tensor  # metadata of MONAI's would slow training down
            assert patch.shape == (1, *size)
            assert patch.dtype == torch.float32
            assert patch.min() >= -1
            assert patch.max() <= 1
            assert patch.std() > 0


def test_without_augmentation_slices_are_as_stored(store: Store) -> None:
    plain = DataConfig(patch_size=(64, 64), flip=False, augmentation="none")
    patch = UnpairedPatches(store, plain, length=1, seed=0)[0]["source"][0]
    stored = [
        torch.tensor(case.image[:, :, k].astype("float32")) for case in store.mr for k in range(case.image.shape[2])
    ]
    low = [(64 - n) // 2 for n in stored[0].shape]
    inner = patch[low[0] : low[0] + stored[0].shape[0], low[1] : low[1] + stored[0].shape[1]]
    assert any(torch.equal(inner, slice_) for slice_ in stored)


def test_the_body_moves_with_the_image(store: Store) -> None:
    turned = Augmentation(flip=True, rotation=45, scaling=0.05)
    patches = UnpairedPatches(store, DataConfig(patch_size=(64, 64)), length=10, seed=0, augmentation=turned)
    for index in range(10):
        target, body = patches[index]["target"], patches[index]["body"]
        assert ((target > -0.9) == body).float().mean() > 0.9


def test_every_case_is_drawn_and_no_empty_slice(store: Store) -> None:
    strict = DataConfig(patch_size=(64, 64), min_body_fraction=0.2)
    patches = UnpairedPatches(store, strict, length=60, seed=0)
    assert len(patches.source[2]) == len(store.mr)
    for index in range(60):
        assert (patches[index]["target"] > -1).float().mean() > 0.1


def test_previews_are_the_same_every_time(store: Store) -> None:
    first, second = preview_patches(store, CONFIG), preview_patches(store, CONFIG)
    assert set(first) == {"source", "source_body", "target", "body"}
    for name, images in first.items():
        assert images.shape == (2, 1, 64, 64)
        assert torch.equal(images, second[name])


def test_a_store_without_bodies(store: Store) -> None:
    with pytest.raises(DataError, match="min_body_fraction"):
        UnpairedPatches(store, DataConfig(patch_size=(64, 64), min_body_fraction=0.99), length=1, seed=0)


def test_indices_beyond_the_end(store: Store) -> None:
    with pytest.raises(IndexError):
        UnpairedPatches(store, CONFIG, length=1, seed=0)[1]


@pytest.mark.parametrize("augmentation", ["none", "light"])
def test_the_middle_of_neighbouring_slices_is_the_slice_itself(store: Store, augmentation: str) -> None:
    one = DataConfig(patch_size=(64, 64), augmentation=augmentation)
    three = UnpairedPatches(store, one.model_copy(update={"slices": 3}), length=8, seed=0)
    alone = UnpairedPatches(store, one, length=8, seed=0)
    for index in range(8):
        for name, patch in alone[index].items():
            assert three[index][name].shape == (3, 64, 64)
            torch.testing.assert_close(three[index][name][1:2], patch, rtol=0, atol=0)
    assert any(not torch.equal(three[index]["source"][0], three[index]["source"][1]) for index in range(8))
    assert preview_patches(store, one.model_copy(update={"slices": 3}))["source"].shape[1:] == (3, 64, 64)


PLAIN = DataConfig(patch_size=(64, 64), augmentation="none")


@pytest.mark.parametrize("slices", [1, 3])
def test_thick_slices_have_sub_slices_about_them(store: Store, slices: int) -> None:
    patches = UnpairedPatches(store, PLAIN, length=12, seed=0, thick=Thickness(2.0, 16.0, slices))
    alone = UnpairedPatches(store, PLAIN, length=12, seed=0)
    kinds = []
    for index in range(12):
        item = patches[index]
        assert item["target"].shape == item["body"].shape == (2 * slices + 1, 64, 64)
        assert torch.equal(item["source"], alone[index]["source"])  # MR has a thickness of its own
        kinds.append(not torch.equal(item["target"][slices - 1], item["target"][slices]))
    assert 0 < sum(kinds) < 12
    shown = preview_patches(store, PLAIN, Thickness(2.0, 16.0, slices))
    assert shown["target"].shape[1] == shown["body"].shape[1] == 2 * slices + 1


def test_the_distance_is_in_millimetres(store: Store) -> None:
    stack, random = (
        stacks_of(store.ct, PLAIN.plane, PLAIN.min_body_fraction)[0],
        np.random.default_rng(0),
    )  # slices of 5 mm
    assert Thickness(10, 10).draw(10, stack, random) == [9, 10, 11]
    assert Thickness(20, 20).draw(10, stack, random) == [8, 10, 12]
    assert Thickness(3, 3).draw(10, stack, random) == [10, 10, 10]
    assert Thickness(20, 20).draw(0, stack, random) == [0, 0, 2]
    assert Thickness(10, 10, 3).draw(10, stack, random) == [7, 8, 9, 10, 11, 12, 13]
    assert Thickness(5, 5, 3).draw(10, stack, random)[1::2] == [9, 10, 11]
    assert Thickness(10, 10, 3).draw(1, stack, random) == [0, 0, 0, 1, 2, 3, 4]


def test_focus_draws_slices_of_much_air_and_bone(store: Store) -> None:
    case = store.ct[0]
    hounsfield = case.intensity.inverse(np.asarray(case.image, np.float32))
    detailed = ((hounsfield < -300) | (hounsfield > 150)) & np.asarray(case.body)
    np.testing.assert_allclose(case.record.detail, detailed.mean(axis=(0, 1)), atol=2e-3)
    assert store.mr[0].record.detail == []

    def mean_detail(bone_air_sampling: float) -> float:
        config = PLAIN.model_copy(update={"bone_air_sampling": bone_air_sampling, "flip": False})
        patches = UnpairedPatches(store, config, length=300, seed=0)
        return float(
            np.mean([((p["target"] > 0.4) & p["body"]).float().mean() for p in map(patches.__getitem__, range(300))])
        )

    assert mean_detail(1.0) > 1.1 * mean_detail(0.0)


def test_a_store_of_ct_alone_gives_targets(store: Store) -> None:
    alone = replace(store, mr=())
    both, item = UnpairedPatches(store, PLAIN, length=3, seed=0)[2], UnpairedPatches(alone, PLAIN, length=3, seed=0)[2]
    assert set(item) == {"target", "body"}
    assert torch.equal(item["target"], both["target"])
    assert set(preview_patches(alone, PLAIN)) == {"target", "body"}


def test_neighbours_end_with_the_volume() -> None:
    assert neighbours(4, 1, 9) == [4]
    assert neighbours(4, 3, 9) == [3, 4, 5]
    assert neighbours(0, 5, 9) == [0, 0, 0, 1, 2]
    assert neighbours(8, 3, 9) == [7, 8, 8]


@pytest.mark.parametrize("bone_air_sampling", [0.0, 1.0])
def test_heights_of_mr_and_ct_can_be_matched(store: Store, bone_air_sampling: float) -> None:
    def apart(match: bool) -> float:
        config = PLAIN.model_copy(update={"match_height": match, "flip": False, "bone_air_sampling": bone_air_sampling})
        patches = UnpairedPatches(ramps(store), config, length=200, seed=0)
        items = [patches[index] for index in range(200)]
        return max(abs(float(item["source"].max() - item["target"].max())) / 2 for item in items)

    assert apart(match=True) < 0.15  # and a slice more or less
    assert apart(match=False) > 0.5


def ramps(store: Store) -> Store:
    """The store with images that tell how high a slice is among those with a body, from −1 to 1."""

    def ramp(case: StoredCase) -> StoredCase:
        shown = [number for number, part in enumerate(case.record.body_fraction) if part > PLAIN.min_body_fraction]
        image = np.full(case.image.shape, -1.0, dtype=np.float16)
        image[:, :, shown] = np.linspace(-1, 1, len(shown))
        other = StoredCase(case.folder, case.record)
        other.__dict__["image"] = image
        return other

    return replace(store, mr=tuple(map(ramp, store.mr)), ct=tuple(map(ramp, store.ct)))
