"""What can be said of a synthetic volume where there is no true one."""

from __future__ import annotations

import numpy as np
from scipy import stats

from medcycle.volume import Array

__all__ = ["DENSE", "bright_voids", "distribution_distance", "separability", "variety"]

LEVELS = (np.arange(256) + 0.5) / 256
"""Quantiles by which distributions are compared."""

DARK, DENSE = -500.0, 700.0
"""HU below which a voxel is air or lung, and above which it is dense bone: neither has much signal in MR."""

SOFT = (-50.0, 150.0)
"""HU of fluid, muscle and organs."""

FEWEST = 50
"""Voxels that something can be said of."""


def bright_voids(mr: Array, hounsfield: Array) -> float:
    """How much of what a synthetic CT shows as air or dense bone is brighter in the MR than soft tissue is.

    Both have next to no signal but with ultrashort echoes, and even there less than soft tissue. A CycleGAN whose
    contrast is inverted, bone for fat and fat for bone, closes its cycles all the same and fits the histogram; this
    shows it.

    Args:
        mr: signal in the body, any unit, any shape.
        hounsfield: of the synthetic CT in the same voxels.

    Returns:
        0 to 1: the part above the median signal of what is soft tissue in the synthetic CT. 0 if there is too little of
        either.
    """
    soft = mr[(hounsfield > SOFT[0]) & (hounsfield < SOFT[1])]
    void = mr[(hounsfield < DARK) | (hounsfield > DENSE)]
    if min(soft.size, void.size) < FEWEST:
        return 0.0
    return float((void > np.median(soft)).mean())


def distribution_distance(values: Array, others: Array) -> float:
    """How far the distributions of two sets of values lie apart: the first Wasserstein distance, by 256 quantiles.

    Returns:
        In the unit of the values, 0 upwards.
    """
    return float(np.abs(np.quantile(values, LEVELS) - np.quantile(others, LEVELS)).mean())


def separability(real: Array, synthetic: Array) -> float:
    """How well judgements tell real from synthetic: the chance that one of a real patch is the higher one.

    The area under the ROC curve, by ranks (Mann and Whitney 1947).

    Returns:
        0 to 1; 0.5 where they can't be told apart.
    """
    ranks = stats.rankdata(np.concatenate([real.ravel(), synthetic.ravel()]))
    above = ranks[: real.size].sum() - real.size * (real.size + 1) / 2
    return float(above / (real.size * synthetic.size))


def variety(slices: Array, bodies: Array) -> float:
    """How much slices differ from each other: the mean absolute difference of each to the one half a stack away.

    Args:
        slices: shape (i, j, k), slices along k.
        bodies: booleans of that shape; voxels in both bodies count.

    Returns:
        In the unit of the values; 0 of a single slice.
    """
    apart = slices.shape[2] // 2
    both = bodies & np.roll(bodies, apart, axis=2)
    if not apart or not both.any():
        return 0.0
    return float(np.abs(slices - np.roll(slices, apart, axis=2))[both].mean())
