"""Where a CT shows a head: the vault, the skull base and the face."""

from __future__ import annotations

from typing import cast

import numpy as np
from scipy import ndimage

from medcycle.resample import coarsen
from medcycle.volume import Array, Grid, Volume

__all__ = ["body_part_of", "head_regions"]

WORKING_SPACING = 3.0
"""mm."""

SKULL = 200.0
"""HU, at the working spacing, from which a voxel counts as skull."""

BRAIN = (-20.0, 110.0)
"""HU of what fills a skull."""

SEAL = 9.0
"""mm: openings of the skull narrower than this, as the foramen magnum's edges and the orbits' ends, are closed."""

CAVITY_ML = (300.0, 2300.0)
"""What is no smaller and no larger is a cranial cavity, be it cut by the field of view."""

LEAST_AREA = 25.0
"""cm² of the cavity at one height; below is the skull base."""

LONGEST_HEAD = 400.0
"""mm along the body that a scan of a head, with its neck, has at most."""

ABOVE_BASE, BELOW_BASE = 30.0, 15.0
"""mm above and below the lowest wide place of the cavity, between which the skull base lies."""


def head_regions(ct: Volume) -> dict[str, Array]:
    """Masks of the head's parts by height, if there is a head.

    The cranial cavity is the largest region of soft tissue that a closed skull surrounds. The skull base reaches from
    15 mm below to 30 mm above the lowest height at which it is 25 cm² wide; the vault is above it, and what is
    below is called the face, though the neck belongs to it.

    Args:
        ct: HU, with axes to the nearest RAS.

    Returns:
        Booleans of the volume's shape for `vault`, `skull base` and `face`; empty where there is no head.
    """
    base = _base(ct)
    if base is None:
        return {}
    height = _heights(ct.grid)
    low, high = base - BELOW_BASE, base + ABOVE_BASE
    parts = {"vault": height > high, "skull base": (height <= high) & (height >= low), "face": height < low}
    return {name: np.broadcast_to(part, ct.grid.shape) for name, part in parts.items()}


def body_part_of(ct: Volume) -> str:
    """DICOM's term for what a CT shows, as far as it is recognised: `HEAD`, or else `WHOLEBODY`.

    Args:
        ct: HU, any orientation.
    """
    turned = ct.to_ras()
    is_head = turned.grid.field_of_view[2] <= LONGEST_HEAD and _base(turned) is not None
    return "HEAD" if is_head else "WHOLEBODY"


def _base(ct: Volume) -> float | None:
    """The lowest height (mm) at which the cranial cavity is wide; None where there is none."""
    coarse = coarsen(ct, WORKING_SPACING)
    spacing = coarse.grid.spacing
    cavity = _cavity(coarse.array, spacing)
    if not CAVITY_ML[0] <= np.count_nonzero(cavity) * np.prod(spacing) / 1000 <= CAVITY_ML[1]:
        return None
    heights = np.broadcast_to(_heights(coarse.grid), coarse.grid.shape)[cavity]
    lowest = float(heights.min())
    voxels = np.bincount(((heights - lowest) // WORKING_SPACING).astype(int))
    areas = voxels * np.prod(spacing) / WORKING_SPACING / 100
    wide = np.flatnonzero(areas >= LEAST_AREA)
    return lowest + WORKING_SPACING * float(wide[0]) if wide.size else None


def _cavity(array: Array, spacing: tuple[float, float, float]) -> Array:
    """The largest component of brain-like tissue that the closed skull surrounds in most directions."""
    radius = [max(1, round(SEAL / 2 / width)) for width in spacing]
    skull = array > SKULL
    padded = np.pad(skull, [(one, one) for one in radius])
    closed = ndimage.binary_closing(padded, _ball(radius))[tuple(slice(one, -one) for one in radius)]
    inside = np.zeros_like(skull)
    for number in range(array.shape[2]):
        inside[:, :, number] = ndimage.binary_fill_holes(closed[:, :, number]) & ~closed[:, :, number]
    inside &= (array > BRAIN[0]) & (array < BRAIN[1])
    labels, count = ndimage.label(inside)
    if not count:
        return inside
    return cast(Array, labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def _ball(radius: list[int]) -> Array:
    places = np.stack(np.meshgrid(*(np.arange(-one, one + 1) / one for one in radius), indexing="ij"))
    return cast(Array, np.square(places).sum(axis=0) <= 1)


def _heights(grid: Grid) -> Array:
    """Of each voxel, mm; of a shape that broadcasts to the grid's, one along axes on which they don't depend."""
    axes = np.ogrid[tuple(slice(size) for size in grid.shape)]
    terms = [step * axis for step, axis in zip(grid.affine[2, :3], axes, strict=True) if step]
    return cast(Array, sum(terms, grid.affine[2, 3] + np.zeros((1, 1, 1))))
