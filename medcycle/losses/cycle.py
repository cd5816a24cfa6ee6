"""Losses that tie a translation to its input."""

from __future__ import annotations

from torch import Tensor

from medcycle.losses.weighted import weighted_l1

__all__ = ["cycle_loss", "identity_loss"]


def cycle_loss(real: Tensor, restored: Tensor, weight: float = 10.0) -> Tensor:
    """Weighted mean absolute difference between an image and itself after both translations (Zhu et al. 2017, eq. 2).

    Args:
        real: images in [−1, 1], any shape.
        restored: the image there and back, same shape.
        weight: λ of the paper's eq. 3.
    """
    return weight * weighted_l1(restored.float(), real.float())


def identity_loss(real: Tensor, unchanged: Tensor, weight: float = 5.0) -> Tensor:
    """Weighted mean absolute change a generator makes to an image of its own output domain (Zhu et al. 2017, 5.2).

    Args:
        real: an image of the generator's output domain, any shape.
        unchanged: the generator's output for it, same shape.
        weight: the weight; half of the cycle loss's is usual.
    """
    return weight * weighted_l1(unchanged.float(), real.float())
