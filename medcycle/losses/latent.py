"""Losses of latent codes."""

from __future__ import annotations

from torch import Tensor

__all__ = ["unit_gaussian_loss"]


def unit_gaussian_loss(mean: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of a Gaussian of unit variance from one about 0: half the squared mean.

    Liu et al. 2017, "Unsupervised image-to-image translation networks", eq. 7, per element of the code, not summed.

    Args:
        mean: of the code's distribution, any shape.

    Returns:
        A scalar.
    """
    return 0.5 * mean.float().square().mean()
