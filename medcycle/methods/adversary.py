"""What generators and discriminators learn from each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medcycle.losses.adversarial import discriminator_loss, generator_loss

__all__ = ["Adversary"]


@dataclass(frozen=True)
class Adversary:
    """The adversarial loss, for any discriminator.

    Args:
        weight: of what the generators learn from it.
    """

    weight: float = 1.0

    def of_generator(self, judge: nn.Module, fake: Tensor) -> Tensor:
        """The weighted loss of what made `fake`, shape (batch, channels, *sizes)."""
        return self.weight * generator_loss(judge(fake))

    def of_discriminator(self, judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of the judge, of as many real as generated images, detached; shapes (batch, channels, *sizes)."""
        return discriminator_loss(*judge(torch.cat([real, fake])).split(len(real)))
