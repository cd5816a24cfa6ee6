"""The effects of acquisition, one by one."""

import numpy as np
import pytest
import torch

from medcycle.simulation.acquisition import (
    bias_field,
    blurred,
    chemical_shift,
    ghosted,
    metal_voids,
    rician,
    ringing,
    thick,
)

SIZES = [(40, 48), (20, 24, 28)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sizes", SIZES)
def test_effects_of_no_strength_change_nothing(sizes: tuple[int, ...]) -> None:
    images = torch.rand(3, 1, *sizes, generator=seeded())
    torch.testing.assert_close(blurred(images, 0.0, seeded()), images)
    torch.testing.assert_close(rician(images, 0.0, seeded()), images)
    torch.testing.assert_close(images * bias_field(images, 0.0, (0.3, 0.8), seeded()), images)
    assert torch.equal(ringing(images, 0.0, 0.5, seeded()), images)
    torch.testing.assert_close(ringing(images, 1.0, 1.0, seeded()), images)
    assert torch.equal(ghosted(images, 0.0, 0.5, seeded()), images)
    assert torch.equal(ghosted(images, 1.0, 0.0, seeded()), images)
    assert torch.equal(metal_voids(images, images > 2, seeded(), 0.0, (0.1, 0.2)), images)
    assert not chemical_shift(images, seeded(), 0).any()


@pytest.mark.parametrize("sizes", SIZES)
def test_effects_come_in_all_sizes_and_from_the_seed(sizes: tuple[int, ...]) -> None:
    images = torch.rand(3, 1, *sizes, generator=seeded())
    for effect in (
        lambda seed: blurred(images, 2.0, seeded(seed)),
        lambda seed: rician(images, 0.5, seeded(seed)),
        lambda seed: ringing(images, 1.0, 0.3, seeded(seed)),
        lambda seed: ghosted(images, 1.0, 0.5, seeded(seed)),
        lambda seed: metal_voids(images, images > 2, seeded(seed), 1.0, (0.1, 0.2)),
        lambda seed: bias_field(images, 0.5, (0.3, 0.8), seeded(seed)),
    ):
        assert effect(1).shape == images.shape
        assert effect(1).min() >= 0
        assert torch.equal(effect(1), effect(1))
        assert not torch.equal(effect(1), effect(2))
        assert not torch.equal(effect(1), images)


def test_blur_smooths_and_keeps_the_sum() -> None:
    points = torch.zeros(4, 1, 41, 41)
    points[:, 0, 20, 20] = 1
    found = blurred(points, 2.0, seeded())
    torch.testing.assert_close(found.sum((1, 2, 3)), torch.ones(4))
    assert (found.amax((1, 2, 3)) < 0.9).all()
    assert len(found.amax((1, 2, 3)).unique()) == 4


def test_a_body_that_goes_on_beyond_the_patch_does_not_turn_dark_there() -> None:
    for sizes in ((24, 24), (24, 24, 3)):
        even = torch.ones(2, 1, *sizes)
        torch.testing.assert_close(blurred(even, 2.0, seeded()), even)


def test_noise_is_rician() -> None:
    nothing = torch.zeros(1, 1, 200, 200)
    noise = rician(nothing, 1.0, seeded())
    assert noise.mean() / noise.std() == pytest.approx((np.pi / (4 - np.pi)) ** 0.5, rel=0.02)  # Rayleigh's


def test_ringing_overshoots_at_an_edge_by_nine_percent() -> None:
    # Wilbraham's and Gibbs's constant: a truncated series overshoots a step by 8.95 % of its height
    edge = torch.zeros(20, 1, 256, 256)
    edge[:, :, 64:192, 64:192] = 1
    found = ringing(edge, 1.0, 0.3, seeded())
    assert (found.amax((1, 2, 3)) - 1).median() == pytest.approx(0.0895, abs=0.03)


def test_a_ghost_lies_a_part_of_the_length_away() -> None:
    point = torch.zeros(30, 1, 48, 48)
    point[:, 0, 10, 10] = 1
    found = ghosted(point, 1.0, 0.5, seeded())
    assert (found[:, 0, 10, 10] == 1).all()
    for image in found[:, 0]:
        row, column = (image - point[0, 0]).nonzero()[0].tolist()
        away = max(abs(row - 10), abs(column - 10))
        assert min(row, column) == 10  # along one axis
        assert away in (24, 16, 12)  # of two, three or four
        assert image.max() <= 1


def test_metal_and_what_is_about_it_gives_no_signal() -> None:
    images = torch.ones(2, 1, 32, 32)
    metal = torch.zeros_like(images, dtype=torch.bool)
    metal[0, 0, 16, 16] = True
    found = metal_voids(images, metal, seeded(), 0.0, (0.1, 0.2))
    assert (found[0, 0, 14:19, 14:19] == 0).all()
    assert found[0].sum() > 900
    assert torch.equal(found[1], images[1])


def test_a_chemical_shift_moves_fat_and_keeps_its_sum() -> None:
    fat = torch.zeros(20, 1, 32, 32)
    fat[:, :, 10:20, 10:20] = 1
    change = chemical_shift(fat, seeded(), 3)
    torch.testing.assert_close(change.sum((1, 2, 3)), torch.zeros(20))
    assert change.abs().amax((1, 2, 3)).bool().float().mean() > 0.5  # a shift of 0 is drawn too
    widths = [int(image[0].any(0).sum()) for image in (fat + change > 0.5)]
    assert set(widths) == {10}


def test_thick_slices_are_means_that_share_borders() -> None:
    images = torch.rand(2, 1, 8, 8, 5, generator=seeded())
    shares = torch.tensor([0.0, 1 / 3]).reshape(2, 1, 1, 1, 1)
    made = thick(images, shares)
    assert torch.equal(made[0], images[0, ..., 1::2])
    for slice_ in (0, 1):
        mean = images[1, ..., 2 * slice_ : 2 * slice_ + 3].mean(-1)
        torch.testing.assert_close(made[1, ..., slice_], mean)
