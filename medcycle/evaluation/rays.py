"""Straight rays through a grid, in patient space, and integrals along them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from medcycle.volume import Array, Grid

__all__ = ["Rays", "beam_directions", "cast_rays", "is_inside"]

STEPS = (0.25, 0.5)
"""The least and the largest step along a ray, mm; between them it is half the smallest side of a voxel. Sums are within
0.03 mm of the integral."""

Points = npt.NDArray[np.float64]


def beam_directions(angles: Points) -> Points:
    """Unit vectors to the source of a beam, for gantry angles of IEC 61217 and a patient who lies head first, supine.

    At 0° the source is in front of the patient (anterior), at 90° on the patient's left, at 180° behind.

    Args:
        angles: degrees, shape `(n,)`.

    Returns:
        RAS, shape `(n, 3)`.
    """
    radians = np.deg2rad(angles)
    return np.stack([-np.sin(radians), np.cos(radians), np.zeros_like(radians)], axis=1)


@dataclass(frozen=True, eq=False)
class Rays:
    """Points along rays, from their origins to where they leave the field of view (voxel edges included).

    Args:
        count: how many rays.
        step: between points of a ray, mm.
        ray: of each point, which ray it is on; shape `(points,)`, increasing.
        places: of each point, voxel coordinates within the centres of the first and the last voxel; `(points, 3)`.
    """

    count: int
    step: float
    ray: npt.NDArray[np.intp]
    places: Points

    def integrals(self, value: Callable[[tuple[Any, ...]], Array], shape: tuple[int, int, int]) -> Points:
        """Integrals of a quantity, linear between voxel centres, by the midpoint rule.

        Args:
            value: the quantity at voxels, by index arrays.
            shape: of the grid.

        Returns:
            The quantity times mm, shape `(count,)`.
        """
        highest = np.array(shape) - 1
        low = np.minimum(self.places.astype(np.intp), np.maximum(highest - 1, 0))
        part = self.places - low
        total = np.zeros(len(self.ray))
        for corner in product((0, 1), repeat=3):
            weight = np.where(corner, part, 1 - part).prod(axis=1)
            total += weight * value(tuple(np.minimum(low + corner, highest).T))
        return np.asarray(self.step * np.bincount(self.ray, total, self.count), dtype=np.float64)

    def truncated(self, body: Array, valid: Array | None = None) -> npt.NDArray[np.bool_]:
        """Whether a ray goes from inside a body to where nothing is known: outside the field of view, or not valid.

        Args:
            body: boolean mask on the grid.
            valid: where the volume is valid, boolean, on the grid; None for everywhere.

        Returns:
            Shape `(count,)`.
        """
        voxels = tuple(np.rint(self.places).astype(np.intp).T)
        held = np.flatnonzero(body[voxels])
        last = np.full(self.count, -1)
        last[self.ray[held]] = held  # of a ray's points, the last stays
        beyond = np.append(self.ray, -1)[last + 1] != np.arange(self.count)
        if valid is not None:
            beyond |= ~np.append(valid[voxels], True)[last + 1]
        found: npt.NDArray[np.bool_] = (last >= 0) & beyond
        return found


def cast_rays(grid: Grid, origins: Points, directions: Points) -> Rays:
    """Rays through a grid, oblique or not.

    Args:
        grid: the grid.
        origins: RAS mm, inside the field of view, shape `(n, 3)`.
        directions: RAS unit vectors, shape `(n, 3)`.
    """
    step = float(np.clip(min(grid.spacing) / 2, *STEPS))
    inverse = np.linalg.inv(grid.affine)
    start = origins @ inverse[:3, :3].T + inverse[:3, 3]
    along = directions @ inverse[:3, :3].T
    corners = np.array(list(product(*((-0.5, n - 0.5) for n in grid.shape)))) @ grid.affine[:3, :3].T
    farthest = np.linalg.norm(np.ptp(corners, axis=0))
    middles = step * (np.arange(int(np.ceil(farthest / step))) + 0.5)
    places = start[:, None] + middles[:, None] * along[:, None]
    inside = ((places >= -0.5) & (places < np.array(grid.shape) - 0.5)).all(axis=2)
    inside[:, 0] = True  # an origin on the very edge still gives a point
    return Rays(len(origins), step, np.nonzero(inside)[0], places[inside].clip(0, np.array(grid.shape) - 1))


def is_inside(mask: Array, grid: Grid, point: Points) -> bool:
    """Whether the voxel at a point (RAS mm) is of a mask; false outside the field of view."""
    place = np.rint(np.linalg.solve(grid.affine, [*point, 1.0])[:3]).astype(int)
    if (place < 0).any() or (place >= grid.shape).any():
        return False
    return bool(mask[tuple(place)])
