"""Structure losses against NumPy, and what they can and can't see."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from medcycle.losses.structure import mind, mind_loss

SIZES = [(20, 17), (9, 12, 10)]


def blobs(sizes: tuple[int, ...], seed: int, batch: int = 2) -> Tensor:
    """Smooth images that fill −1 to 1."""
    noise = np.random.default_rng(seed).standard_normal((batch, 1, *sizes))
    smooth = ndimage.gaussian_filter(noise, (0, 0, *[2] * len(sizes)))
    return torch.from_numpy(smooth / np.abs(smooth).max()).float()


@pytest.mark.parametrize("sizes", SIZES)
def test_mind_equals_numpys(sizes: tuple[int, ...]) -> None:
    image = blobs(sizes, 0)
    described = mind(image, distance=2, radius=1).numpy()
    dims = len(sizes)
    assert described.shape == (2, {2: 4, 3: 12}[dims], *sizes)
    steps = [sign * 2 * np.eye(dims, dtype=int)[axis] for axis in range(dims) for sign in (-1, 1)]
    couples = [(a, b) for a, b in combinations(steps, 2) if np.dot(a, b) == 0]
    array = image[:, 0].numpy().astype(float)
    for number, single in enumerate(array):
        seen = np.pad(single, 2, mode="edge")

        def moved(step: np.ndarray, seen: np.ndarray = seen) -> np.ndarray:
            return seen[tuple(slice(2 + s, 2 + s + size) for s, size in zip(step, sizes, strict=True))]

        distances = np.array(
            [ndimage.uniform_filter((moved(a) - moved(b)) ** 2, 3, mode="nearest") for a, b in couples]
        )
        variance = distances.mean(axis=0)
        expected = np.exp(-distances / np.clip(variance, 1e-3 * variance.mean(), 1e3 * variance.mean()))
        np.testing.assert_allclose(described[number], expected, atol=1e-4)


@pytest.mark.parametrize("sizes", SIZES)
def test_what_is_moved_or_another_costs_more(sizes: tuple[int, ...]) -> None:
    image, other = blobs(sizes, 0), blobs(sizes, 1)
    same = mind_loss(image, 0.5 * image + 0.2)
    assert same < mind_loss(image, 0.5 * image.roll(2, -1) + 0.2)
    assert same < mind_loss(image, other)


def test_flat_images_have_finite_slopes() -> None:
    made = torch.zeros(1, 1, 16, 16, requires_grad=True)
    mind_loss(torch.full((1, 1, 16, 16), -1.0), made).backward()
    assert torch.isfinite(made.grad).all()


def test_contrast_may_be_inverted_for_mind() -> None:
    image = blobs((20, 17), 0)
    assert mind_loss(image, -0.3 * image + 0.4).item() == pytest.approx(0, abs=1e-3)


def test_neighbouring_slices_are_described_one_by_one() -> None:
    image, other = blobs((20, 17), 0, batch=6), blobs((20, 17), 1, batch=6)
    stacked = [tensor.reshape(2, 3, 20, 17) for tensor in (image, other)]
    torch.testing.assert_close(mind_loss(*stacked), mind_loss(image, other))
