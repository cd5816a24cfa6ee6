"""Doses on a real and a synthetic CT: calculated or read, compared, and written."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medcycle import __version__
from medcycle.cohort.vetting import vet
from medcycle.dose.engine import THRESHOLD, gamma_of, recalculate, require_engine
from medcycle.dose.figures import gamma_figures, structure_figures
from medcycle.dose.picture import write_picture
from medcycle.dose.plan import Plan
from medcycle.dose.preparation import on_dose_grid, prepare
from medcycle.dose.structures import Structure, external_of, read_structures, target_of
from medcycle.dose.volumes import read_dose
from medcycle.errors import DataError
from medcycle.evaluation.density import read_table
from medcycle.evaluation.tables import require_folder
from medcycle.io.dicom.pixels import read_dataset
from medcycle.io.discover import one_source
from medcycle.io.files import write_text
from medcycle.io.nifti import write_nifti
from medcycle.resample import resample_to
from medcycle.volume import Array, Volume

__all__ = ["DEFAULT_SPACING", "compare_planned_doses", "recalculate_dose"]

DEFAULT_SPACING = 2.5
"""mm of the grid that a dose is calculated on."""

SUMMARY = "summary.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Case:
    """The real CT, with axes to the nearest RAS, and what was drawn on it."""

    real: Volume
    structures: Sequence[Structure]


def recalculate_dose(  # noqa: PLR0913 - what a dose depends on
    real: Path,
    synthetic: Path,
    structures: Path,
    output: Path,
    *,
    plan: Plan,
    target: str | None = None,
    hlut: Path | None = None,
    spacing: float = DEFAULT_SPACING,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Optimise a plan on the real CT, calculate its dose on both CT, and compare.

    Outside its own outline each CT is air, so that the couch counts for neither. Where the synthetic CT has no voxels,
    the real one is taken.

    Args:
        real: the real CT, a file or a DICOM series.
        synthetic: the synthetic CT, in the same space.
        structures: an RT structure set drawn on the real CT, or labels on its grid.
        output: a folder, which gets `summary.json`, `dose_real.nii.gz`, `dose_synthetic.nii.gz`,
            `dose_difference.nii.gz` (synthetic − real; Gy), `gamma_2pct_2mm.nii.gz` and so on, and `dose.png`.
        plan: how the target is treated.
        target: the structure's name; see `target_of`.
        hlut: the scanner's table of HU and relative electron density, or stopping power for protons.
        spacing: mm, of the dose grid.
        say: told what takes long before it begins.

    Returns:
        What `summary.json` holds: `plan`, `structures` as of `structure_figures`, `gamma` as of `gamma_figures`.

    Raises:
        UsageError: if a path is missing, no single target is found, or pyRadPlan or pymedphys is not installed.
        ConfigError: if the table can't be used.
        DataError: if a file can't be read, is no CT, or doesn't fit the others, or the calculation fails.
    """
    require_folder(output)
    require_engine()
    table = read_table(hlut, "spr" if plan.radiation == "protons" else "red") if hlut else None
    case, made = _case(real, structures), _ct(synthetic)
    treated, external = target_of(case.structures, target), external_of(case.structures)
    on_grid = prepare(case.real, made, external.mask if external else None, spacing)
    grid = on_grid.real.grid
    mask = on_dose_grid(treated.mask, case.real.grid, grid)
    if not mask.any():
        raise DataError(f"{treated.name}: too small for a dose grid of {spacing:g} mm; lower --spacing")
    if say:
        say("optimising a plan on the real CT, and calculating it on both; about a minute for a head")
    began = time.monotonic()
    doses = recalculate(on_grid.real, on_grid.synthetic, mask, on_grid.body, plan, table)
    seconds = time.monotonic() - began
    if on_grid.added >= 0.05:
        log.warning("%.1f %% of the body lies outside the synthetic CT: the real one is taken there", on_grid.added)
    described = asdict(plan) | {
        "target": treated.name,
        "spacing_mm": spacing,
        "pencil_beams": doses.bixels,
        "table": table.name if table else "pyRadPlan's default",
        "seconds": round(seconds, 1),
        "body_outside_synthetic_percent": on_grid.added,
    }
    inputs = {"real": real.name, "synthetic": synthetic.name, "structures": structures.name}
    return _written(case, doses.real, doses.synthetic, output, treated, described, plan.dose, inputs)


def compare_planned_doses(
    real_dose: Path, synthetic_dose: Path, output: Path, *, real: Path | None = None, structures: Path | None = None
) -> dict[str, Any]:
    """Compare two doses that a planning system has calculated, on the real and the synthetic CT.

    Args:
        real_dose: an RT Dose file, or an image file in Gy.
        synthetic_dose: likewise, in the same space.
        output: as of `recalculate_dose`, but for the picture where there is no `real`.
        real: the real CT, which labels and the picture need; without it, structures are taken on the dose's grid.
        structures: an RT structure set, or labels; None for gamma alone.

    Returns:
        As `recalculate_dose`, without `plan`. Percentages are of the highest real dose.

    Raises:
        UsageError, DataError: as `recalculate_dose`.
    """
    require_folder(output)
    require_engine()
    first, second = read_dose(real_dose).to_ras(), read_dose(synthetic_dose)
    moved = resample_to(second, first.grid, background=0.0)
    if not moved.array.any():
        raise DataError(f"{synthetic_dose}: lies nowhere on {real_dose.name}; give two doses in the same space")
    if real:
        case = _case(real, structures)
    else:
        case = _Case(first, read_structures(structures, first.grid) if structures else [])
    inputs = {"real": real_dose.name, "synthetic": synthetic_dose.name} | (
        {"structures": structures.name} if structures else {}
    )
    return _written(case, first, moved, output, None, None, float(first.array.max()), inputs)


def _case(real: Path, structures: Path | None) -> _Case:
    volume, series = _ct(real), one_source(real).series
    header = read_dataset(series.files[0], pixels=False) if series else None
    return _Case(volume, read_structures(structures, volume.grid, header) if structures else [])


def _ct(path: Path) -> Volume:
    source = one_source(path)
    volume = source.read()
    vet(source, volume, "ct")
    return volume.to_ras()


def _written(
    case: _Case,
    real: Volume,
    synthetic: Volume,
    output: Path,
    treated: Structure | None,
    plan: Mapping[str, Any] | None,
    reference: float,
    inputs: Mapping[str, str],
) -> dict[str, Any]:
    gammas = gamma_of(real, synthetic)
    summary = {
        "kind": "dose",
        "medcycle": __version__,
        "use": "research only",
        "inputs": dict(inputs),
        "plan": plan,
        "reference_gy": reference,
        "structures": structure_figures(real, synthetic, case.structures, case.real.grid, reference),
        "gamma": gamma_figures(gammas),
        "gamma_threshold_percent": THRESHOLD,
        "highest_gy": {"real": float(real.array.max()), "synthetic": float(synthetic.array.max())},
    }
    output.mkdir(parents=True, exist_ok=True)
    volumes: dict[str, Array] = {"dose_real": real.array, "dose_synthetic": synthetic.array}
    volumes["dose_difference"] = synthetic.array - real.array
    volumes |= {f"gamma_{percent:g}pct_{mm:g}mm": np.nan_to_num(found) for (percent, mm), found in gammas.items()}
    for name, array in volumes.items():
        write_nifti(real.with_array(array.astype(np.float32)), output / f"{name}.nii.gz")
    write_picture(case.real, real, synthetic, output / "dose.png", treated.mask if treated else None)
    write_text(output / SUMMARY, json.dumps(summary, indent=1, allow_nan=False) + "\n")
    return summary
