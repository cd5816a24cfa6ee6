"""What radiotherapy asks of a synthetic CT, measured against the real one without a plan or a dose engine."""

from __future__ import annotations

from typing import Any

from medcycle.evaluation.density import HuTable, density_measures
from medcycle.evaluation.drr import Drr, View, drr_measures, drrs
from medcycle.evaluation.wepl import wepl_measures
from medcycle.volume import Array, Volume

__all__ = ["radiotherapy_measures"]


def radiotherapy_measures(
    real: Volume,
    synthetic: Volume,
    real_body: Array,
    synthetic_body: Array,
    *,
    table: HuTable,
    target: Array | None = None,
    valid: Array | None = None,
) -> tuple[dict[str, Any], dict[View, Drr]]:
    """Densities, water-equivalent path lengths and radiographs of one case.

    Args:
        real: HU, finite.
        synthetic: HU, finite, on the same grid.
        real_body: boolean mask of the patient, on that grid.
        synthetic_body: that of the synthetic CT.
        table: Hounsfield units to density or stopping-power ratio.
        target: a mask whose centroid the path lengths lead to; None for that of the body.
        valid: where the real CT is valid, boolean, on that grid; None for all of its field of view.

    Returns:
        The parts `density` (inside the true body), `wepl` and `drr` of a case's details, plain values, with `warnings`,
        a list of sentences; and the radiographs by view, for `write_drr_png`.

    Raises:
        GridMismatch: if the grids differ.
        DataError: if a body mask is empty or tiny, the target is empty, or its centre lies outside the body.
    """
    real.grid.require_close(synthetic.grid, "real and synthetic CT")
    wepl = wepl_measures(real, synthetic, real_body, synthetic_body, by=table, target=target, valid=valid)
    images = drrs(real, synthetic, real_body, synthetic_body)
    measures = {
        "density": density_measures(real.array, synthetic.array, real_body, table),
        "wepl": wepl,
        "drr": drr_measures(images),
        "warnings": _warnings(wepl["truncated_rays"], wepl["rays"]),
    }
    return measures, images


def _warnings(truncated: int, rays: int) -> list[str]:
    if not truncated:
        return []
    return [
        f"the body goes on beyond the field of view, or what of it is valid, on {truncated} of {rays} rays, whose "
        "water-equivalent path lengths are unknown and left out"
    ]
