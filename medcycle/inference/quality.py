"""How a synthetic volume hangs together, between windows and from slice to slice, and where its range ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from medcycle.patch_geometry import ACROSS
from medcycle.volume import Array, Grid

__all__ = ["at_limit", "seam_score", "slice_continuity"]

LEAST_AT_LIMIT = 0.1
"""ml of bone at the end of a model's range that are worth a warning."""

MOST_PLANES = 64
"""Along each axis, that are compared with the next for the continuity."""

BESIDE = (2, 3, 4)
"""How many voxels from a border, on both sides, those steps are that its own is compared with. The next ones are left
out, since what smooths an image spreads a seam over them."""


def seam_score(image: Array, body: Array, borders: Sequence[Sequence[int]]) -> float | None:
    """How much steeper an image is across the borders of windows than beside them, 1 where they don't show.

    The mean absolute difference of neighbouring voxels of the body across borders, over that of the voxels 2 to 4 away
    on both sides, along the same axis. Further away the anatomy is another: where a border crosses the skull base, an
    image is steeper there than elsewhere without any seam.

    Args:
        image: values of any unit.
        body: booleans of the same shape.
        borders: for each axis, the voxels that a window begins with.

    Returns:
        None if no border lies in the body, or if all that is beside one is borders as well.
    """
    across = beside = 0.0
    for axis, positions in enumerate(borders):
        ends = {position - 1 for position in positions}
        near = {end: [end + side * away for away in BESIDE for side in (-1, 1)] for end in ends}
        steps, counted = _steps(image, body, axis, ends.union(*near.values()))
        for end, others in near.items():
            compared = [other for other in others if counted.get(other) and other not in ends]
            if counted.get(end) and compared:
                across += steps[end]
                beside += counted[end] * sum(steps[one] for one in compared) / sum(counted[one] for one in compared)
    return across / beside if beside > 0 else None


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
            pairs = one.shape[axis] - 1
            chosen = np.linspace(0, pairs - 1, min(pairs, MOST_PLANES)).round().astype(int).tolist()
            steps, counted = _steps(one, body, axis, chosen)
            means.append(sum(steps.values()) / max(1, sum(counted.values())))
        within = np.mean([mean for axis, mean in enumerate(means) if axis != ACROSS])
        ratios.append(means[ACROSS] / within if within > 0 else 0.0)
    made, given = ratios
    return float(made / given) if given > 0 else None


def _steps(image: Array, body: Array, axis: int, planes: Iterable[int]) -> tuple[dict[int, float], dict[int, int]]:
    """Sums of absolute differences within the body from planes to the next, and of how many voxels."""
    image, body = np.moveaxis(image, axis, 0), np.moveaxis(body, axis, 0)
    sums, counts = {}, {}
    for plane in planes:
        if 0 <= plane < len(image) - 1:
            both = body[plane] & body[plane + 1]
            difference = np.abs(image[plane + 1].astype(np.float32) - image[plane])
            sums[plane], counts[plane] = float(difference[both].sum(dtype=np.float64)), int(both.sum())
    return sums, counts


def at_limit(ct: Array, grid: Grid, highest: float) -> list[str]:
    """A sentence on bone and metal that is denser than a model can tell, if there is any.

    Args:
        ct: HU, synthetic.
        grid: of it.
        highest: HU at which the model's range ends.
    """
    millilitres = np.count_nonzero(ct >= highest - 1) * float(np.prod(grid.spacing)) / 1000
    if millilitres < LEAST_AT_LIMIT:
        return []
    return [
        f"{millilitres:.1f} ml are at the upper end of the model's range, {highest:.0f} HU: the true HU of dense bone "
        "or metal there may be higher"
    ]
