"""Slices inside a stack that show nothing, as lost ones do that an archive or a conversion filled with zeros."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from medcycle.volume import Array, Volume

__all__ = ["Gap", "bridged", "gaps_in"]

QUIET = 0.02
"""A slice shows nothing if its values span less than this part of what those of the middle slice by span do."""

MOST_BRIDGED = 3
"""Neighbouring slices that are filled from those on both sides."""

ALIKE = 0.5
"""Dice coefficient of what is bright in the slices on both sides, from which on they are of one body."""

BRIGHT = 0.2
"""Part of a slice's span above which it counts as bright."""

AXES = ("first", "second", "third")

EVERY = 7
"""Every so many-th row and column is looked at first."""


@dataclass(frozen=True)
class Gap:
    """Neighbouring slices that show nothing, between others that do.

    Args:
        axis: along which they follow each other.
        first: index of the first.
        count: how many.
        of: slices along the axis.
        is_bridged: whether `bridged` fills them.
    """

    axis: int
    first: int
    count: int
    of: int
    is_bridged: bool

    def __str__(self) -> str:
        last = self.first + self.count
        which = f"slice {last} is" if self.count == 1 else f"slices {self.first + 1} to {last} are"
        end = "interpolated from its neighbours" if self.is_bridged else "left as they are"
        return f"{which} empty (of {self.of} along the {AXES[self.axis]} axis, counted from 1): {end}"


def gaps_in(array: Array) -> list[Gap]:
    """The gaps of a volume, along all axes.

    Args:
        array: voxels, shape (i, j, k).
    """
    return [gap for axis in range(3) for gap in _along(array, axis)]


def bridged(volume: Volume) -> Volume:
    """The volume with gaps of few slices, between slices that are alike, filled linearly between their neighbours."""
    gaps = [gap for gap in gaps_in(volume.array) if gap.is_bridged]
    if not gaps:
        return volume
    array = volume.array.astype(np.float32)
    for gap in gaps:
        slices = np.moveaxis(array, gap.axis, 0)
        before, after = slices[gap.first - 1].copy(), slices[gap.first + gap.count].copy()
        for number in range(gap.count):
            part = (number + 1) / (gap.count + 1)
            slices[gap.first + number] = (1 - part) * before + part * after
    return volume.with_array(array)


def _along(array: Array, axis: int) -> Iterator[Gap]:
    slices = np.moveaxis(array, axis, 0)
    spans = np.ptp(slices[:, ::EVERY, ::EVERY], axis=(1, 2))
    level = QUIET * float(np.median(spans))
    empty = spans <= level
    for index in np.flatnonzero(empty):  # by all of its voxels
        empty[index] = np.ptp(slices[index]) <= level
    shown = np.flatnonzero(~empty)
    for before, after in pairwise(shown):
        if count := int(after - before - 1):
            few = count <= MOST_BRIDGED and _alike(slices[before], slices[after])
            yield Gap(axis, int(before) + 1, count, len(slices), few)


def _alike(first: Array, second: Array) -> bool:
    one, other = (image > image.min() + BRIGHT * np.ptp(image) for image in (first, second))
    both = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return both > 0 and bool(2 * np.count_nonzero(one & other) / both >= ALIKE)
