"""Adversarial losses."""

from __future__ import annotations

from torch import Tensor

__all__ = ["discriminator_loss", "generator_loss"]


def generator_loss(fake_logits: Tensor) -> Tensor:
    """How far a generator is from being taken for real: least squares (Mao et al. 2017, eq. 9 with b = c = 1).

    Args:
        fake_logits: the discriminator's judgement of generated images, any shape.

    Returns:
        A scalar, 0 when every patch is taken for real.
    """
    return (fake_logits.float() - 1).square().mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """How badly a discriminator separates real from generated: least squares, halved as in CycleGAN.

    Args:
        real_logits: its judgement of real images, any shape.
        fake_logits: its judgement of generated images, any shape.

    Returns:
        A scalar, 0 when real patches are judged 1 and generated ones 0, 0.25 when all are judged 0.5.
    """
    return 0.5 * ((real_logits.float() - 1).square().mean() + fake_logits.float().square().mean())
