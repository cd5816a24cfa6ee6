"""What is found of one case beyond its scores, and the file that holds it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medcycle.body import Modality
from medcycle.errors import DataError
from medcycle.evaluation.assessment import Cropped, assess, cropped
from medcycle.evaluation.cases import Case
from medcycle.evaluation.density import HuTable, table
from medcycle.evaluation.drr import Drr, View, write_drr_png
from medcycle.evaluation.labels import Anatomy, compare_labels, read_labels
from medcycle.evaluation.protocols import Compared
from medcycle.evaluation.radiotherapy import radiotherapy_measures
from medcycle.evaluation.tolerances import Tolerance, judge, read_tolerances
from medcycle.io import read_volume
from medcycle.io.files import atomic_path, seen_from, write_text
from medcycle.volume import Array

__all__ = [
    "DETAILS",
    "INPUTS",
    "DetailOptions",
    "Details",
    "begun",
    "details_of",
    "remove_details",
    "scores_alone",
    "write_details",
    "write_inputs",
]

DETAILS, INPUTS, VERSION = "cases", "inputs.json", 1

Figures = dict[str, Any]


@dataclass(frozen=True)
class DetailOptions:
    """What is found of a CT beyond its scores.

    Args:
        tolerances: what results are judged by.
        hu_table: relative electron density by HU.
        anatomy: whose structures count for the means over label maps, as SynthRAD2025 takes them; None for all.
        misregistration: whether true and synthetic CT are registered, which takes some seconds a case.
    """

    tolerances: Sequence[Tolerance] = field(default_factory=lambda: read_tolerances(None))
    hu_table: HuTable = field(default_factory=lambda: table("generic"))
    anatomy: Anatomy | None = None
    misregistration: bool = True


@dataclass(frozen=True)
class Details:
    """Of one case.

    Args:
        figures: plain values, as `docs/reference/metrics.md` describes them.
        radiographs: digitally reconstructed ones by view.
    """

    figures: Figures
    radiographs: Mapping[View, Drr] = field(default_factory=dict)


def details_of(
    case: Case, compared: Compared, protocol: str, scores: Mapping[str, float], options: DetailOptions
) -> Details:
    """All that is found of one CT.

    Args:
        case: which.
        compared: its volumes.
        protocol: that it was scored by.
        scores: what came of that.
        options: what is found.

    Raises:
        DataError: if a label map can't be read or is on another grid.
    """
    region = cropped(compared)
    found = assess(region, misregistration=options.misregistration)
    if case.real_labels and case.synthetic_labels:
        grid = compared.real.to_ras().grid
        real, synthetic = (read_labels(path, grid) for path in (case.real_labels, case.synthetic_labels))
        found["labels"] = compare_labels(real, synthetic, grid, options.anatomy)
    planned, radiographs = _planned(region, _target(case, compared, region), options.hu_table)
    warnings = [*found["warnings"], *planned["warnings"]]
    figures = begun("with reference", "ct", protocol, scores) | found | planned | {"warnings": warnings}
    return Details(figures | {"tolerances": judge(figures, options.tolerances)}, radiographs)


def _target(case: Case, compared: Compared, region: Cropped) -> Array | None:
    if case.target is None:
        return None
    target = read_volume(case.target).to_ras()
    compared.real.to_ras().grid.require_close(target.grid, "true CT and target")
    inside: Array = target.array[region.box] > 0
    return inside


def _planned(region: Cropped, target: Array | None, table: HuTable) -> tuple[Figures, Mapping[View, Drr]]:
    """What radiotherapy asks; where it can't be measured, a warning that says why, and no scores are lost."""
    try:
        return radiotherapy_measures(
            region.real,
            region.synthetic,
            region.real_body,
            region.synthetic_body,
            table=table,
            target=target,
            valid=region.valid,
        )
    except DataError as error:
        return {"warnings": [f"no path lengths and radiographs: {error}"]}, {}


def scores_alone(protocol: str, modality: Modality, scores: Mapping[str, float]) -> Details:
    """Of an MR, whose values have no unit: its scores."""
    return Details(begun("with reference", modality, protocol, scores))


def begun(kind: str, modality: Modality, protocol: str, scores: Mapping[str, float]) -> Figures:
    """What the file of every case begins with."""
    return {"version": VERSION, "kind": kind, "modality": modality, "protocol": protocol, "scores": dict(scores)}


def write_details(details: Details, name: str, folder: Path) -> None:
    """Write a case's `cases/NAME.json` and its radiographs, each whole or not at all.

    Args:
        details: of the case.
        name: of the case.
        folder: of the evaluation.
    """
    figures = dict(details.figures)
    for view, pair in details.radiographs.items():
        picture = f"{DETAILS}/{name}-drr-{view}.png"
        with atomic_path(folder / picture) as temporary:
            write_drr_png(temporary, pair.real, pair.synthetic)
        figures["drr"] = figures["drr"] | {view: figures["drr"][view] | {"image": picture}}
    write_text(folder / DETAILS / f"{name}.json", json.dumps(_finite(figures), indent=1, allow_nan=False) + "\n")


def remove_details(name: str, folder: Path) -> None:
    """Remove what an earlier evaluation found of a case, which would stand beside other scores."""
    (folder / DETAILS / f"{name}.json").unlink(missing_ok=True)


def write_inputs(cases: Sequence[Case], folder: Path, modality: Modality | None) -> None:
    """Write `inputs.json`: where the cases' volumes are, as seen from the folder. It may hold patients' names.

    Args:
        cases: all of them.
        folder: of the evaluation.
        modality: of the true volumes; None if there are none, and the cases' `real` is what CT were made from.
    """
    kinds = {kind: kind for kind in ("real", "synthetic", "mask", "source", "uncertainty")}
    if modality is None:
        kinds |= {"real": "source", "source": "real"}
    found = {
        case.name: {kind: path and seen_from(folder, path) for kind in kinds for path in [getattr(case, kinds[kind])]}
        for case in cases
    }
    write_text(folder / INPUTS, json.dumps({"real_modality": modality, "cases": found}, indent=1) + "\n")


def _finite(value: Any) -> Any:
    """Without what JSON has no number for."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
