"""Losses of an output against a known target."""

from __future__ import annotations

from torch import Tensor

__all__ = ["weighted_l1"]


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
