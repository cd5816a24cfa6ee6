"""Dose-volume figures of a structure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from medcycle.resample import resample_to
from medcycle.volume import Array, Grid, Volume

__all__ = ["CURVE", "DoseVolume", "curve_of", "dose_in", "figures_of"]

HOT = 0.03
"""ml of the hottest tissue whose least dose is D0.03cc."""

CURVE = 201
"""Points of a curve."""


class DoseVolume(NamedTuple):
    """Gy: the least dose of the hottest 98, 95 and 2 % of the volume, of its hottest 0.03 ml, and the mean."""

    d98: float
    d95: float
    d2: float
    mean: float
    d003cc: float


def dose_in(dose: Volume, mask: Array, grid: Grid) -> Array:
    """The dose at a structure's voxels.

    Args:
        dose: Gy, on any grid.
        mask: booleans on `grid`, not all false.
        grid: of the structure.

    Returns:
        Gy, one value a voxel, linear between the voxels of the dose; 0 outside it.
    """
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(mask))
    affine = grid.affine.copy()
    affine[:3, 3] = grid.affine[:3] @ [*(part.start for part in box), 1.0]
    inside = mask[box]
    i, j, k = inside.shape
    sampled: Array = resample_to(dose, Grid((i, j, k), affine), background=0.0).array[inside]
    return sampled


def figures_of(doses: Array, voxel: float) -> DoseVolume:
    """Dose-volume figures.

    Args:
        doses: Gy, of each voxel of a structure.
        voxel: mm³ of one. Where it is more than 30, D0.03cc is the highest dose.
    """
    d98, d95, d2 = np.percentile(doses, [2, 5, 98])
    hottest = min(len(doses), max(1, round(HOT * 1000 / voxel)))
    return DoseVolume(
        *map(float, (d98, d95, d2, doses.mean(), np.partition(doses, len(doses) - hottest)[len(doses) - hottest]))
    )


def curve_of(doses: Array, highest: float) -> tuple[list[float], list[float]]:
    """Doses (Gy) from 0 to `highest`, and the part of the volume (percent) that gets as much or more."""
    levels = np.linspace(0, highest, CURVE)
    part = 100 * (1 - np.searchsorted(np.sort(doses), levels, side="left") / len(doses))
    return [round(float(level), 3) for level in levels], [round(float(value), 2) for value in part]
