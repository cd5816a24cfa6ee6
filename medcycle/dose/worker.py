"""Doses by pyRadPlan and gamma by pymedphys: `PYTHON worker.py FOLDER`, with a Python that has both.

Their versions need other versions of NumPy than medcycle is tested with, so this file imports nothing of medcycle and
may run in an environment of its own. FOLDER holds `job.json` and `job.npz`; the answer is `done.npz` there. Arrays are
indexed `[z, y, x]`, on a grid along the LPS+ axes of DICOM.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

SPARED_FROM = 0.5
"""Part of the prescribed dose above which tissue outside the target costs."""

PRIORITIES = {"target": 100.0, "body": 10.0}
"""Weights of the two objectives."""


def main(folder: Path) -> None:
    """Do the job in a folder."""
    logging.basicConfig(level=logging.WARNING)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "job.npz", allow_pickle=False) as arrays:
        given = dict(arrays)
    done = {"recalculate": recalculate, "gamma": gamma}[job["task"]](job, given)
    np.savez(folder / "done.npz", **done)


def recalculate(job: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Optimise a plan on the real CT and calculate its dose on both.

    Args:
        job: `spacing` (mm along z, y, x), `origin` (LPS mm), `radiation`, `gantry_angles` and `couch_angles` (degrees),
            `isocentre` (LPS mm or None), `bixel_width` (mm), `dose` (Gy in all) and `fractions`.
        given: `real` and `synthetic` (HU), `target` and `body` (masks), and `table`, rows of HU and density, if there
            is one.

    Returns:
        `real` and `synthetic`, Gy in all fractions, and `bixels`, how many the plan has.
    """
    import SimpleITK as sitk
    from pyRadPlan import calc_dose_influence, fluence_optimization, generate_stf
    from pyRadPlan.ct import create_ct
    from pyRadPlan.dose import calc_dose_forward

    def image(array: Any) -> Any:
        made = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
        made.SetOrigin(job["origin"])
        made.SetSpacing(job["spacing"][::-1])
        return made

    real, synthetic = (create_ct(cube_hu=image(given[name].astype(np.float32))) for name in ("real", "synthetic"))
    structures = _structures(job, real, image(given["target"]), image(given["body"]))
    plan = _plan(job, given.get("table"))
    beams = generate_stf(real, structures, plan)
    influence = calc_dose_influence(real, structures, beams, plan)
    weights = fluence_optimization(real, structures, beams, influence, plan)
    del influence
    doses = {}
    for name, ct in (("real", real), ("synthetic", synthetic)):
        found = calc_dose_forward(ct, structures, beams, plan, weights)["physical_dose"]
        doses[name] = (sitk.GetArrayFromImage(found) * job["fractions"]).astype(np.float32)
    return {**doses, "bixels": np.array(len(weights))}


def _structures(job: dict[str, Any], ct: Any, target: Any, body: Any) -> Any:
    """The target gets its dose, and the rest of the body at most half of it."""
    from pyRadPlan.cst import create_cst, create_voi
    from pyRadPlan.optimization.objectives import SquaredDeviation, SquaredOverdosing

    fraction = job["dose"] / job["fractions"]
    wanted = SquaredDeviation(d_ref=fraction, priority=PRIORITIES["target"])
    limit = SquaredOverdosing(d_max=SPARED_FROM * fraction, priority=PRIORITIES["body"])
    kinds = (("target", "TARGET", target, wanted, 0), ("body", "EXTERNAL", body, limit, 5))
    volumes = [
        create_voi(name=name, voi_type=kind, mask=mask, ct_image=ct, objectives=[objective], overlap_priority=priority)
        for name, kind, mask, objective, priority in kinds
    ]
    return create_cst(volumes, ct=ct)


def _plan(job: dict[str, Any], table: Any) -> Any:
    from pyRadPlan import IonPlan, PhotonPlan

    geometry = {name: job[name] for name in ("gantry_angles", "couch_angles", "bixel_width")}
    if job["isocentre"]:
        geometry["iso_center"] = job["isocentre"]
    calculation: dict[str, Any] = {"dose_grid": {"resolution": dict(zip("zyx", job["spacing"], strict=True))}}
    if table is not None:
        calculation["hlut"] = table
    common = {
        "machine": "Generic",
        "num_of_fractions": job["fractions"],
        "prescribed_dose": job["dose"],
        "prop_stf": geometry,
        "prop_dose_calc": calculation,
        "prop_opt": {"solver": "scipy"},
    }
    return PhotonPlan(**common) if job["radiation"] == "photons" else IonPlan(radiation_mode="protons", **common)


def gamma(job: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Gamma of each voxel, global, up to 2; NaN where the real dose is below the threshold.

    Args:
        job: `spacing` (mm along z, y, x), `criteria` (pairs of percent of the highest real dose and mm) and `threshold`
            (percent of it).
        given: `real` and `synthetic` dose, Gy.

    Returns:
        An array a criterion, by its number.
    """
    import pymedphys

    axes = tuple(np.arange(n) * mm for n, mm in zip(given["real"].shape, job["spacing"], strict=True))
    return {
        str(number): np.asarray(
            pymedphys.gamma(
                axes,
                given["real"],
                axes,
                given["synthetic"],
                percent,
                distance,
                lower_percent_dose_cutoff=job["threshold"],
                max_gamma=2.0,
                quiet=True,
            ),
            dtype=np.float32,
        )
        for number, (percent, distance) in enumerate(job["criteria"])
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
