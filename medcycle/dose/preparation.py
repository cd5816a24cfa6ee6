"""Two CT on one grid for dose calculation, each inside its own outline."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from medcycle.body import OUTSIDE, body_mask
from medcycle.errors import DataError
from medcycle.resample import coarsen, resample_mask, resample_to
from medcycle.volume import Array, Grid, Volume

__all__ = ["Prepared", "dose_grid", "on_dose_grid", "prepare"]

MARGIN = 10.0
"""mm of air around the body."""

MOST_VOXELS = 30_000_000
"""of a grid for doses: a whole trunk at 2 mm has fifteen million."""


MOST_ADDED = 60.0
"""Percent of the body that may lie outside the synthetic CT; more is another patient, or another space."""


class Prepared(NamedTuple):
    """What a dose is calculated from.

    Args:
        real: HU inside the body, air outside.
        synthetic: HU inside its own body; the real CT where the synthetic one has no voxels.
        body: either body, booleans.
        added: part of the real body (percent) that the synthetic CT has no voxels of.
    """

    real: Volume
    synthetic: Volume
    body: Array
    added: float


def dose_grid(mask: Volume, spacing: float) -> Grid:
    """A grid along DICOM's axes around a mask, with a margin.

    Args:
        mask: booleans, not all false.
        spacing: mm, along each axis.

    Raises:
        DataError: if it had far too many voxels.
    """
    index = np.argwhere(mask.array)
    ends = np.array(np.meshgrid(*zip(index.min(axis=0), index.max(axis=0), strict=True))).reshape(3, -1)
    places = mask.grid.affine[:3, :3] @ ends + mask.grid.affine[:3, 3:]
    low, high = places.min(axis=1) - MARGIN, places.max(axis=1) + MARGIN
    i, j, k = (math.ceil(extent / spacing) + 1 for extent in high - low)
    if i * j * k > MOST_VOXELS:
        raise DataError(
            f"a dose grid of {spacing:g} mm would have {i}×{j}×{k} voxels; raise the spacing with --spacing"
        )
    affine = np.diag([-spacing, -spacing, spacing, 1.0])
    affine[:3, 3] = high[0], high[1], low[2]
    return Grid((i, j, k), affine)


def on_dose_grid(mask: Array, source: Grid, grid: Grid) -> Array:
    """A mask on another grid: the voxels of which half or more are in it. Booleans."""
    part = coarsen(Volume(mask.astype(np.float32), source), grid.spacing[0])
    found: Array = resample_to(part, grid, background=0.0).array >= 0.5
    return found


def prepare(real: Volume, synthetic: Volume, external: Array | None, spacing: float) -> Prepared:
    """Bring both CT onto a grid for dose calculation.

    Args:
        real: HU.
        synthetic: HU, on any grid of the same space.
        external: the patient on the real CT's grid, as drawn; None for what is found.
        spacing: mm.

    Raises:
        DataError: if no body is found, or the two CT don't overlap.
    """
    body = Volume(external, real.grid) if external is not None else body_mask(real, "ct")
    own = body_mask(synthetic, "ct")
    if not body.array.any() or not own.array.any():
        raise DataError("no body in the real or the synthetic CT; give two CT in HU")
    grid = dose_grid(body, spacing)
    known = resample_mask(Volume(np.ones(synthetic.array.shape, dtype=bool), synthetic.grid), grid).array.astype(bool)
    masks = [on_dose_grid(one.array, one.grid, grid) for one in (body, own)]
    added = 100 * float((masks[0] & ~known).sum() / masks[0].sum())
    if added > MOST_ADDED:
        raise DataError(f"{added:.0f} % of the body lies outside the synthetic CT; give two CT in the same space")
    masks[1] = np.where(known, masks[1], masks[0])
    made = [resample_to(coarsen(one, spacing), grid, background=OUTSIDE["ct"]).array for one in (real, synthetic)]
    made[1] = np.where(known, made[1], made[0])
    first, second = (
        Volume(np.where(mask, hu, OUTSIDE["ct"]).astype(np.float32), grid) for mask, hu in zip(masks, made, strict=True)
    )
    return Prepared(first, second, masks[0] | masks[1], added)
