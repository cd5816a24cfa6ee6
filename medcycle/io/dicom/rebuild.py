"""Leaning and irregular stacks on an upright, regular grid, from the true places of their slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from medcycle.io.dicom.stack import Stack, axes_of, plane_grid
from medcycle.volume import Array, Volume

__all__ = ["rebuild"]

FINEST = 0.5
"""mm; an irregular stack is not rebuilt finer than this."""


def rebuild(array: Array, stack: Stack) -> Volume:
    """Move every plane to its true place, then interpolate linearly between planes where their distances vary.

    Args:
        array: the stack's planes, shape (columns, rows, frames).
        stack: where they lie.

    Returns:
        A volume of the stack's orientation without shear, large enough for all of it, with the array's least value
        around. Its slice distance is the stack's, or the smallest one of an irregular stack.
    """
    first = stack.frames[0]
    background = float(array.min())
    drift = stack.drift / (first.spacing[1], first.spacing[0])  # columns, rows
    low, high = np.floor(drift.min(axis=0)).astype(int), np.ceil(drift.max(axis=0)).astype(int)
    rows, columns = first.size
    size = columns + high[0] - low[0], rows + high[1] - low[1]
    moved = np.empty((*size, len(stack.frames)), dtype=np.float32)
    for number, shift in enumerate(drift):
        wide = np.full(size, background, dtype=np.float32)
        wide[:columns, :rows] = array[:, :, number]
        moved[:, :, number] = ndimage.shift(wide, shift - low, order=1, mode="constant", cval=background)
    row, column, normal = axes_of(first)
    corner = np.array(first.position) + row * low[0] * first.spacing[1] + column * low[1] * first.spacing[0]
    length = stack.offsets[-1] - stack.offsets[0]
    step = length / (len(stack.frames) - 1) if stack.regular else max(float(stack.gaps.min()), FINEST)
    count = int(np.floor(length / step + 1e-6)) + 1
    if not stack.regular:
        moved = _between(moved, stack.offsets - stack.offsets[0], np.arange(count) * step)
    origin = replace(first, position=tuple(corner), size=(size[1], size[0]))
    return Volume(moved, plane_grid(origin, normal * step, count))


def _between(planes: Array, places: Array, wanted: Array) -> Array:
    after = np.clip(np.searchsorted(places, wanted), 1, len(places) - 1)
    weight = ((wanted - places[after - 1]) / (places[after] - places[after - 1])).astype(np.float32)
    result = np.empty((*planes.shape[:2], len(wanted)), dtype=np.float32)
    for number, (index, part) in enumerate(zip(after, weight, strict=True)):
        result[:, :, number] = (1 - part) * planes[:, :, index - 1] + part * planes[:, :, index]
    return result
