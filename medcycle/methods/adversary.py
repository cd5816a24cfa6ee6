"""What generators and discriminators learn from each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medcycle.losses.adversarial import AdversarialKind, discriminator_loss, generator_loss, gradient_penalty

__all__ = ["Adversary"]


@dataclass(frozen=True)
class Adversary:
    """An adversarial loss, for any discriminator.

    Args:
        kind: of the loss.
        weight: of what the generators learn from it.
        penalty: weight of the gradient penalty, of "wgan-gp" alone.
    """

    kind: AdversarialKind = "least-squares"
    weight: float = 1.0
    penalty: float = 10.0

    def of_generator(self, judge: nn.Module, fake: Tensor) -> Tensor:
        """The weighted loss of what made `fake`, shape (batch, channels, *sizes)."""
        return self.weight * generator_loss(judge(fake), self.kind)

    def of_discriminator(self, judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of the judge, of as many real as generated images, detached; shapes (batch, channels, *sizes)."""
        judged = [logits.split(len(real)) for logits in judge(torch.cat([real, fake]))]
        loss = discriminator_loss([both[0] for both in judged], [both[1] for both in judged], self.kind)
        if self.kind != "wgan-gp":
            return loss
        return loss + self.penalty * gradient_penalty(judge, real, fake)
