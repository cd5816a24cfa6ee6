"""How a synthetic volume hangs together: between windows, and from slice to slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medcycle.data.stacks import ACROSS
from medcycle.volume import Array

__all__ = ["seam_score", "slice_continuity"]

MOST_PLANES = 64
"""Along each axis, that are compared with the next."""


def seam_score(image: Array, body: Array, borders: Sequence[Sequence[int]]) -> float | None:
    """How much steeper an image is across the borders of windows than elsewhere, 1 where they don't show.

    The mean absolute difference of neighbouring voxels of the body across borders, over that of all others along the
    same axes.

    Args:
        image: values of any unit.
        body: booleans of the same shape.
        borders: for each axis, the voxels that a window begins with.

    Returns:
        None if no border lies in the body.
    """
    across, elsewhere = [], []
    for axis, positions in enumerate(borders):
        steps, counted = _steps(image, body, axis, positions)
        at_border = np.isin(np.arange(len(steps)) + 1, list(positions))
        across.append((steps[at_border].sum(), counted[at_border].sum()))
        if counted[at_border].any():
            elsewhere.append((steps[~at_border].sum(), counted[~at_border].sum()))
    (at, at_count), (off, off_count) = (np.sum(part, axis=0) if part else (0.0, 0) for part in (across, elsewhere))
    if not (at_count and off_count and off > 0):
        return None
    return float((at / at_count) / (off / off_count))


def slice_continuity(image: Array, source: Array, body: Array) -> float | None:
    """How much more slices differ from the next, against differences within slices, than those of the source do.

    1 means that a synthetic volume is as continuous across its slices as what it was made from; slices that were
    translated one by one, and flicker, have more.

    Args:
        image: synthetic values, slices along the last axis.
        source: those it was made from.
        body: booleans of the same shape.

    Returns:
        None if there are no two slices of the body, or nothing differs.
    """
    ratios = []
    for one in (image, source):
        means = []
        for axis in range(3):
            steps, counted = _steps(one, body, axis)
            means.append(steps.sum() / max(1, counted.sum()))
        within = np.mean([mean for axis, mean in enumerate(means) if axis != ACROSS])
        ratios.append(means[ACROSS] / within if within > 0 else 0.0)
    made, given = ratios
    return float(made / given) if given > 0 else None


def _steps(image: Array, body: Array, axis: int, needed: Sequence[int] = ()) -> tuple[Array, Array]:
    """Sums of absolute differences from each plane to the next within the body, and of how many voxels.

    Of many planes some evenly chosen ones, and those `needed`, that begin with a voxel; the others count nothing.
    """
    image, body = np.moveaxis(image, axis, 0), np.moveaxis(body, axis, 0)
    sums, counts = np.zeros((2, max(0, len(image) - 1)))
    chosen = np.linspace(0, len(sums) - 1, min(len(sums), MOST_PLANES)).round().astype(int).tolist()
    for number in {*chosen, *(border - 1 for border in needed if 0 < border <= len(sums))}:
        both = body[number] & body[number + 1]
        difference = np.abs(image[number + 1].astype(np.float32) - image[number])
        sums[number] = difference[both].sum(dtype=np.float64)
        counts[number] = both.sum()
    return sums, counts
