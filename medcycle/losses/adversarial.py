"""Adversarial losses: least squares (Mao et al. 2017).

A discriminator's judgement is a tensor of logits, of any shape.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["discriminator_loss", "generator_loss"]


def generator_loss(fake: Tensor) -> Tensor:
    """How far a generator is from being taken for real (eq. 9 with b = c = 1).

    Args:
        fake: the discriminator's judgement of generated images.

    Returns:
        A scalar; 0 when every patch is judged 1.
    """
    return (fake.float() - 1).square().mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """How badly a discriminator separates real from generated, halved as in CycleGAN.

    Args:
        real: its judgement of real images.
        fake: its judgement of generated images.

    Returns:
        A scalar; 0 when real patches are judged 1 and generated ones 0, 0.25 when all are judged 0.5.
    """
    return 0.5 * ((real.float() - 1).square().mean() + fake.float().square().mean())
