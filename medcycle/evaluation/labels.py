"""Segmentations of the true and the synthetic CT, compared structure by structure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from medcycle.errors import DataError, UsageError
from medcycle.evaluation.surfaces import agreement
from medcycle.io import read_volume
from medcycle.io.discover import VOLUME_SUFFIXES, stem
from medcycle.volume import Array, Grid, Volume

__all__ = ["ANATOMIES", "STRUCTURES", "Anatomy", "compare_labels", "read_labels"]

Anatomy = Literal["hn", "th", "ab"]

_LOBES = ("upper_lobe_left", "lower_lobe_left", "upper_lobe_right", "middle_lobe_right", "lower_lobe_right")
_VERTEBRAE = ("S1", *(f"L{n}" for n in range(5, 0, -1)), *(f"T{n}" for n in range(12, 0, -1)))
_SPINE = (*_VERTEBRAE, *(f"C{n}" for n in range(7, 0, -1)))

STRUCTURES: Mapping[int, str] = MappingProxyType(
    {2: "kidney_right", 3: "kidney_left", 5: "liver", 6: "stomach"}
    | {10 + number: f"lung_{lobe}" for number, lobe in enumerate(_LOBES)}
    | {15: "esophagus", 16: "trachea", 17: "thyroid_gland"}
    | {26 + number: f"vertebrae_{name}" for number, name in enumerate(_SPINE)}
    | {51: "heart", 79: "spinal_cord", 90: "brain", 91: "skull"}
    | {92 + number: f"rib_left_{number + 1}" for number in range(12)}
    | {104 + number: f"rib_right_{number + 1}" for number in range(12)}
    | {116: "sternum"}
)
"""Label numbers and file names of TotalSegmentator's task `total` (version 2), of structures that SynthRAD2025 uses."""

_TRUNK = (2, 3, 5, 6, *range(10, 15), *range(26, 52), 79, *range(92, 117))

ANATOMIES: Mapping[Anatomy, tuple[int, ...]] = MappingProxyType(
    {"hn": (15, 16, 17, *range(26, 51), 79, 90, 91), "th": _TRUNK, "ab": _TRUNK}
)
"""The structures of which SynthRAD2025 takes the mean, by region (github.com/SynthRAD2025/metrics,
`segmentation_metrics.py`): head and neck, thorax, abdomen."""

Masks = dict[str, Array]


def read_labels(path: Path, like: Grid) -> Masks:
    """Masks by structure: from one file of label numbers, or from a folder with a file for each structure.

    Args:
        path: as TotalSegmentator writes it with `--ml`, or without: `skull.nii.gz`, `brain.nii.gz`, ...
        like: the grid that they must be on, with axes to the nearest RAS.

    Returns:
        Booleans of that grid's shape, by TotalSegmentator's name; numbers without a known name are `label 200`.
        Empty structures are left out.

    Raises:
        UsageError: if a folder has no file of a structure.
        DataError: if a volume is on another grid, or its labels are no whole numbers.
    """
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.name.lower().endswith(tuple(VOLUME_SUFFIXES)))
        if not files:
            raise UsageError(f"{path}: no label map; give a file of labels, or a folder with a file for each structure")
        return _not_empty((stem(one), _on(read_volume(one), like, one).array > 0) for one in files)
    labels = _on(read_volume(path), like, path).array
    numbers = labels.astype(np.int64)
    if not np.array_equal(numbers, labels):
        raise DataError(f"{path}: labels are no whole numbers; give the label map, not an image")
    known = [int(number) for number in np.unique(numbers) if number]
    return {STRUCTURES.get(number, f"label {number}"): numbers == number for number in known}


def _not_empty(masks: Iterable[tuple[str, Array]]) -> Masks:
    return {name: mask for name, mask in masks if mask.any()}


def _on(volume: Volume, like: Grid, path: Path) -> Volume:
    turned = volume.to_ras()
    like.require_close(turned.grid, f"true volume and {path}")
    return turned


def compare_labels(real: Masks, synthetic: Masks, grid: Grid, anatomy: Anatomy | None = None) -> dict[str, Any]:
    """Dice, HD95 and mean surface distance of every structure of the true CT's segmentation.

    A structure that the synthetic CT's segmentation lacks has a Dice of 0 and no distance.

    Args:
        real: as `read_labels` gives them.
        synthetic: likewise.
        grid: theirs.
        anatomy: whose structures the means are of, as SynthRAD2025 takes them; None for all.

    Returns:
        `structures` by name, each with `dice`, `hd95_mm`, `msd_mm`; and the means over them: `dice`, `hd95_mm` (of
        those that have one) and `lacking`, how many have none.
    """
    wanted = set(real) if anatomy is None else {STRUCTURES[number] for number in ANATOMIES[anatomy]} & set(real)
    nothing = np.zeros(grid.shape, dtype=bool)
    found = {
        name: agreement(mask, synthetic.get(name, nothing), grid)._asdict()
        for name, mask in sorted(real.items())
        if name in wanted
    }
    overlaps = [one["dice"] for one in found.values()]
    distances = [one["hd95_mm"] for one in found.values() if one["hd95_mm"] is not None]
    return {
        "structures": found,
        "dice": float(np.mean(overlaps)) if overlaps else None,
        "hd95_mm": float(np.mean(distances)) if distances else None,
        "lacking": len(overlaps) - len(distances),
    }
