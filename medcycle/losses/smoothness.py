"""Losses of displacements."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["smoothness_loss"]


def smoothness_loss(displacement: Tensor) -> Tensor:
    """Mean squared slope of a displacement, mean of the axes.

    Kong et al. 2021, "Breaking the dilemma of medical image-to-image translation", eq. 6.

    Args:
        displacement: shape (batch, dimensions, *sizes).

    Returns:
        A scalar, 0 for one that is the same everywhere.
    """
    axes = range(2, displacement.ndim)
    return torch.stack([displacement.float().diff(dim=axis).square().mean() for axis in axes]).mean()
