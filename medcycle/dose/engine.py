"""Doses and gamma by the packages that calculate them, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from medcycle.dose.plan import Plan
from medcycle.errors import DataError, UsageError
from medcycle.evaluation.density import HuTable
from medcycle.volume import Array, Grid, Volume

__all__ = ["CRITERIA", "THRESHOLD", "Recalculated", "gamma_of", "recalculate", "require_engine"]

SETTING = "MEDCYCLE_DOSE_PYTHON"
"""The environment variable that names a Python with pyRadPlan and pymedphys, where medcycle's own has none."""

NEEDED = ("pyRadPlan", "pymedphys", "numba")

WORKER = Path(__file__).with_name("worker.py")

CRITERIA = ((3.0, 3.0), (2.0, 2.0))
"""Percent of the highest real dose, and mm."""

THRESHOLD = 10.0
"""Percent of the highest real dose below which gamma is not taken."""

BIXEL_WIDTH = 5.0
"""mm in the isocentre's plane, of a pencil beam of photons, or between spots of protons."""


class Recalculated(NamedTuple):
    """Doses in Gy, on the grid of the CT that were given, and the number of pencil beams."""

    real: Volume
    synthetic: Volume
    bixels: int


def recalculate(
    real: Volume, synthetic: Volume, target: Array, body: Array, plan: Plan, table: HuTable | None = None
) -> Recalculated:
    """Optimise a plan on the real CT with pyRadPlan, and calculate its dose on both.

    The machine is pyRadPlan's generic one of the radiation: pencil beams, of photons by singular value decomposition
    (Bortfeld 1993) and of protons (Hong 1996).

    Args:
        real: HU, on a grid along the LPS+ axes with the same spacing along each.
        synthetic: HU, on that grid.
        target: booleans on that grid.
        body: likewise.
        plan: what is to be given.
        table: Hounsfield units to density; None for pyRadPlan's own.

    Raises:
        UsageError: if there is no pyRadPlan.
        DataError: if the calculation fails.
    """
    grid = real.grid
    job = _geometry(grid) | {
        "task": "recalculate",
        "radiation": plan.radiation,
        "gantry_angles": plan.gantry,
        "couch_angles": plan.couch,
        "isocentre": plan.isocentre,
        "bixel_width": BIXEL_WIDTH,
        "dose": plan.dose,
        "fractions": plan.fractions,
    }
    arrays = {"real": real.array, "synthetic": synthetic.array, "target": target, "body": body}
    arrays = {name: _to_zyx(array) for name, array in arrays.items()}
    if table is not None:
        arrays["table"] = np.column_stack([table.hu, table.values])
    done = _run(job, arrays)
    first, second = (Volume(_from_zyx(done[name]), grid) for name in ("real", "synthetic"))
    return Recalculated(first, second, int(done["bixels"]))


def gamma_of(real: Volume, synthetic: Volume) -> dict[tuple[float, float], Array]:
    """Global gamma (Low 1998) by pymedphys, for each of `CRITERIA`.

    Args:
        real: Gy; the reference.
        synthetic: Gy, on that grid.

    Returns:
        By criterion, the gamma of each voxel, up to 2; NaN below `THRESHOLD`.

    Raises:
        UsageError: if there is no pymedphys.
        DataError: if the calculation fails.
    """
    job = _geometry(real.grid) | {"task": "gamma", "criteria": CRITERIA, "threshold": THRESHOLD}
    done = _run(job, {"real": _to_zyx(real.array), "synthetic": _to_zyx(synthetic.array)})
    return {criterion: _from_zyx(done[str(number)]) for number, criterion in enumerate(CRITERIA)}


def _geometry(grid: Grid) -> dict[str, Any]:
    x, y, z = grid.affine[:3, 3]
    return {"spacing": grid.spacing[::-1], "origin": [-x, -y, z]}


def _to_zyx(array: Array) -> Array:
    return np.ascontiguousarray(array.T)


def _from_zyx(array: Array) -> Array:
    return array.T


def require_engine() -> str:
    """The Python that has pyRadPlan and pymedphys. Raises `UsageError` if there is none."""
    python = os.environ.get(SETTING) or sys.executable
    asked = [python, "-c", f"import importlib.util as u; print(*(n for n in {NEEDED} if not u.find_spec(n)))"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{SETTING}={python}: no Python that runs ({type(error).__name__}); correct it") from error
    if missing := ", ".join(found.stdout.split()):
        raise UsageError(
            f"{missing}: not installed in {python}; pip install 'medcycle[dose]', or install 'pyRadPlan<0.4', "
            f"pymedphys and numba in another environment and set {SETTING} to its python"
        )
    return python


def _run(job: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Array]:
    python = require_engine()
    with TemporaryDirectory(prefix="medcycle-dose-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        np.savez(folder / "job.npz", **arrays)  # type: ignore[arg-type] # its stub takes them for an option
        called = [python, str(WORKER), name]
        ended = subprocess.run(called, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        answer = folder / "done.npz"
        if ended.returncode or not answer.is_file():
            last = ended.stderr.strip().splitlines()[-1:] or [f"exit status {ended.returncode}"]
            raise DataError(f"the calculation of the dose failed: {last[0]}")
        with np.load(answer, allow_pickle=False) as done:
            return dict(done)
