"""Evaluation, synthesis and run folders made by hand, of generated heads and of a synthetic CT with a known error."""

import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from medcycle.io import write_nifti
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume

GRID = head_grid(spacing=(6.0, 6.0, 8.0))

TISSUES = {"air": 90.0, "fat": 30.0, "soft tissue": 25.0, "bone": 140.0, "dense bone": 260.0}


def smooth_error(grid: Grid, seed: int, strength: float = 60.0) -> Any:
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal(grid.shape), [20 / s for s in grid.spacing])
    return (strength * noise / noise.std()).astype(np.float32)


def write_volumes(folder: Path, name: str, seed: int, grid: Grid = GRID) -> dict[str, Any]:
    """Real, synthetic, source and uncertainty of a head; what `inputs.json` has of them."""
    head = HeadPhantom.random(seed)
    real, error = head.ct(grid), smooth_error(grid, seed)
    synthetic = Volume(np.maximum(real.array * 0.95 + error * (real.array > -500), -1024).astype(np.float32), grid)
    volumes = {
        "real": real,
        "synthetic": synthetic,
        "source": head.mr(grid),
        "uncertainty": Volume(np.abs(error), grid),
    }
    for kind, volume in volumes.items():
        write_nifti(volume, folder / kind / f"{name}.nii.gz")
    return {kind: f"../{folder.name}/{kind}/{name}.nii.gz" for kind in volumes} | {"mask": None}


def png(width: int = 96, height: int = 32, comment: str = "") -> bytes:
    """A small grey picture, perhaps with a text in it."""
    rows = b"".join(b"\0" + bytes((x * 255 // width) for x in range(width)) for _ in range(height))
    text = [(b"tEXt", b"Comment\0" + comment.encode())] if comment else []
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    made = b"\x89PNG\r\n\x1a\n"
    for kind, content in [header, *text, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]:
        made += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return made


def scores_of(number: int) -> dict[str, float | None]:
    wave = math.sin(3 * number)
    worst = 90.0 if number == 2 else 0.0
    return {
        "mae": 62 + 6 * wave + worst,
        "me": -4 + 5 * math.cos(number),
        "rmse": 120 + 10 * wave + worst,
        "psnr": 29 - wave - worst / 15,
        "ssim": 0.89 - 0.01 * wave,
        "ms_ssim": 0.93 - 0.01 * wave,
        "bone_dice": 0.82 - 0.02 * wave,
        "mae_bone": 150 + 20 * wave,
        "wepl_mae_mm": 1.1 + 0.2 * wave,
    }


def details_of(number: int, name: str) -> dict[str, Any]:
    """As `cases/NAME.json` has it."""
    wave = math.sin(3 * number)
    centres = list(range(-1000, 1600, 50))
    angles = list(range(0, 360, 5))
    depth = [88 + 12 * math.cos(math.radians(2 * angle)) + number for angle in angles]
    levels = [-120 + 4.0 * n for n in range(50)]
    edges = list(range(-1024, 2001, 63))
    counts = [int(2000 * math.exp(-(((edge - 40) / 300) ** 2)) + 30) for edge in edges[:-1]]
    return {
        "version": 1,
        "kind": "with reference",
        "modality": "ct",
        "protocol": "medcycle",
        "scores": scores_of(number),
        "tissues": {
            tissue: {
                "low": None,
                "high": 0,
                "voxels": 1000,
                "ml": 12.0,
                "mae": mae * (1 + 0.1 * wave),
                "me": -mae / 4 * wave,
                "rmse": 1.6 * mae,
            }
            for tissue, mae in TISSUES.items()
        },
        "calibration": {
            "all": {"slope": 0.95, "intercept": 4.0, "r2": 0.95, "voxels": 100},
            "bone": {"slope": 0.6, "intercept": 210.0, "r2": 0.5, "voxels": 10, "me": -80.0},
            "curve": {
                "real": centres,
                "mean": [0.95 * hu + 15 * wave if hu < 1400 else None for hu in centres],
                "sd": [30 + abs(hu) / 12 for hu in centres],
                "voxels": [100] * len(centres),
            },
        },
        "histogram": {"edges": edges, "real": counts, "synthetic": [int(n * (1 + 0.2 * wave)) for n in counts]},
        "levels": {
            "z_mm": levels,
            "mae": [60 + 25 * math.sin(z / 30 + number) for z in levels],
            "me": [-5 + 10 * math.sin(z / 20) for z in levels],
            "voxels": [500] * len(levels),
        },
        "regions": {
            part: {"voxels": 9, "mae": 60.0 + n * 30, "me": -5.0}
            for n, part in enumerate(["vault", "face", "skull base"])
        },
        "structures": {
            "bone": {"dice": 0.82, "hd95_mm": 2.1, "msd_mm": 0.7},
            "body": {"dice": 0.99, "hd95_mm": 1.2, "msd_mm": 0.3},
        },
        "labels": {"skull": {"dice": 0.8, "hd95_mm": 2.5, "msd_mm": 0.8}},
        "continuity": {"real_hu": 30.0, "synthetic_hu": 33.0, "worst_z_mm": 12.0},
        "misregistration": {
            "mean_mm": 1.2,
            "max_mm": 3.0,
            "translation_mm": [0.1, 0.2, 0.3],
            "rotation_deg": [0, 0, 1],
            "affine_mean_mm": 1.5,
            "before": {"mae": 62.0, "me": -4.0, "psnr": 29.0, "bone_dice": 0.82},
            "after": {"mae": 58.0, "me": -4.0, "psnr": 29.6, "bone_dice": 0.84},
        },
        "density": {"table": "generic", "red": {"mae": 0.021, "me": -0.002}, "spr": {"mae": 0.024, "me": -0.001}},
        "wepl": {
            "angles_deg": angles,
            "real_mm": depth,
            "synthetic_mm": [d - 1 + wave for d in depth],
            "synthetic_in_true_outline_mm": [d - 0.5 for d in depth],
            "target": "centre of the body",
            "own_outline": {"me_mm": -0.9, "mae_mm": 1.1, "p95_mm": 2.4, "mae_percent": 1.2, "beyond_2mm_percent": 9.0},
            "true_outline": {
                "me_mm": -0.5,
                "mae_mm": 0.6,
                "p95_mm": 1.2,
                "mae_percent": 0.7,
                "beyond_2mm_percent": 0.0,
            },
        },
        "drr": {
            "ap": {"ncc": 0.99, "mae": 3.0, "image": f"cases/{name}-drr-ap.png"},
            "lateral": {"ncc": 0.98, "mae": 3.5, "image": f"cases/{name}-drr-lateral.png"},
        },
        "tolerances": [
            {
                "name": "bone ME",
                "value": -80.0,
                "unit": "HU",
                "limit": "within ±100",
                "inside": True,
                "source": "consensus 2023",
            },
            {
                "name": "WEPL MAE",
                "value": 1.1 + wave,
                "unit": "mm",
                "limit": "below 1.5",
                "inside": wave < 0.4,
                "source": "consensus 2023",
            },
            *[
                {
                    "name": f"another, number {n}",
                    "value": 0.1,
                    "unit": "",
                    "limit": "at most 1",
                    "inside": True,
                    "source": f"reason {n}, which is told at length, with authors, a year and a journal " * 2,
                }
                for n in range(11)
            ],
        ],
        "warnings": ["The lowest slices show no neck."] if number == 1 else [],
    }


def statistics_of(scores: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    found = {}
    for metric in next(iter(scores.values()), {}):
        values = np.array([one[metric] for one in scores.values()], float)
        mean, half = float(values.mean()), float(1.96 * values.std() / math.sqrt(len(values)))
        known = {"mean": mean, "sd": float(values.std()), "median": float(np.median(values)), "n": len(values)}
        found[metric] = known | {"low": mean - half, "high": mean + half}
    return found


def write_evaluation(
    folder: Path,
    names: Sequence[str],
    *,
    seed: int = 0,
    volumes: int | None = None,
    grid: Grid = GRID,
    comment: str = "",
) -> Path:
    """An evaluation against true CT. Of `volumes` cases, by default all, there are volumes beside the folder."""
    (folder / "cases").mkdir(parents=True)
    scores = {name: scores_of(number) for number, name in enumerate(names)}
    inputs = {}
    for number, name in enumerate(names):
        (folder / "cases" / f"{name}.json").write_text(json.dumps(details_of(number, name)), encoding="utf-8")
        for view in ("ap", "lateral"):
            (folder / "cases" / f"{name}-drr-{view}.png").write_bytes(png(comment=comment))
        if volumes is None or number < volumes:
            inputs[name] = write_volumes(folder.with_name(f"{folder.name}-data"), name, seed + number, grid)
    mean = {metric: float(np.mean([one[metric] for one in scores.values()])) for metric in scores_of(0)}
    summary = {
        "protocol": "medcycle",
        "modality": "ct",
        "cases": scores,
        "mean": mean,
        "statistics": statistics_of(scores),
    }
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (folder / "inputs.json").write_text(json.dumps({"real_modality": "ct", "cases": inputs}), encoding="utf-8")
    rows = [
        ",".join(["case", *scores_of(0)]),
        *(",".join([name, *map(str, one.values())]) for name, one in scores.items()),
    ]
    (folder / "cases.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def write_unreferenced(folder: Path, names: Sequence[str]) -> Path:
    """An evaluation without true CT and without volumes."""
    (folder / "cases").mkdir(parents=True)
    grades = ["no finding", "check", "do not use"]
    scores = {name: {"score": 0.4 + n, "outline_dice": 0.98 - n / 50} for n, name in enumerate(names)}
    for n, name in enumerate(names):
        grade = grades[n % 3]
        details = {
            "version": 1,
            "kind": "without reference",
            "modality": "ct",
            "verdict": {
                "grade": grade,
                "score": 0.4 + n,
                "reasons": [] if n == 0 else ["The lowest 12 slices show no head."],
            },
            "measures": [
                {
                    "name": "body outline, Dice",
                    "value": 0.98,
                    "unit": "",
                    "expected": "0.95 or more",
                    "grade": grade,
                    "why": "Both show one body.",
                }
            ],
            "uncertainty": {
                "by_region": {"vault": 40.0},
                "by_tissue": {"bone": 80.0 + n},
                "levels": {"z_mm": [0, 1, 2], "mean_hu": [4, 5, 6]},
            },
            "warnings": [],
        }
        (folder / "cases" / f"{name}.json").write_text(json.dumps(details), encoding="utf-8")
    summary = {
        "protocol": "without reference",
        "kind": "without reference",
        "modality": "ct",
        "cases": scores,
        "mean": {},
    }
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    rows = [
        "case,score,outline_dice",
        *(f"{name},{one['score']},{one['outline_dice']}" for name, one in scores.items()),
    ]
    (folder / "cases.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def write_synthesis(folder: Path, names: Sequence[str], *, seed: int = 0) -> Path:
    for number, name in enumerate(names):
        place = folder / name
        place.mkdir(parents=True)
        write_nifti(HeadPhantom.random(seed + number).ct(GRID), place / "sct.nii.gz")
        write_nifti(Volume(np.abs(smooth_error(GRID, number)), GRID), place / "uncertainty.nii.gz")
        described = {
            "case": name,
            "made": "synthetic CT",
            "medcycle": "0.1.0",
            "shape": list(GRID.shape),
            "source": f"{name}.nii.gz",
            "slice_continuity": 0.7,
            "seam_score": None,
            "uncertainty": {"mean_in_body": 41.0},
            "warnings": [],
            "checkpoints": [
                {
                    "path": "best.pt",
                    "sha256": "ab" * 32,
                    "step": 565,
                    "mr": 6,
                    "ct": 6,
                    "score": 198.2,
                    "kind": "unpaired",
                }
            ],
            "options": {"planes": "trained", "flips": False, "shifts": 1},
            "files": ["sct.nii.gz"],
        }
        (place / "synthesis.json").write_text(json.dumps(described), encoding="utf-8")
    return folder


def write_run(folder: Path, patients: Sequence[str]) -> Path:
    (folder / "previews").mkdir(parents=True)
    (folder / "previews" / "step_000500.png").write_bytes(png())
    (folder / "config.yaml").write_text(
        "network: {name: resnet, spatial_dims: 2, filters: 24}\nmethod: {name: cyclegan}\n"
        "data: {spacing: [3, 3, null], slices: 1}\ntraining: {max_steps: 565, seed: 0}\n",
        encoding="utf-8",
    )
    cases = [{"name": name, "patient": name, "sha256": "cd" * 32} for name in patients]
    split = {"train": {"mr": cases, "ct": cases}, "validation": {"mr": cases[:1], "ct": cases[:1]}}
    manifest = {"medcycle": "0.1.0", "torch": "2.13", "monai": "1.6", "store": {"path": "../store"}, "split": split}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    rows = [f"{n},{n / 4},{4 / (1 + n / 90):.3f},{2 / (1 + n / 200):.3f}," for n in range(10, 566, 10)]
    heading = "step,elapsed_seconds,cycle_target,adversarial_source,discriminator_source"
    (folder / "metrics.csv").write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    (folder / "validation.csv").write_text(
        "step,elapsed_seconds,score,cycle,alarms\n200,60,240.5,200,\n400,100,205.1,190,\n565,133,198.2,188,\n",
        encoding="utf-8",
    )
    return folder
