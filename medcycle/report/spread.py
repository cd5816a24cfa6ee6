"""Which cases stand out, and curves of many cases as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import quantiles
from typing import Literal

__all__ = ["ENOUGH", "Curve", "outliers", "pooled", "summed"]

ENOUGH = 5
"""Cases from which on one can stand out, and quartiles say something."""

WHISKER = 1.5
"""interquartile ranges beyond the quartiles (Tukey 1977, "Exploratory Data Analysis")."""

Outlier = Literal["high", "low"]
Numbers = Sequence[float | None]


def outliers(values: Numbers) -> list[Outlier | None]:
    """Which values lie more than 1.5 interquartile ranges outside the quartiles; none of fewer than five."""
    known = [value for value in values if value is not None]
    if len(known) < ENOUGH:
        return [None] * len(values)
    first, _, third = quantiles(known, n=4, method="inclusive")
    low, high = first - WHISKER * (third - first), third + WHISKER * (third - first)
    return [None if value is None or low <= value <= high else "high" if value > high else "low" for value in values]


class Curve:
    """A mean with its standard deviation, over some axis: each a list of one length, None where nothing is known."""

    def __init__(self, x: list[float], mean: list[float | None], sd: list[float | None]) -> None:
        self.x, self.mean, self.sd = x, mean, sd


def pooled(curves: Sequence[tuple[Numbers, Numbers, Numbers, Numbers]]) -> Curve:
    """The curve of all cases together.

    Args:
        curves: of each case: places, means, standard deviations and weights (voxels).
    """
    sums: dict[float, list[float]] = {}
    for curve in curves:
        for x, mean, sd, weight in zip(*curve, strict=False):
            if x is None or mean is None or not weight or weight < 0:
                continue
            total = sums.setdefault(x, [0.0, 0.0, 0.0])
            total[0] += weight
            total[1] += weight * mean
            total[2] += weight * ((sd or 0.0) ** 2 + mean**2)
    places = sorted(sums)
    means = [sums[x][1] / sums[x][0] for x in places]
    deviations = [math.sqrt(max(0.0, sums[x][2] / sums[x][0] - mean**2)) for x, mean in zip(places, means, strict=True)]
    return Curve(places, [*means], [*deviations])


def summed(rows: Sequence[Numbers]) -> list[float]:
    """Several rows of counts added up; those of another length than the first are left out."""
    length = len(rows[0]) if rows else 0
    fitting = [row for row in rows if len(row) == length]
    return [sum(value or 0.0 for value in column) for column in zip(*fitting, strict=True)]
