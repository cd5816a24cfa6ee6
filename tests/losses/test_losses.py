"""Losses against their closed forms, and against MONAI's."""

import numpy as np
import pytest
import torch
from monai.losses import PatchAdversarialLoss

from medcycle.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty
from medcycle.losses.cycle import cycle_loss, identity_loss
from medcycle.losses.weighted import weighted_l1


def test_least_squares_equals_monai() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    monai = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
    torch.testing.assert_close(generator_loss([fake]), monai(fake, target_is_real=True, for_discriminator=False))
    expected = 0.5 * (
        monai(real, target_is_real=True, for_discriminator=True)
        + monai(fake, target_is_real=False, for_discriminator=True)
    )
    torch.testing.assert_close(discriminator_loss([real], [fake]), expected)


@pytest.mark.parametrize("kind", ["vanilla", "hinge", "wgan-gp"])
def test_other_adversarial_losses_equal_their_formulas(kind: str) -> None:
    random = np.random.default_rng(0)
    real, fake = (random.normal(scale=2, size=(2, 1, 5, 6)) for _ in range(2))

    def chance(logits: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-logits))

    generator, discriminator = {
        "vanilla": (-np.log(chance(fake)).mean(), -(np.log(chance(real)) + np.log(1 - chance(fake))).mean() / 2),
        "hinge": (-fake.mean(), (np.maximum(0, 1 - real) + np.maximum(0, 1 + fake)).mean() / 2),
        "wgan-gp": (-fake.mean(), fake.mean() - real.mean()),
    }[kind]
    logits = [[torch.from_numpy(array)] for array in (real, fake)]
    assert generator_loss(logits[1], kind).item() == pytest.approx(generator, rel=1e-5)
    assert discriminator_loss(*logits, kind).item() == pytest.approx(discriminator, rel=1e-5)


def test_scales_count_alike() -> None:
    small, large = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 8, 8)
    assert generator_loss([small, large]).item() == pytest.approx(0.5)
    assert discriminator_loss([small, large], [large, small]).item() == pytest.approx(0.5)


def test_the_gradient_penalty_of_a_linear_judge() -> None:
    """Whose slope is the same everywhere: `slope` on each of 12 pixels, of each of two scales."""
    real, fake = torch.randn(3, 1, 3, 4), torch.randn(3, 1, 3, 4)

    def judge(image: torch.Tensor) -> list[torch.Tensor]:
        return [slope * image.sum(dim=(1, 2, 3), keepdim=True) for slope in (0.2, 0.3)]

    expected = (0.5 * 12**0.5 - 1) ** 2
    assert gradient_penalty(judge, real, fake).item() == pytest.approx(expected, rel=1e-4)


def test_the_gradient_penalty_trains_the_judge() -> None:
    judge = torch.nn.Conv2d(1, 1, 3)
    gradient_penalty(lambda image: [judge(image)], torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)).backward()
    assert judge.weight.grad.abs().sum() > 0


def test_where_the_losses_vanish() -> None:
    ones, zeros = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    assert generator_loss([ones]) == 0
    assert discriminator_loss([ones], [zeros]) == 0
    assert discriminator_loss([ones / 2], [ones / 2]) == 0.25


@pytest.mark.parametrize("loss", [cycle_loss, identity_loss])
def test_weighted_mean_absolute_differences(loss) -> None:
    real = torch.tensor([0.0, 1.0, -1.0, 0.5])
    other = torch.tensor([0.5, 1.0, 0.0, 0.5])
    assert loss(real, other, 4.0).item() == pytest.approx(4 * (0.5 + 1.0) / 4)
    assert loss(real, real).item() == 0


def test_weighted_l1_is_numpys_average() -> None:
    random = np.random.default_rng(0)
    made, target, weight = (random.random((2, 1, 6, 7)) for _ in range(3))
    tensors = [torch.from_numpy(array) for array in (made, target, weight)]
    expected = np.average(np.abs(made - target), weights=weight)
    assert weighted_l1(*tensors).item() == pytest.approx(expected)
    assert weighted_l1(*tensors[:2]).item() == pytest.approx(np.abs(made - target).mean())
    assert weighted_l1(tensors[0], tensors[1], torch.zeros(2, 1, 6, 7)).item() == 0


def test_voxels_can_count_more_and_less() -> None:
    real, made = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    counting = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    expected = np.average((real - made).abs().numpy(), weights=counting.numpy())
    assert cycle_loss(real, made, 4.0, counting=counting).item() == pytest.approx(4 * expected, rel=1e-5)
    assert identity_loss(real, made, 3.0, counting).item() == pytest.approx(3 * expected, rel=1e-5)
