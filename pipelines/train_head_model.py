"""Train the model `head`, which ships with medcycle, and write its files.

    python pipelines/train_head_model.py CT_FOLDER WORK --minutes 60
    python pipelines/train_head_model.py CT_FOLDER WORK --minutes 120 --resume
    python pipelines/train_head_model.py CT_FOLDER WORK --write medcycle/models/head

CT_FOLDER holds the scans that head_model.yaml lists. Each also takes the shape of the others and of generated heads,
and each of these is tilted forwards and backwards as well.
Training can be done in parts: --minutes counts all of them, and --resume goes on. --write calibrates the uncertainty of
the model, scores it on generated heads in four contrasts and writes the description, the weights and the model card.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from head_calibration import calibrated
from scipy.spatial.transform import Rotation

import medcycle as mc
from medcycle.body import body_mask
from medcycle.config import DataConfig, load_config
from medcycle.dataset.preparation import Prepared, prepare_volume
from medcycle.errors import RegistrationFailed, UsageError
from medcycle.evaluation.metrics import mae
from medcycle.evaluation.surfaces import dice
from medcycle.io import read_volume, write_nifti
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, load_method, state_of
from medcycle.methods.model_file import half, write_model
from medcycle.phantom import (
    T1_FAT_SUPPRESSED,
    T1_GRADIENT_ECHO,
    T2_FLAIR,
    T2_SPIN_ECHO,
    HeadPhantom,
    head_grid,
)
from medcycle.resample import resample_to
from medcycle.simulation.deformed_ct import deformed

log = logging.getLogger(__name__)

MANIFEST = Path(__file__).with_name("head_model.yaml")

RECIPE = "head_ct_only"

SHAPES = range(9000, 9006)
"""Seeds of the generated heads whose shapes the scans take."""

HELD_OUT = (4242, 4243, 4244)
"""Seeds of the generated heads that the model is scored on."""

CONTRASTS = {"T1": T1_GRADIENT_ECHO, "T2": T2_SPIN_ECHO, "fat-suppressed T1": T1_FAT_SUPPRESSED, "FLAIR": T2_FLAIR}

SCORED = (1.5, 1.5, 2.0)
"""Voxels of generated heads, mm."""

TILTS = ((35.0, 12.0), (-35.0, -12.0))
"""Degrees about the left-right and the front-back axis, so that slices also run along other parts of the skull."""

AIR_HU, BONE_HU = -1024.0, 250.0

MOST_CHANGED = 0.5
"""HU: float16 weights are written where they change the synthetic CT by no more in the mean."""

SUMMARY = "CT from an MR of the head, in any contrast. Learned from CT alone."

LIMITS = [
    "Adult heads only; children were never seen.",
    "Trained on very few people, two of them cadavers: bone density is that of the training scans, not the patient's.",
    "Metal, contrast agent, surgical defects and large lesions were never seen.",
    "Below the jaw and at the edge of the field of view results are poor.",
    "Expected errors are calibrated on generated heads and simulated MR: they tell nothing of what was never seen.",
    "Not validated on patients: for research only.",
]


def main() -> None:
    """Read the command line, then train or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", type=Path, metavar="CT_FOLDER")
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--minutes", type=float, default=60, help="of training, all parts together")
    parser.add_argument("--resume", action="store_true", help="go on with the run in WORK")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the trained model's files there")
    given = parser.parse_args()
    used = scans(given.ct)
    run = given.work / "run"
    if given.write:
        write(run, given.write, used)
        return
    cohort = in_all_shapes(list(used), given.work / "ct")
    settings = {"training.max_minutes": given.minutes, "data.deformed_ct": 0}
    mc.train(RECIPE, ct=cohort, output=run, settings=settings, from_scratch=True, resume=given.resume)


def scans(folder: Path) -> dict[Path, dict[str, str]]:
    """The scans of a folder, and what is known of each. Raises `UsageError` if one is missing or not listed."""
    listed = {one.pop("file"): one for one in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}
    there = {path.name for path in folder.glob("*.nii.gz")}
    if foreign := sorted(there - listed.keys()):
        raise UsageError(
            f"{folder / foreign[0]}: not in {MANIFEST.name}, which lists the scans that may be used; move it away"
        )
    if missing := sorted(listed.keys() - there):
        raise UsageError(f"{folder / missing[0]}: missing; {MANIFEST.name} says where it is from")
    return {folder / name: about for name, about in listed.items()}


def in_all_shapes(paths: list[Path], folder: Path) -> Path:
    """A folder of the scans, and of each in the shape of the others and of generated heads."""
    config = load_config(RECIPE).data
    real = {path.name.partition(".")[0]: _prepared(read_volume(path), config) for path in paths}
    grid = head_grid(spacing=(1.5, 1.5, 1.5))
    shapes = real | {f"generated{seed}": _prepared(HeadPhantom.random(seed).ct(grid), config) for seed in SHAPES}
    for name, moving in real.items():
        for shape, fixed in shapes.items():
            path = folder / (f"{name}.nii.gz" if shape == name else f"{name}-as-{shape}.nii.gz")
            refused = path.with_suffix(".txt")
            if path.exists() or refused.exists():
                continue
            try:
                made = moving if shape == name else deformed(moving, fixed)
            except RegistrationFailed as error:
                log.warning("%s: %s", path.name, error)
                refused.write_text(f"{error}\n")
                continue
            units = made.intensity.inverse(made.image.array)
            write_nifti(made.image.with_array(np.where(made.body.array, units, AIR_HU).astype(np.float32)), path)
    _add_tilted(folder)
    return folder


def _add_tilted(folder: Path) -> None:
    for path in sorted(folder.glob("*.nii.gz")):
        if "-tilted" in path.name:
            continue
        for number, (pitch, roll) in enumerate(TILTS, 1):
            other = path.with_name(path.name.replace(".nii.gz", f"-tilted{number}.nii.gz"))
            if not other.exists():
                write_nifti(tilted(read_volume(path), pitch, roll), other)


def tilted(volume: mc.Volume, pitch: float, roll: float) -> mc.Volume:
    """A head turned about the left-right and the front-back axis, degrees, on axial slices of 2 mm."""
    upright = volume.to_ras()
    centre = upright.grid.affine @ [*((np.array(upright.grid.shape) - 1) / 2), 1]
    to_centre, back = np.eye(4), np.eye(4)
    to_centre[:3, 3], back[:3, 3] = -centre[:3], centre[:3]
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xy", [pitch, roll], degrees=True).as_matrix()
    turned = mc.Volume(upright.array, mc.Grid(upright.grid.shape, back @ turn @ to_centre @ upright.grid.affine))
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(upright.grid.shape) - 1)
    reached = (turned.grid.affine @ np.column_stack([corners, np.ones(8)]).T)[:3]
    low, high = reached.min(axis=1), reached.max(axis=1)
    spacing = np.array([1.5, 1.5, 2.0])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = low
    shape = np.ceil((high - low) / spacing).astype(int) + 1
    return resample_to(turned, mc.Grid(tuple(shape.tolist()), affine), background=AIR_HU)


def _prepared(volume: mc.Volume, config: DataConfig) -> Prepared:
    return prepare_volume(volume, "ct", config)


def write(run: Path, folder: Path, used: dict[Path, dict[str, str]]) -> None:
    """Calibrate a trained model, score it and write its files."""
    saved = calibrated(load_method(checkpoint_of(run)), list(used), list(CONTRASTS.values()))
    scores = [scores_of(seed, contrast, saved) for contrast in CONTRASTS for seed in HELD_OUT]
    difference = (float(np.mean([one.changed for one in scores])), float(max(one.most_changed for one in scores)))
    state: dict[str, Any] = state_of(saved)
    error, constant = (float(np.mean([getattr(one, name) for one in scores])) for name in ("mae", "constant"))
    state["learned"] = {"ct": len(used), "score": error, "kind": "mae", "constant": constant}
    small = difference[0] <= MOST_CHANGED
    path = write_model(
        folder,
        state,
        as_half=small,
        difference_hu=difference if small else (0.0, 0.0),
        name="head",
        summary=SUMMARY,
        licence="Apache-2.0",
        made_by=f"pipelines/{Path(__file__).name}",
        training_data=list(used.values()),
        figures=[figure_of(contrast, [one for one in scores if one.contrast == contrast]) for contrast in CONTRASTS],
        limits=LIMITS,
    )
    log.warning("wrote %s; float16 changes %.2f HU in the mean, %.1f at most", path, *difference)


class Scores(NamedTuple):
    """Of a generated head in one contrast.

    Args:
        contrast: of its MR.
        mae: mean absolute error in the body, HU.
        constant: that of one CT number, the mean, for all of the body.
        bone_dice: overlap of bone.
        changed: what float16 weights change in the mean, HU.
        most_changed: at most.
    """

    contrast: str
    mae: float
    constant: float
    bone_dice: float
    changed: float
    most_changed: float


def scores_of(seed: int, contrast: str, saved: SavedMethod) -> Scores:
    """Scores of a model on a generated head in one contrast."""
    head, grid = HeadPhantom.random(seed), head_grid(spacing=SCORED)
    real, mr = head.ct(grid), head.mr(grid, CONTRASTS[contrast])
    body = body_mask(real, "ct").array
    rounded = replace(saved, method=deepcopy(saved.method))
    rounded.method.load_state_dict({name: half(value).float() for name, value in saved.method.state_dict().items()})
    made, other = (mc.synthesize(mr, model).volume.array for model in (saved, rounded))
    inside, change = real.array[body], np.abs(made - other)[body]
    return Scores(
        contrast,
        mae(real.array, made, body),
        float(np.abs(inside - inside.mean()).mean()),
        dice((real.array > BONE_HU) & body, (made > BONE_HU) & body) or 0.0,
        float(change.mean()),
        float(change.max()),
    )


def figure_of(contrast: str, scores: Sequence[Scores]) -> dict[str, Any]:
    """What the card says of a contrast."""
    return {
        "on": f"generated heads, {contrast} ({len(scores)} heads)",
        "mae_hu": float(np.mean([one.mae for one in scores])),
        "bone_dice": float(np.mean([one.bone_dice for one in scores])),
    }


if __name__ == "__main__":
    main()
