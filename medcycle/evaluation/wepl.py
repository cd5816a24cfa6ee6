"""Water-equivalent path lengths from the skin to a point, of a synthetic CT against the real one.

The water-equivalent path length (WEPL) of a ray is the integral of density relative to water along it: the depth of
water that weakens a photon beam, or stops protons, as the tissue on the way does. It needs no plan and no dose
engine, and shows what errors of Hounsfield units add up to along a beam.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from medcycle.errors import DataError
from medcycle.evaluation.density import HuTable
from medcycle.evaluation.rays import Rays, beam_directions, cast_rays, is_inside
from medcycle.volume import Array, Grid, Volume

__all__ = ["ANGLES", "PLANES", "path_lengths", "wepl_measures"]

ANGLES = tuple(float(angle) for angle in range(0, 360, 5))
"""Gantry angles, degrees."""

PLANES = (-20.0, 0.0, 20.0)
"""Where rays start, above the point (mm towards the head): thin structures are met at other heights too."""

LEAST_BODY = 10.0
"""Millilitres of a body; less is a stray voxel or two."""

BEYOND = 2.0
"""mm, from which on a ray's error is counted."""


class _Paths(NamedTuple):
    """WEPL (mm) of each ray, and whether it leaves what is valid inside the body."""

    lengths: npt.NDArray[np.float64]
    truncated: npt.NDArray[np.bool_]


def wepl_measures(
    real: Volume,
    synthetic: Volume,
    real_body: Array,
    synthetic_body: Array,
    *,
    by: HuTable,
    target: Array | None = None,
    valid: Array | None = None,
    angles: tuple[float, ...] = ANGLES,
) -> dict[str, Any]:
    """Errors of the WEPL between the skin and a point, over gantry angles, in the patient's axial planes.

    Rays start at the point and 20 mm above and below it, where that is inside the body. Outside a body mask everything
    counts as nothing, so that couch and clothes do not. The synthetic CT is measured twice: inside the true outline,
    where only its Hounsfield units matter, and inside its own. Rays that leave what is valid while still inside a body
    have no known length; they are counted and left out.

    Args:
        real: HU.
        synthetic: HU, on the same grid.
        real_body: boolean mask of the patient, on that grid.
        synthetic_body: that of the synthetic CT.
        by: the table that gives densities.
        target: a mask whose centroid is the point; None for that of the real body.
        valid: where the real CT is valid, boolean, on that grid; None for all of its field of view.
        angles: gantry angles, degrees, see `beam_directions`.

    Returns:
        `angles_deg`, and for the plane through the point `real_mm`, `synthetic_mm` (own outline) and
        `synthetic_in_true_outline_mm`, None where a ray is truncated; `target`, `point_mm` (RAS), `planes_mm`, `table`,
        `rays` and `truncated_rays`; `own_outline` and `true_outline` as `_errors` gives them, over all planes, None if
        every ray is truncated.

    Raises:
        DataError: if a body mask is empty or tiny, the target is empty, or its centre lies outside the body.
    """
    grid = real.grid
    _require_body(real_body, grid, "real")
    _require_body(synthetic_body, grid, "synthetic")
    point = _point(real_body, target, grid)
    starts = {z: point + np.array([0.0, 0.0, z]) for z in PLANES}
    planes = [z for z, start in starts.items() if z == 0 or is_inside(real_body, grid, start)]
    origins = np.repeat([starts[z] for z in planes], len(angles), axis=0)
    rays = cast_rays(grid, origins, np.tile(beam_directions(np.array(angles)), (len(planes), 1)))
    truth = _paths(rays, real.array, real_body, by, valid)
    within = _paths(rays, synthetic.array, real_body, by, valid)
    own = _paths(rays, synthetic.array, synthetic_body, by, valid)
    level = slice(planes.index(0) * len(angles), (planes.index(0) + 1) * len(angles))
    return {
        "angles_deg": list(angles),
        "real_mm": _listed(truth, level),
        "synthetic_mm": _listed(own, level),
        "synthetic_in_true_outline_mm": _listed(within, level),
        "target": "centre of the body" if target is None else "centre of the target",
        "point_mm": [round(float(value), 2) for value in point],
        "planes_mm": planes,
        "table": by.name,
        "rays": rays.count,
        "truncated_rays": int(np.count_nonzero(truth.truncated | own.truncated)),
        "own_outline": _errors(truth, own),
        "true_outline": _errors(truth, within),
    }


def path_lengths(
    volume: Volume, body: Array, by: HuTable, point: npt.ArrayLike, angles: tuple[float, ...] = ANGLES
) -> npt.NDArray[np.float64]:
    """WEPL (mm) from a point inside the field of view to the skin, for each gantry angle.

    Args:
        volume: HU.
        body: boolean mask on its grid; nothing outside counts.
        by: the table that gives densities.
        point: RAS mm.
        angles: gantry angles, degrees.

    Returns:
        Shape `(angles,)`; NaN where the ray leaves the field of view inside the body.
    """
    origins = np.tile(np.asarray(point, dtype=np.float64), (len(angles), 1))
    rays = cast_rays(volume.grid, origins, beam_directions(np.array(angles)))
    lengths, truncated = _paths(rays, volume.array, body, by)
    return np.where(truncated, np.nan, lengths)


def _paths(rays: Rays, array: Array, body: Array, by: HuTable, valid: Array | None = None) -> _Paths:
    lengths = rays.integrals(lambda voxels: by.of(array[voxels]) * body[voxels], array.shape)
    return _Paths(lengths, rays.truncated(body, valid))


def _require_body(body: Array, grid: Grid, what: str) -> None:
    volume = np.count_nonzero(body) * abs(np.linalg.det(grid.affine[:3, :3])) / 1000
    if volume < LEAST_BODY:
        raise DataError(
            f"the body mask of the {what} CT is {'empty' if not volume else f'of {volume:.2g} ml'}, so no path leads "
            "through it; check its Hounsfield units, or give a mask of the patient"
        )


def _point(body: Array, target: Array | None, grid: Grid) -> npt.NDArray[np.float64]:
    """The centroid (RAS mm) of the target or else of the body."""
    if target is not None and not target.any():
        raise DataError("the target mask is empty; give one that has voxels on the CT's grid, or none")
    point = grid.affine[:3] @ [*_centroid(body if target is None else target), 1.0]
    if target is not None and not is_inside(body, grid, point):
        raise DataError(f"the target's centre ({_told(point)} mm) lies outside the body; give a mask of the same scan")
    return np.asarray(point)


def _centroid(mask: Array) -> list[float]:
    """In voxel coordinates."""
    counts = [mask.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    return [float(np.average(np.arange(count.size), weights=count)) for count in counts]


def _told(point: Array) -> str:
    return ", ".join(f"{value:.1f}" for value in point)


def _listed(paths: _Paths, level: slice) -> list[float | None]:
    pairs = zip(paths.lengths[level], paths.truncated[level], strict=True)
    return [None if truncated else round(float(length), 3) for length, truncated in pairs]


def _errors(real: _Paths, synthetic: _Paths) -> dict[str, float] | None:
    """Mean, mean absolute value and 95th percentile of differences (mm), the second in per cent of the mean real WEPL.

    Also the per cent of rays that are more than 2 mm off, and the number of rays; None if there are none.
    """
    usable = ~(real.truncated | synthetic.truncated)
    if not usable.any():
        return None
    difference = synthetic.lengths[usable] - real.lengths[usable]
    size, depth = np.abs(difference), float(real.lengths[usable].mean())
    return {
        "me_mm": float(difference.mean()),
        "mae_mm": float(size.mean()),
        "p95_mm": float(np.percentile(size, 95)),
        "mae_percent": 100 * float(size.mean()) / depth if depth else 0.0,
        "beyond_2mm_percent": 100 * float((size > BEYOND).mean()),
        "rays": int(usable.sum()),
    }
