"""Losses against their closed forms, and against MONAI's."""

import numpy as np
import pytest
import torch
from monai.losses import PatchAdversarialLoss

from medcycle.losses.adversarial import discriminator_loss, generator_loss
from medcycle.losses.cycle import cycle_loss, identity_loss
from medcycle.losses.weighted import weighted_l1


def test_least_squares_equals_monai() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    monai = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
    torch.testing.assert_close(generator_loss(fake), monai(fake, target_is_real=True, for_discriminator=False))
    expected = 0.5 * (
        monai(real, target_is_real=True, for_discriminator=True)
        + monai(fake, target_is_real=False, for_discriminator=True)
    )
    torch.testing.assert_close(discriminator_loss(real, fake), expected)


def test_where_the_losses_vanish() -> None:
    ones, zeros = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    assert generator_loss(ones) == 0
    assert discriminator_loss(ones, zeros) == 0
    assert discriminator_loss(ones / 2, ones / 2) == 0.25


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
