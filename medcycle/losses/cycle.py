"""Losses that tie a translation to its input."""

from __future__ import annotations

from monai.losses import SSIMLoss
from torch import Tensor

from medcycle.losses.supervised import weighted_l1

__all__ = ["cycle_loss", "identity_loss"]

RANGE = 2.0
"""of the images' values, which lie in [−1, 1]."""


def cycle_loss(
    real: Tensor, restored: Tensor, weight: float = 10.0, ssim_share: float = 0.0, counting: Tensor | None = None
) -> Tensor:
    """Weighted difference between an image and itself after both translations.

    The mean absolute difference (Zhu et al. 2017, eq. 2), a part of which can be replaced by one minus the structural
    similarity, by MONAI: Gaussian windows of 11 voxels, σ 1.5 (Zhao et al. 2017, "Loss functions for image restoration
    with neural networks", eq. 11, with one scale).

    Args:
        real: images in [−1, 1], shape (batch, channels, *sizes); without SSIM any shape.
        restored: the image there and back, same shape.
        weight: λ of the paper's eq. 3.
        ssim_share: the part of the weight that one minus the structural similarity has, 0 to 1.
        counting: how much a difference in each voxel counts, not negative, of the images' shape; None for all alike.
            Structural similarity is that of whole images.
    """
    loss = weighted_l1(restored.float(), real.float(), counting)
    if ssim_share:
        apart: Tensor = SSIMLoss(real.ndim - 2, data_range=RANGE)(restored.float(), real.float())
        loss = (1 - ssim_share) * loss + ssim_share * apart
    return weight * loss


def identity_loss(real: Tensor, unchanged: Tensor, weight: float = 5.0, counting: Tensor | None = None) -> Tensor:
    """Weighted mean absolute change a generator makes to an image of its own output domain (Zhu et al. 2017, 5.2).

    Args:
        real: an image of the generator's output domain, any shape.
        unchanged: the generator's output for it, same shape.
        weight: the weight; half of the cycle loss's is usual.
        counting: as of `cycle_loss`.
    """
    return weight * weighted_l1(unchanged.float(), real.float(), counting)
