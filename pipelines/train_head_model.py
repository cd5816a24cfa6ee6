"""Train the model `head`, which ships with medcycle, and write its files.

    python pipelines/train_head_model.py CT_FOLDER WORK --minutes 60
    python pipelines/train_head_model.py CT_FOLDER WORK --minutes 120 --resume
    python pipelines/train_head_model.py CT_FOLDER WORK --write medcycle/models/head

CT_FOLDER holds the scans that head_model.yaml lists. Each also takes the shape of the others and of generated heads.
Training can be done in parts: --minutes counts all of them, and --resume goes on. --write scores the model on generated
heads in four contrasts and writes the description, the weights and the model card.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import medcycle as mc
from medcycle.body import body_mask
from medcycle.config import DataConfig, load_config
from medcycle.dataset.preparation import Prepared, prepare_volume
from medcycle.errors import RegistrationFailed, UsageError
from medcycle.evaluation.metrics import mae
from medcycle.io import read_volume, write_nifti
from medcycle.methods.checkpoint import checkpoint_of, load_method, state_of
from medcycle.methods.model_file import half, write_model
from medcycle.phantom import (
    T1_FAT_SUPPRESSED,
    T1_GRADIENT_ECHO,
    T2_FLAIR,
    T2_SPIN_ECHO,
    HeadPhantom,
    head_grid,
)
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

BONE_HU = 250.0

MOST_CHANGED = 0.5
"""HU: float16 weights are written where they change the synthetic CT by no more in the mean."""

SUMMARY = "CT from an MR of the head, in any contrast. Learned from CT alone."

LIMITS = [
    "Adult heads only; children were never seen.",
    "Trained on very few people, two of them cadavers: bone density is that of the training scans, not the patient's.",
    "Metal, contrast agent, surgical defects and large lesions were never seen.",
    "Below the jaw and at the edge of the field of view results are poor.",
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
        write(run, given.write, list(used.values()))
        return
    cohort = in_all_shapes(list(used), given.work / "ct")
    settings = {"training.max_minutes": given.minutes, "data.deformed_ct": 0}
    mc.train(RECIPE, ct=cohort, output=run, settings=settings, resume=given.resume)


def scans(folder: Path) -> dict[Path, dict[str, str]]:
    """The scans of a folder, and what is known of each. Raises `UsageError` if one is missing or not listed."""
    listed = {one.pop("file"): one for one in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}
    there = {path.name for path in folder.glob("*.nii.gz")}
    if foreign := sorted(there - listed.keys()):
        raise UsageError(
            f"{folder / foreign[0]}: not listed in {MANIFEST.name}; only scans that may be used for it are"
        )
    if missing := sorted(listed.keys() - there):
        raise UsageError(f"{folder / missing[0]}: missing")
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
            write_nifti(made.image.with_array(np.where(made.body.array, units, -1024).astype(np.float32)), path)
    return folder


def _prepared(volume: mc.Volume, config: DataConfig) -> Prepared:
    return prepare_volume(volume, "ct", config)


def write(run: Path, folder: Path, training_data: list[dict[str, str]]) -> None:
    """Score a trained model and write its files."""
    saved = load_method(checkpoint_of(run))
    halved = load_method(checkpoint_of(run))
    halved.method.load_state_dict({name: half(value).float() for name, value in saved.method.state_dict().items()})
    scores: dict[str, list[tuple[float, float]]] = {}
    changes = []
    for seed in HELD_OUT:
        head, grid = HeadPhantom.random(seed), head_grid(spacing=SCORED)
        real = head.ct(grid)
        body = body_mask(real, "ct").array
        for contrast, protocol in CONTRASTS.items():
            mr = head.mr(grid, protocol)
            whole, rounded = (mc.synthesize(mr, model).volume.array for model in (saved, halved))
            changes.append(np.abs(whole - rounded)[body])
            scores.setdefault(contrast, []).append((mae(real.array, whole, body), dice(real.array, whole, body)))
    difference = (float(np.mean([one.mean() for one in changes])), float(max(one.max() for one in changes)))
    figures = [
        {
            "on": f"generated heads, {contrast} ({len(found)} heads)",
            "mae_hu": float(np.mean([error for error, _ in found])),
            "bone_dice": float(np.mean([overlap for _, overlap in found])),
        }
        for contrast, found in scores.items()
    ]
    state: dict[str, Any] = state_of(saved)
    constant = np.mean([_constant_error(seed) for seed in HELD_OUT])
    score = np.mean([one["mae_hu"] for one in figures])
    state["learned"] = {"ct": len(training_data), "score": float(score), "kind": "mae", "constant": float(constant)}
    about = {
        "name": "head",
        "summary": SUMMARY,
        "licence": "Apache-2.0",
        "made_by": f"pipelines/{Path(__file__).name}",
        "training_data": training_data,
        "figures": figures,
        "limits": LIMITS,
    }
    small = difference[0] <= MOST_CHANGED
    path = write_model(folder, state, as_half=small, difference_hu=difference if small else (0.0, 0.0), **about)
    log.warning("wrote %s; float16 changes %.2f HU in the mean, %.1f at most", path, *difference)


def dice(real: mc.Volume, made: mc.Volume, body: np.ndarray) -> float:
    """Overlap of bone in the body."""
    one, other = ((values > BONE_HU) & body for values in (real, made))
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def _constant_error(seed: int) -> float:
    """Of one CT number, the mean, for all of a generated head's body."""
    real = HeadPhantom.random(seed).ct(head_grid(spacing=SCORED))
    inside = real.array[body_mask(real, "ct").array]
    return float(np.abs(inside - inside.mean()).mean())


if __name__ == "__main__":
    main()
