"""Structure losses against NumPy, and what they can and can't see."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from medcycle.losses.structure import (
    StructureWeights,
    mind,
    mind_loss,
    mutual_information_loss,
    shape_loss,
    silhouette,
    structure_loss,
)

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


def test_mutual_information_is_that_of_the_histogram() -> None:
    levels = torch.randint(0, 4, (1, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    values = torch.tensor([-0.9, -0.3, 0.3, 0.9])
    image, other = values[levels], values[(levels * 3 + 1) % 4]
    shares = np.bincount(levels.ravel(), minlength=4) / levels.numel()
    assert mutual_information_loss(image, other).item() == pytest.approx((shares * np.log(shares)).sum(), abs=0.02)
    shuffled = other.flatten()[torch.randperm(other.numel(), generator=torch.Generator().manual_seed(1))]
    assert mutual_information_loss(image, shuffled.view_as(other)).item() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("loss", [mind_loss, mutual_information_loss])
@pytest.mark.parametrize("sizes", SIZES)
def test_what_is_moved_or_another_costs_more(loss, sizes: tuple[int, ...]) -> None:
    image, other = blobs(sizes, 0), blobs(sizes, 1)
    same = loss(image, 0.5 * image + 0.2)
    assert same < loss(image, 0.5 * image.roll(2, -1) + 0.2)
    assert same < loss(image, other)


@pytest.mark.parametrize("loss", [mind_loss, mutual_information_loss])
def test_flat_images_have_finite_slopes(loss) -> None:
    made = torch.zeros(1, 1, 16, 16, requires_grad=True)
    loss(torch.full((1, 1, 16, 16), -1.0), made).backward()
    assert torch.isfinite(made.grad).all()


def test_contrast_may_be_inverted_for_mind() -> None:
    image = blobs((20, 17), 0)
    assert mind_loss(image, -0.3 * image + 0.4).item() == pytest.approx(0, abs=1e-3)


def test_neighbouring_slices_are_described_one_by_one() -> None:
    image, other = blobs((20, 17), 0, batch=6), blobs((20, 17), 1, batch=6)
    stacked = [tensor.reshape(2, 3, 20, 17) for tensor in (image, other)]
    torch.testing.assert_close(mind_loss(*stacked), mind_loss(image, other))


def test_the_sum_is_weighted() -> None:
    image, made = blobs((20, 17), 0), blobs((20, 17), 1)
    expected = 2 * mind_loss(image, made) + 3 * mutual_information_loss(image, made)
    torch.testing.assert_close(structure_loss(image, made, StructureWeights(2, 3)), expected)
    informed = structure_loss(image, made, StructureWeights(mutual_information=0.5))
    torch.testing.assert_close(informed, 0.5 * mutual_information_loss(image, made))
    assert structure_loss(image, made, StructureWeights()).item() == 0


@pytest.mark.parametrize("sizes", SIZES)
def test_a_silhouette_has_no_cavities(sizes: tuple[int, ...]) -> None:
    box = torch.zeros(1, 1, *sizes)
    inner = (0, 0, *[slice(3, -3)] * len(sizes))
    box[inner] = 1
    hollow = box.clone()
    hollow[(0, 0, *[slice(4, -4)] * len(sizes))] = 0
    assert torch.equal(silhouette(hollow), box)
    opened = hollow.clone()
    opened[(0, 0, slice(0, 4), *[slice(4, -4)] * (len(sizes) - 1))] = 0  # one side is off
    assert torch.equal(silhouette(opened), opened)
    half = 0.5 * torch.rand(box.shape, generator=torch.Generator().manual_seed(0)) * box
    found = silhouette(half)
    assert (found >= half).all()
    assert (found[box == 0] == 0).all()


@pytest.mark.parametrize("sizes", SIZES)
def test_the_shape_is_the_outline_whatever_is_inside(sizes: tuple[int, ...]) -> None:
    body = torch.zeros(2, 1, *sizes, dtype=torch.bool)
    body[(slice(None), slice(None), *[slice(2, -2)] * len(sizes))] = True
    wall = body.clone()
    wall[(slice(None), slice(None), *[slice(3, -3)] * len(sizes))] = False
    for made in (torch.where(body, blobs(sizes, 0) * 0.7, -1.0), torch.where(wall, 0.3, -1.0)):
        assert shape_loss(body, made).item() < 0.05
    assert shape_loss(body, torch.full(body.shape, -1.0)).item() > 0.8
    made = torch.where(body, 0.3, -1.0).roll(2, dims=2).requires_grad_()
    loss = shape_loss(body, made)
    n = body[0, 0].sum().item()
    both = n * (sizes[0] - 6) / (sizes[0] - 4)
    assert loss.item() == pytest.approx(1 - both / n, abs=0.05)
    loss.backward()
    assert made.grad is not None
    assert made.grad.abs().sum() > 0


def test_the_shape_needs_a_body() -> None:
    image = blobs(SIZES[0], 0)
    with pytest.raises(ValueError, match="none is given"):
        structure_loss(image, image, StructureWeights(shape=1))
    body = image > 0
    expected = 3 * shape_loss(body, image)
    torch.testing.assert_close(structure_loss(image, image, StructureWeights(shape=3), body), expected)
