"""Errors by tissue of the true CT, by axial level, and the relation of synthetic to true Hounsfield units.

Arrays are HU, of one shape, and finite; masks are boolean, of that shape, or `...` for all voxels where it doesn't
matter where these are. A figure of no voxel is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from medcycle.evaluation.metrics import Where
from medcycle.volume import Array

__all__ = ["BONE", "CURVE_BINS", "TISSUES", "by_level", "by_tissue", "calibration", "errors", "histogram", "regression"]

BONE = 250.0
"""HU from which a voxel of the true CT counts as bone."""

TISSUES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "air": (-np.inf, -900.0),
        "lung": (-900.0, -200.0),
        "fat": (-200.0, -30.0),
        "soft tissue": (-30.0, BONE),
        "bone": (BONE, 1000.0),
        "dense bone": (1000.0, np.inf),
    }
)
"""HU of the true CT, from (included) and to (excluded); they leave no gap. Where there is no lung, its range holds the
voxels that are partly air."""

CURVE_BINS = np.arange(-1025.0, 3026.0, 50.0)
"""HU: edges of the calibration curve's and the histogram's bins."""

FEWEST = 20
"""Voxels that a point of the calibration curve, an axial level or a regression needs."""

Figures = dict[str, Any]


def errors(differences: Array) -> Figures:
    """Mean absolute, mean and root mean square of `synthetic − real`, HU, and how many voxels there are."""
    count = int(differences.size)
    if not count:
        return {"voxels": 0, "mae": None, "me": None, "rmse": None}
    return {
        "voxels": count,
        "mae": float(np.abs(differences).mean()),
        "me": float(differences.mean()),
        "rmse": float(np.sqrt(np.square(differences).mean())),
    }


def by_tissue(real: Array, synthetic: Array, mask: Where, voxel_ml: float) -> dict[str, Figures]:
    """`errors` of each of the `TISSUES`, with its range (HU, None where open) and its volume (ml) in the true CT."""
    true, differences = real[mask], synthetic[mask].astype(np.float64) - real[mask]
    kinds = np.digitize(true, [low for low, _ in TISSUES.values()][1:])
    found = {}
    for number, (name, (low, high)) in enumerate(TISSUES.items()):
        own = errors(differences[kinds == number])
        bounds = {"low": low if np.isfinite(low) else None, "high": high if np.isfinite(high) else None}
        found[name] = bounds | own | {"ml": own["voxels"] * voxel_ml}
    return found


def regression(real: Array, synthetic: Array) -> Figures:
    """Least squares line of synthetic on true HU, of arrays of one dimension.

    A slope of 1 with an intercept of 0 HU is perfect; a slope below 1 in bone means that its density is drawn from what
    is usual instead of the patient. `r2` is the share of the variance that the line explains, 0 to 1.

    Returns:
        `slope`, `intercept` (HU), `r2`, `voxels`; None where there are too few voxels, or all have one value.
    """
    count = int(real.size)
    nothing = {"slope": None, "intercept": None, "r2": None, "voxels": count}
    if count < FEWEST:
        return nothing
    first, second = real.astype(np.float64), synthetic.astype(np.float64)
    x, y = first - first.mean(), second - second.mean()
    xx, xy, yy = float(x @ x), float(x @ y), float(y @ y)
    if not xx:
        return nothing
    slope = xy / xx
    intercept = float(second.mean() - slope * first.mean())
    return {"slope": slope, "intercept": intercept, "r2": xy * xy / (xx * yy) if yy else None, "voxels": count}


def calibration(real: Array, synthetic: Array, mask: Where) -> Figures:
    """How synthetic HU follow the true ones.

    Returns:
        `all` and `bone` (true HU of `BONE` and more): a `regression`, for bone with the mean error `me` (HU); and
        `curve`: the mean and the standard deviation of synthetic HU for true HU in bins of 50 HU, at their centres.
    """
    true, made = real[mask].astype(np.float64), synthetic[mask].astype(np.float64)
    bone = true >= BONE
    return {
        "all": regression(true, made),
        "bone": regression(true[bone], made[bone]) | {"me": errors(made[bone] - true[bone])["me"]},
        "curve": _curve(true, made),
    }


def _curve(true: Array, made: Array) -> Figures:
    bins = _bins(true)
    size = CURVE_BINS.size - 1
    counts = np.bincount(bins, minlength=size)
    enough = counts >= FEWEST
    number = counts[enough]
    mean = np.bincount(bins, made, minlength=size)[enough] / number
    square = np.bincount(bins, made * made, minlength=size)[enough] / number
    centres = (CURVE_BINS[:-1] + CURVE_BINS[1:]) / 2
    return {
        "real": centres[enough].tolist(),
        "mean": mean.tolist(),
        "sd": np.sqrt(np.maximum(square - mean * mean, 0)).tolist(),
        "voxels": number.tolist(),
    }


def histogram(real: Array, synthetic: Array, mask: Where) -> Figures:
    """How many voxels of the mask have which HU: `edges` (n + 1), and counts (n) of `real` and `synthetic`.

    Values beyond the edges count in the outermost bins.
    """
    size = CURVE_BINS.size - 1
    counts = {
        name: np.bincount(_bins(array[mask]), minlength=size).tolist()
        for name, array in (("real", real), ("synthetic", synthetic))
    }
    return {"edges": CURVE_BINS.tolist()} | counts


def _bins(values: Array) -> Array:
    width = CURVE_BINS[1] - CURVE_BINS[0]
    numbers: Array = ((values.astype(np.float64) - CURVE_BINS[0]) // width).astype(np.int64)
    return numbers.clip(0, CURVE_BINS.size - 2)


def by_level(real: Array, synthetic: Array, mask: Array, heights: Array) -> Figures:
    """Errors by axial level.

    Args:
        real: HU, of shape `(i, j, k)`, axial slices along k.
        synthetic: of that shape.
        mask: boolean, of that shape.
        heights: of the slices, mm, in patient space; shape `(k,)`.

    Returns:
        `z_mm`, `mae`, `me` and `voxels` of every slice with some voxels of the mask, from the feet upwards.
    """
    voxels = np.count_nonzero(mask, axis=(0, 1))
    differences = np.where(mask, synthetic.astype(np.float64) - real, 0.0)
    enough = np.flatnonzero(voxels >= FEWEST)
    enough = enough[np.argsort(heights[enough], kind="stable")]
    number = voxels[enough]
    return {
        "z_mm": heights[enough].tolist(),
        "mae": (np.abs(differences).sum(axis=(0, 1))[enough] / number).tolist(),
        "me": (differences.sum(axis=(0, 1))[enough] / number).tolist(),
        "voxels": number.tolist(),
    }
