"""Losses of an output against a known target."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gradient_loss", "weighted_l1"]


def weighted_l1(made: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference, each voxel counted by its weight.

    Args:
        made: any shape.
        target: the same shape.
        weight: not negative, the same shape; None for 1 everywhere.
    """
    error = (made - target).abs()
    if weight is None:
        return error.mean()
    return (error * weight).sum() / weight.sum().clamp_min(1e-6)


def gradient_loss(made: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the slopes along every axis, summed over the axes.

    A deviation that is even over a region costs nothing, a blurred border does (the gradient difference loss of Mathieu
    et al. 2016, "Deep multi-scale video prediction beyond mean square error", eq. 6, with signed slopes and α = 1).

    Args:
        made: shape (batch, channels, *sizes).
        target: the same shape.
    """
    axes = range(2, made.ndim)
    return torch.stack([(made.diff(dim=axis) - target.diff(dim=axis)).abs().mean() for axis in axes]).sum()
