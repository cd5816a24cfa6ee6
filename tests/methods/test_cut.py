"""CUT, by the equations of its paper."""

import pytest
import torch
from torch.nn import functional

from medcycle.batch import Batch
from medcycle.errors import ConfigError
from medcycle.losses.contrastive import patch_nce_loss
from medcycle.methods.cut import Cut
from tests.methods.support import DIMENSIONS, error_of, images_for, small_method, with_pair

UNET = ["network.name=unet", "network.levels=4"]


def built(*overrides: str) -> Cut:
    return small_method("cut", *overrides)


@pytest.fixture
def batch() -> Batch:
    return images_for([])


def test_the_contrast_is_a_cross_entropy_over_the_patches_of_an_image() -> None:
    random = torch.Generator().manual_seed(0)
    queries, keys = (functional.normalize(torch.randn(2, 5, 8, generator=random), dim=2) for _ in range(2))
    expected = []
    for image in range(2):
        for place in range(5):
            chances = torch.softmax(torch.stack([queries[image, place] @ key / 0.1 for key in keys[image]]), 0)
            expected.append(-chances[place].log())
    torch.testing.assert_close(patch_nce_loss(queries, keys, 0.1), torch.stack(expected).mean())
    assert patch_nce_loss(keys, keys, 0.01) < 1e-3
    keys.requires_grad_()
    queries.requires_grad_()
    patch_nce_loss(queries, keys).backward()
    assert keys.grad is None
    assert queries.grad is not None


@pytest.mark.parametrize("network", [["network.name=resnet"], UNET])
@pytest.mark.parametrize("sizes", DIMENSIONS)
def test_every_weight_learns(network: list[str], sizes: list[str]) -> None:
    method = built(*network, *sizes)
    batch = images_for(sizes)
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    assert set(losses) == {"adversarial_target", "nce_target", "identity_target"}
    sum(losses.values()).backward()
    assert all(weight.grad is not None for weight in method.generators.parameters())
    # not only through the output: the encoder is also what describes the patches
    method.zero_grad()
    made = method.generators["target"].features(outputs["synthetic_target"].detach())
    method.generators["sampler"](made, method.generators["sampler"].places(made))[2].sum().backward()
    first = next(method.generators["target"].parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0
    method.zero_grad()
    sum(method.discriminator_losses(batch, method.fakes(method(batch))).values()).backward()
    assert all(weight.grad is not None for weight in method.discriminators.parameters())


def test_an_output_that_keeps_its_input_has_a_low_contrast(batch: Batch) -> None:
    method = built("network.blocks=6")
    optimizer = torch.optim.Adam(method.generators["sampler"].parameters(), 1e-2)
    images = batch.source
    for _ in range(60):
        loss = method._contrast(images, images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    same, moved = (method._contrast(other, images).item() for other in (images, images.roll(7, -1)))
    assert same < 0.7 * moved


def test_losses_are_weighted(batch: Batch) -> None:
    chosen = [
        "method.nce_weight=10",
        "method.nce_identity_weight=0",
        "method.simulated_pair_weight=3",
        "method.mind_weight=2",
    ]
    method = built(*chosen)
    given = with_pair(batch)
    outputs = method(given)
    assert set(outputs) == {"synthetic_target", "synthetic_of_pair"}
    losses = method.generator_losses(given, outputs)
    assert set(losses) == {"adversarial_target", "nce_target", "simulated_pair_target", "structure_target"}
    error = error_of(method, given.pair)
    torch.testing.assert_close(losses["simulated_pair_target"], 3 * error)
    torch.testing.assert_close(method.warm_start_losses(given), {"simulated_pair_target": 10 * error})
    torch.manual_seed(2)
    weighted = method.generator_losses(given, outputs)["nce_target"]
    torch.manual_seed(2)
    torch.testing.assert_close(weighted, 10 * method._contrast(outputs["synthetic_target"], batch.source))


def test_one_direction_and_its_views(batch: Batch) -> None:
    method = built()
    assert not method.two_way
    with pytest.raises(ValueError, match="no generator"):
        method.translate(batch.target, reverse=True)
    assert list(method.views(batch)) == ["source", "synthetic_target", "target", "same_target"]


def test_networks_without_features_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"cut needs network\.name resnet or unet"):
        built("network.name=monai")
