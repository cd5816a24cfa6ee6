"""RegGAN with cycles, by the equations of its paper."""

import numpy as np
import pytest
import torch
from torch.nn.functional import l1_loss

from medcycle.batch import Pair
from medcycle.losses.smoothness import smoothness_loss
from medcycle.networks.deformation import DeformationNet
from medcycle.networks.layers import Layers
from tests.methods.support import DIMENSIONS, images_for, small_method


@pytest.mark.parametrize("dims", [2, 3])
def test_a_known_displacement_moves_the_image(dims: int) -> None:
    net = DeformationNet(Layers(dims), 4, 2)
    moving = torch.rand(1, 2, *[12] * dims)
    displacement = torch.zeros(1, dims, *[12] * dims)
    displacement[:, 0], displacement[:, 1] = 2, -1
    torch.testing.assert_close(net(moving, torch.zeros_like(displacement)), moving)
    inner = (slice(None), slice(None), slice(1, 10), slice(1, 11))
    moved = net(moving, displacement)
    torch.testing.assert_close(moved[inner], moving.roll((-2, 1), (2, 3))[inner], atol=1e-5, rtol=0)


def test_displacements_are_bounded() -> None:
    net = DeformationNet(Layers(2), 4, 2, largest=3.0)
    for weight in net.net.exit.parameters():
        torch.nn.init.constant_(weight, 50.0)
    assert net.displacement(torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16)).abs().max() <= 3


@pytest.mark.parametrize("sizes", [(6, 7), (5, 6, 7)])
def test_roughness_is_numpys(sizes: tuple[int, ...]) -> None:
    field = np.random.default_rng(0).normal(size=(2, len(sizes), *sizes))
    expected = np.mean([np.square(np.diff(field, axis=axis)).mean() for axis in range(2, field.ndim)])
    assert smoothness_loss(torch.from_numpy(field)).item() == pytest.approx(expected, rel=1e-5)


def test_losses_follow_the_paper() -> None:
    method, batch = (
        small_method("regcyclegan", "method.registered_weight=20"),
        images_for([], registered=True),
    )
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    pair = batch.registered
    made = method.translate(pair.source)
    registration = method.generators["registration"]
    displacement = registration.displacement(made, pair.target)
    moved = registration(made, displacement)
    error = ((moved - pair.target).abs() * pair.weight).sum() / pair.weight.sum()
    torch.testing.assert_close(losses["registered_target"], 20 * error)
    assert losses["smoothness"] > 0
    alone = batch._replace(registered=None)
    assert set(losses) - set(method.generator_losses(alone, method(alone))) == {"registered_target", "smoothness"}
    smooth = method.generator_losses(batch, outputs | {"displacement": torch.ones_like(displacement)})
    assert smooth["smoothness"] == 0
    assert "registered_source" not in losses
    expected = ["registered_source", "registered_synthetic", "moved", "registered_target"]
    assert list(method.views(batch))[-4:] == expected


@pytest.mark.parametrize("sizes", DIMENSIONS)
def test_every_weight_learns(sizes: list[str]) -> None:
    method = small_method("regcyclegan", *sizes)
    batch = images_for(sizes, registered=True)
    sum(method.generator_losses(batch, method(batch)).values()).backward()
    assert all(weight.grad is not None for weight in method.generators.parameters())


@pytest.mark.slow
def test_it_learns_to_register() -> None:
    """With a generator that changes nothing, what is shifted by three voxels is found again."""
    method = small_method("regcyclegan", "method.largest_displacement=6")
    method.generators["target"] = torch.nn.Identity()
    registration = method.generators["registration"]
    optimizer = torch.optim.Adam(registration.parameters(), 3e-3)
    smooth = torch.nn.functional.interpolate(torch.randn(4, 1, 6, 6), (32, 32), mode="bicubic").clamp(-1, 1)
    pair = Pair(smooth, smooth.roll(3, 2), torch.ones_like(smooth))
    before = l1_loss(pair.source, pair.target).item()
    for _ in range(150):
        displacement = registration.displacement(pair.source, pair.target)
        loss = l1_loss(registration(pair.source, displacement), pair.target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * before
