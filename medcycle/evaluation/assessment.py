"""All that is said of one synthetic CT beside its true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medcycle.body import body_mask
from medcycle.errors import RegistrationFailed
from medcycle.evaluation import metrics, tissues
from medcycle.evaluation.continuity import slice_continuity
from medcycle.evaluation.head import head_regions
from medcycle.evaluation.misregistration import measure_misregistration
from medcycle.evaluation.protocols import CT_WINDOW, Compared
from medcycle.evaluation.surfaces import agreement, dice
from medcycle.volume import Array, Grid, Volume

__all__ = ["Cropped", "assess", "bodies_of", "cropped"]

Figures = dict[str, Any]

MARGIN = 8
"""Voxels around the body that are kept."""

BACKGROUND = -1024.0


@dataclass(frozen=True)
class Cropped:
    """Volumes in nearest RAS, clipped, about the body, and masks of their shape.

    Args:
        real: HU.
        synthetic: HU.
        region: where they are scored.
        valid: where the true CT is valid.
        real_body: the patient in the true CT, where it is valid.
        synthetic_body: in the synthetic one, there.
        box: what was cut out of the volumes in nearest RAS.
    """

    real: Volume
    synthetic: Volume
    region: Array
    valid: Array
    real_body: Array
    synthetic_body: Array
    box: tuple[slice, ...]


def assess(case: Cropped, *, misregistration: bool = True) -> Figures:
    """Errors by tissue, level and region; calibration; structures; continuity; and what misregistration adds.

    Args:
        case: true and synthetic CT on one grid, and where they are scored.
        misregistration: whether the two are registered, which takes some seconds.

    Returns:
        Plain values; those in HU are of HU clipped to [-1024, 3000]. `docs/reference/metrics.md` describes them.
        `warnings` say what could not be measured.
    """
    real, synthetic, region = case.real.array, case.synthetic.array, case.region
    grid = case.real.grid
    heights = _slice_heights(grid)
    voxel_ml = abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000
    true, made = real[region], synthetic[region]
    moved, warnings = _misregistration(case) if misregistration else (None, [])
    return {
        "tissues": tissues.by_tissue(true, made, ..., voxel_ml),
        "calibration": tissues.calibration(true, made, ...),
        "histogram": tissues.histogram(true, made, ...),
        "levels": tissues.by_level(real, synthetic, region, heights),
        "regions": _by_region(case),
        "structures": _structures(case),
        "continuity": slice_continuity(real, synthetic, region, heights),
        "misregistration": moved,
        "warnings": warnings,
    }


def cropped(compared: Compared, bodies: tuple[Array, Array] | None = None) -> Cropped:
    """The case about its bodies: what is left away is air in both volumes and counts nowhere.

    Args:
        compared: the case.
        bodies: the patient in the true and in the synthetic CT, booleans of their shape; None to find both.
    """
    own_bodies = bodies or bodies_of(compared)
    real, synthetic = (_clipped(one.to_ras()) for one in (compared.real, compared.synthetic))
    region, valid, real_body, synthetic_body = (
        compared.real.with_array(one).to_ras().array for one in (compared.region, compared.valid, *own_bodies)
    )
    occupied = (real_body | synthetic_body) & valid | region
    box = tuple(
        slice(max(0, int(places[0]) - MARGIN), int(places[-1]) + 1 + MARGIN)
        for places in (np.flatnonzero(occupied.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    )
    affine = real.grid.affine.copy()
    affine[:3, 3] = (real.grid.affine @ [*(one.start for one in box), 1])[:3]
    grid = Grid(real.array[box].shape, affine)
    return Cropped(
        Volume(real.array[box], grid),
        Volume(synthetic.array[box], grid),
        region[box],
        valid[box],
        (real_body & valid)[box],
        (synthetic_body & valid)[box],
        box,
    )


def bodies_of(compared: Compared) -> tuple[Array, Array]:
    """The patient in the true CT, where that is not known yet, and in the synthetic one."""
    known = compared.body
    real = body_mask(compared.real, "ct").array if known is None else known
    return real, body_mask(compared.synthetic, "ct").array


def _clipped(volume: Volume) -> Volume:
    return volume.with_array(volume.array.astype(np.float32).clip(*CT_WINDOW))


def _slice_heights(grid: Grid) -> Array:
    """Of the axial slices' centres, mm, from any origin of patient space."""
    middle = (np.array(grid.shape[:2]) - 1) / 2
    heights: Array = grid.affine[2, :2] @ middle + grid.affine[2, 2] * np.arange(grid.shape[2]) + grid.affine[2, 3]
    return heights


def _by_region(case: Cropped) -> dict[str, Figures]:
    found = {}
    for name, part in head_regions(case.real).items():
        inside = part & case.region
        differences = case.synthetic.array[inside].astype(np.float64) - case.real.array[inside]
        found[name] = tissues.errors(differences)
    return found


def _structures(case: Cropped) -> dict[str, Figures]:
    bones = [(one.array >= tissues.BONE) & case.region for one in (case.real, case.synthetic)]
    return {
        "bone": agreement(bones[0], bones[1], case.real.grid)._asdict(),
        "body": agreement(case.real_body, case.synthetic_body, case.real.grid)._asdict(),
    }


def _misregistration(case: Cropped) -> tuple[Figures | None, list[str]]:
    """How far they are apart, and the scores before and after; or why they can't be registered."""
    try:
        found = measure_misregistration(case.real, case.synthetic, case.real_body)
    except RegistrationFailed as error:
        return None, [f"misregistration not measured: {error}"]
    moved = found.move(case.synthetic, case.real.grid, BACKGROUND)
    scores = {"before": _brief(case, case.synthetic.array), "after": _brief(case, moved.array)}
    return found.to_json() | scores, []


def _brief(case: Cropped, synthetic: Array) -> Figures:
    real, region = case.real.array, case.region
    bones = [(one >= tissues.BONE) & region for one in (real, synthetic)]
    return {
        "mae": metrics.mae(real, synthetic, region),
        "me": metrics.me(real, synthetic, region),
        "psnr": metrics.psnr(real, synthetic, region, CT_WINDOW),
        "bone_dice": dice(*bones),
    }
