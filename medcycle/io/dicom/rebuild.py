"""Leaning and irregular stacks on an upright, regular grid, from the true places of their slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from medcycle.io.dicom.stack import Floats, Stack, axes_of, plane_grid
from medcycle.volume import Array, Grid, Volume

__all__ = ["rebuild", "upright_grid"]

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
    grid, low = _upright(stack)
    background = float(array.min())
    moved = np.empty((*grid.shape[:2], len(stack.frames)), dtype=np.float32)
    for number, shift in enumerate(_pixels(stack)):
        wide = np.full(grid.shape[:2], background, dtype=np.float32)
        wide[: array.shape[0], : array.shape[1]] = array[:, :, number]
        moved[:, :, number] = ndimage.shift(wide, shift - low, order=1, mode="constant", cval=background)
    if not stack.regular:
        places = np.arange(grid.shape[2]) * grid.spacing[2]
        moved = _between(moved, stack.offsets - stack.offsets[0], places)
    return Volume(moved, grid)


def upright_grid(stack: Stack) -> Grid:
    """The grid of what `rebuild` gives."""
    return _upright(stack)[0]


def _upright(stack: Stack) -> tuple[Grid, Floats]:
    """The grid, and how many columns and rows its corner lies from the first frame's."""
    first = stack.frames[0]
    drift = _pixels(stack)
    low, high = np.floor(drift.min(axis=0)), np.ceil(drift.max(axis=0))
    columns, rows = (int(n) for n in high - low + first.size[::-1])
    row, column, normal = axes_of(first)
    corner = np.array(first.position) + row * low[0] * first.spacing[1] + column * low[1] * first.spacing[0]
    length = stack.offsets[-1] - stack.offsets[0]
    step = length / (len(stack.frames) - 1) if stack.regular else max(float(stack.gaps.min()), FINEST)
    count = int(np.floor(length / step + 1e-6)) + 1
    return plane_grid(replace(first, position=tuple(corner), size=(rows, columns)), normal * step, count), low


def _pixels(stack: Stack) -> Floats:
    """The drift of every frame in columns and rows."""
    return stack.drift / (stack.frames[0].spacing[1], stack.frames[0].spacing[0])


def _between(planes: Array, places: Array, wanted: Array) -> Array:
    after = np.clip(np.searchsorted(places, wanted), 1, len(places) - 1)
    weight = ((wanted - places[after - 1]) / (places[after] - places[after - 1])).astype(np.float32)
    result = np.empty((*planes.shape[:2], len(wanted)), dtype=np.float32)
    for number, (index, part) in enumerate(zip(after, weight, strict=True)):
        result[:, :, number] = (1 - part) * planes[:, :, index - 1] + part * planes[:, :, index]
    return result
