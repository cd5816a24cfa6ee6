"""How far the bone of a synthetic CT lies from where it is."""

from __future__ import annotations

import numpy as np

from medcycle.volume import Array, Volume

BONE_HU = 150.0
DENSE_HU = 1000.0
REACH = 3
"""Voxels that are tried to either side."""


def bone_shift(real: Volume, made: Volume) -> tuple[float, float, float]:
    """Right to left, posterior to anterior and foot to head, mm, positive towards R, A, S; volumes of one grid.

    Where the correlation of bone along an axis is largest: between voxels, by a parabola through it and its neighbours.
    """
    one, other = (np.clip(volume.array, BONE_HU, DENSE_HU) - BONE_HU for volume in (real, made))
    signs = np.sign(np.diag(real.grid.affine)[:3])
    return tuple(
        float(sign * width * shift_between(one, other, axis))
        for axis, (sign, width) in enumerate(zip(signs, real.grid.spacing, strict=True))
    )  # type: ignore[return-value]


def shift_between(one: Array, other: Array, axis: int) -> float:
    """What an image is moved by along an axis against the first one, in voxels."""
    steps = range(-REACH, REACH + 1)
    found = [_correlation(one, other, axis, step) for step in steps]
    best = min(max(int(np.argmax(found)), 1), len(found) - 2)
    before, top, after = found[best - 1 : best + 2]
    return steps[best] + 0.5 * (before - after) / (before - 2 * top + after)


def _correlation(one: Array, other: Array, axis: int, step: int) -> float:
    """Of an image with another that is moved back by so many voxels."""
    inner = slice(REACH, -REACH)
    fixed = np.moveaxis(one, axis, 0)[inner].ravel()
    moved = np.roll(np.moveaxis(other, axis, 0), -step, 0)[inner].ravel()
    return float(np.corrcoef(fixed, moved)[0, 1])
