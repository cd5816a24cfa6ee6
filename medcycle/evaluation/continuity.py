"""Whether neighbouring axial slices fit each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from medcycle.volume import Array

__all__ = ["flicker", "slice_continuity"]


def flicker(array: Array, mask: Array) -> Array:
    """How far each axial slice is from the mean of its neighbours: `mean |s(z) − (s(z−1) + s(z+1)) / 2|`.

    Args:
        array: shape `(i, j, k)`, axial slices along k.
        mask: boolean, of that shape; voxels count that are in it in all three slices.

    Returns:
        In the array's unit, shape `(k,)`; NaN for the first and the last slice, and where the mask has no voxel.
    """
    found = np.full(array.shape[2], np.nan)
    for number in range(1, array.shape[2] - 1):
        three = np.s_[:, :, number - 1 : number + 2]
        inside = mask[three].all(axis=2)
        if inside.any():
            below, here, above = (array[:, :, number + step][inside].astype(np.float64) for step in (-1, 0, 1))
            found[number] = np.abs(here - (below + above) / 2).mean()
    return found


def slice_continuity(real: Array, synthetic: Array, mask: Array, heights: Array) -> dict[str, Any]:
    """`flicker` of both volumes.

    Args:
        real: HU, of shape `(i, j, k)`, axial slices along k.
        synthetic: of that shape.
        mask: boolean, of that shape.
        heights: of the slices, mm; shape `(k,)`.

    Returns:
        `real_hu` and `synthetic_hu`, the means over slices, and `worst_z_mm`, where the synthetic one exceeds the real
        one the most; None with fewer than three slices.
    """
    true, made = flicker(real, mask), flicker(synthetic, mask)
    if np.isnan(true).all():
        return {"real_hu": None, "synthetic_hu": None, "worst_z_mm": None}
    return {
        "real_hu": float(np.nanmean(true)),
        "synthetic_hu": float(np.nanmean(made)),
        "worst_z_mm": float(heights[np.nanargmax(made - true)]),
    }
