"""Changes at random: of anatomy for both modalities alike, of grey values for MR alone."""

import numpy as np
import pytest
import torch

from medcycle.config import DataConfig
from medcycle.dataset.augmentation import LEVELS, Augmentation, ContrastChange, ShapeChange
from medcycle.dataset.patches import UnpairedPatches, preview_patches
from medcycle.dataset.registered import RegisteredPatches
from medcycle.dataset.store import Store

PLAIN = Augmentation()
SIZES = [(64, 48), (32, 40, 36)]


def patches_of(store: Store, size: tuple[int, ...], **by: float) -> UnpairedPatches:
    return UnpairedPatches(store, DataConfig(patch_size=size), length=6, seed=0, augmentation=Augmentation(**by))


@pytest.mark.parametrize("level", LEVELS)
def test_a_configuration_names_how_much(level: str) -> None:
    found = Augmentation.of(DataConfig(augmentation=level, flip=False))
    assert (found == PLAIN) == (level == "none")
    assert (found.gamma > 0) == (found.bending > 0) == (level == "strong")


@pytest.mark.parametrize("size", SIZES)
def test_bending_moves_by_a_part_of_the_size(size: tuple[int, ...]) -> None:
    """Images of their own coordinates say where each voxel comes from."""
    places = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, n) for n in size], indexing="ij"))
    bend = ShapeChange(Augmentation(bending=0.05), size)
    inner = (slice(None), *[slice(n // 4, -n // 4) for n in size])
    moved = [(bend(places, np.random.default_rng(seed)) - places)[inner] / 2 for seed in range(8)]
    largest = torch.stack([shift.abs().max() for shift in moved])
    assert largest.max() < 0.08  # a curve through random points overshoots them
    assert largest.min() > 0.005
    assert torch.equal(bend(places, np.random.default_rng(3)), bend(places, np.random.default_rng(3)))
    assert ShapeChange(PLAIN, size)(places, np.random.default_rng(0)) is places


@pytest.mark.parametrize("size", SIZES)
def test_the_body_bends_with_the_image(store: Store, size: tuple[int, ...]) -> None:
    bent, straight = patches_of(store, size, bending=0.1), patches_of(store, size)
    for index in range(6):
        item = bent[index]
        assert not torch.equal(item["target"], straight[index]["target"])
        for image, body in (("target", "body"), ("source", "source_body")):
            assert ((item[image] > -0.9) == item[body]).float().mean() > 0.85


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("settings", [{"gamma": 0.5}, {"bias": 0.5}, {"gamma": 0.3, "bias": 0.3}])
def test_grey_values_change_in_the_body_of_mr_alone(
    store: Store, settings: dict[str, float], size: tuple[int, ...]
) -> None:
    changed, plain = patches_of(store, size, **settings), patches_of(store, size)
    for index in range(6):
        one, other = changed[index], plain[index]
        for name in ("target", "body", "source_body"):
            assert torch.equal(one[name], other[name])
        body = one["source_body"]
        assert torch.equal(one["source"][~body], other["source"][~body])
        assert (one["source"] - other["source"])[body].abs().mean() > 0.01
        assert one["source"][body].min() >= -0.8001
        assert one["source"].max() <= 1


def test_gamma_keeps_the_order_of_grey_values() -> None:
    image = torch.linspace(-0.8, 1, 100)[None, None].expand(1, 4, 100)
    body = torch.ones_like(image, dtype=torch.bool)
    change = ContrastChange(Augmentation(gamma=0.5))
    levels = []
    for seed in range(20):
        made = change(image, body, np.random.default_rng(seed))
        assert (made.diff(dim=2) >= 0).all()
        torch.testing.assert_close(made[..., [0, -1]], image[..., [0, -1]])
        # x ** gamma of the scaled signal, gamma between exp(-0.5) and exp(0.5)
        levels.append(np.log((made[0, 0, 50].item() + 0.8) / 1.8) / np.log((image[0, 0, 50].item() + 0.8) / 1.8))
    assert np.exp(-0.5) - 1e-3 <= min(levels) < 0.9
    assert 1.1 < max(levels) <= np.exp(0.5) + 1e-3


def test_pairs_are_bent_alike_and_ct_keeps_its_values(paired: Store) -> None:
    changed, bent = (
        RegisteredPatches(paired, DataConfig(patch_size=(64, 64)), length=4, seed=0, augmentation=by)
        for by in (Augmentation(bending=0.1, gamma=0.5, bias=0.5), Augmentation(bending=0.1))
    )
    for index in range(4):
        assert torch.equal(changed[index]["target"], bent[index]["target"])
        assert not torch.equal(changed[index]["source"], bent[index]["source"])
        assert ((changed[index]["source"] > -0.9) == changed[index]["body"]).float().mean() > 0.85


@pytest.mark.parametrize("size", [(16, 16), (16, 16, 16)])
def test_patches_lie_about_the_body(store: Store, size: tuple[int, ...]) -> None:
    def in_the_middle(share: float) -> float:
        patches = UnpairedPatches(
            store, DataConfig(patch_size=size, body_share=share), length=60, seed=0, augmentation=PLAIN
        )
        middle = (0, *[n // 2 for n in size])
        return float(np.mean([patches[index]["source_body"][middle].item() for index in range(60)]))

    assert in_the_middle(1.0) > in_the_middle(0.0)
    assert in_the_middle(1.0) > 0.7  # near the border the patch stays within the image


def test_previews_are_not_augmented(store: Store) -> None:
    settings = {"augmentation": "strong", "body_share": 1.0}
    changed, plain = (
        preview_patches(store, DataConfig.model_validate({"patch_size": (64, 64)} | more))
        for more in (settings, {"augmentation": "none"})
    )
    for name, images in plain.items():
        assert torch.equal(changed[name], images)
