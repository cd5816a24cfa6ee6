"""What two doses differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medcycle.dose.histogram import curve_of, dose_in, figures_of
from medcycle.dose.structures import Structure
from medcycle.volume import Array, Grid, Volume

__all__ = ["gamma_figures", "structure_figures"]


def structure_figures(
    real: Volume, synthetic: Volume, structures: Sequence[Structure], grid: Grid, reference: float
) -> dict[str, dict[str, Any]]:
    """Dose-volume figures of each structure in both doses.

    Args:
        real: Gy.
        synthetic: Gy, on the same grid.
        structures: regions on `grid`.
        grid: of the real CT.
        reference: Gy that differences are given in percent of.

    Returns:
        By name: `kind`, `volume_ml`, the figures of `DoseVolume` (Gy) under `real`, `synthetic`, `difference`
        (synthetic − real) and `difference_percent`, `covered_percent` (how much of it the doses cover), and `curves`
        with `dose`, `real` and `synthetic` (percent of the volume with that dose or more).
    """
    highest = float(max(real.array.max(), synthetic.array.max()))
    voxel = float(np.prod(grid.spacing))
    known = Volume(np.ones(real.array.shape, dtype=np.float32), real.grid)
    found = {}
    for one in structures:
        doses = [dose_in(dose, one.mask, grid) for dose in (real, synthetic)]
        first, second = (figures_of(dose, voxel)._asdict() for dose in doses)
        apart = {name: second[name] - first[name] for name in first}
        levels, of_real = curve_of(doses[0], highest)
        found[one.name] = {
            "kind": one.kind,
            "volume_ml": len(doses[0]) * voxel / 1000,
            "covered_percent": 100 * float(dose_in(known, one.mask, grid).mean()),
            "real": first,
            "synthetic": second,
            "difference": apart,
            "difference_percent": {name: 100 * value / reference for name, value in apart.items()},
            "curves": {"dose": levels, "real": of_real, "synthetic": curve_of(doses[1], highest)[1]},
        }
    return found


def gamma_figures(found: Mapping[tuple[float, float], Array]) -> dict[str, dict[str, float]]:
    """The part of the voxels with a gamma of 1 or less (`pass_percent`), their mean, and how many there are."""
    figures = {}
    for (percent, distance), values in found.items():
        known = values[np.isfinite(values)]
        figures[f"{percent:g} %/{distance:g} mm"] = {
            "pass_percent": 100 * float((known <= 1).mean()),
            "mean": float(known.mean()),
            "voxels": int(known.size),
        }
    return figures
