"""MR and CT of the same patients, brought onto each other."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcycle.body import Modality
from medcycle.data.cohort import find_cohort
from medcycle.data.vetting import vet
from medcycle.errors import DataError, UsageError
from medcycle.io.discover import Source
from medcycle.io.files import atomic_path, write_text
from medcycle.io.nifti import write_nifti
from medcycle.progress import ProgressLine
from medcycle.registration import Registration, register_rigid
from medcycle.resample import resample_to
from medcycle.volume import Volume

__all__ = ["match_patients", "register_cohort"]

log = logging.getLogger(__name__)

OUTSIDE: dict[Modality, float] = {"ct": -1024.0, "mr": 0.0}
"""What a registered volume has where its field of view ends."""


def register_cohort(
    mr: Path, ct: Path, output: Path, *, onto: Literal["mr", "ct"] = "mr", resample_irregular: bool = False
) -> list[Path]:
    """Bring each patient's CT onto the grid of the MR, or the reverse, and write what can be trusted.

    `output` gets `NAME.nii.gz`, named as the volume whose grid it has; `NAME.png`, a picture of both, drawn of the
    refused too; and `registration.json`, the matrix and quality of each.

    Args:
        mr: a volume or a folder of them.
        ct: the same of CT.
        output: a new or empty folder.
        onto: whose grid is kept.
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.

    Returns:
        The volumes written.

    Raises:
        UsageError: if a path is missing, `output` is not empty, or patients don't match.
        DataError: if some could not be registered; the others are written all the same.
    """
    if output.exists() and (output.is_file() or any(output.iterdir())):
        raise UsageError(f"{output}: not empty; give a new folder")
    cohort = find_cohort(mr, ct, resample_irregular=resample_irregular)
    pairs = match_patients(cohort.mr, cohort.ct, onto=onto)
    found: dict[str, dict[str, Any]] = {}
    with ProgressLine("registering", len(pairs)) as progress:
        for fixed, moving in pairs:
            found[fixed.name] = _register(fixed, moving, output, onto)
            progress.advance(fixed.name)
    write_text(output / "registration.json", json.dumps(found, indent=1))
    refused = {name: entry["refused"] for name, entry in found.items() if entry["refused"]}
    for name, reason in refused.items():
        log.warning("refused: %s: %s", name, reason)
    written = [output / f"{name}.nii.gz" for name in found if name not in refused]
    if refused:
        name, reason = next(iter(refused.items()))
        raise DataError(f"{len(refused)} of {len(pairs)} not registered, {len(written)} written; {name}: {reason}")
    return written


def match_patients(
    mr: Sequence[Source], ct: Sequence[Source], *, onto: Literal["mr", "ct"]
) -> list[tuple[Source, Source]]:
    """The fixed and the moving volume of each patient; one volume of each is a pair whatever their names.

    Raises:
        UsageError: if no patient is in both, or one has several volumes to choose from.
    """
    fixed, moving = (mr, ct) if onto == "mr" else (ct, mr)
    if len(fixed) == len(moving) == 1:
        return [(fixed[0], moving[0])]
    of_patient: dict[str, list[Source]] = {}
    for source in moving:
        of_patient.setdefault(source.patient, []).append(source)
    pairs = []
    for source in fixed:
        candidates = of_patient.get(source.patient, [])
        if len(candidates) > 1:
            names = ", ".join(candidate.name for candidate in candidates)
            raise UsageError(f"{source.patient} has several volumes to bring onto {source.name} ({names}); leave one")
        pairs += [(source, candidate) for candidate in candidates]
    if not pairs:
        raise UsageError(
            "no patient is in both folders; a patient is known by PatientID, a BIDS name (sub-01), or the file's name"
        )
    without = [source.name for source in fixed if source.patient not in of_patient]
    if without:
        log.warning("without a counterpart, left out: %s", ", ".join(without))
    return pairs


def _register(fixed: Source, moving: Source, output: Path, onto: Modality) -> dict[str, Any]:
    """Register one pair, draw it, write the volume if it can be trusted, and return what is to be told of it."""
    other: Modality = "ct" if onto == "mr" else "mr"
    told: dict[str, Any] = {"fixed": str(fixed.path), "moving": str(moving.path)}
    try:
        still, moved = fixed.read(), moving.read()
        vet(fixed, still, onto)
        vet(moving, moved, other)
        result = register_rigid(still, moved, fixed_modality=onto, moving_modality=other)
    except DataError as error:
        return told | {"refused": str(error)}
    placed = resample_to(result.place(moved), still.grid, background=OUTSIDE[other])
    _draw(still, placed, other, result, output / f"{fixed.name}.png")
    if not result.problem:
        write_nifti(placed, output / f"{fixed.name}.nii.gz")
    return told | {
        "refused": result.problem,
        "moving_to_fixed_ras_mm": result.matrix.tolist(),
        "disagreement_mm": round(result.disagreement, 3),
        "skin_distance_mm": round(result.skin_distance, 3),
        "shared": round(result.shared, 3),
    }


def _draw(fixed: Volume, placed: Volume, placed_is: Modality, result: Registration, path: Path) -> None:
    """Middle sections of both, and of both in a chequerboard."""
    still, moved = fixed.to_ras(), placed.to_ras()
    figure = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"skin {result.skin_distance:.1f} mm, starts {result.disagreement:.1f} mm apart. {result.problem}", fontsize=9
    )
    for row, axis in zip(figure.subplots(3, 3), (2, 1, 0), strict=True):
        middle, across = still.grid.shape[axis] // 2, [n for n in range(3) if n != axis]
        sections = [
            _grey(np.take(volume.array, middle, axis), is_ct)
            for volume, is_ct in ((still, placed_is == "mr"), (moved, placed_is == "ct"))
        ]
        fields = np.indices(sections[0].shape) // np.array([max(1, n // 6) for n in sections[0].shape])[:, None, None]
        width, height = (still.grid.spacing[n] for n in across)
        for place, picture in zip(row, (*sections, np.where(fields.sum(0) % 2, *sections)), strict=True):
            # the patient's right on the left, as radiologists look
            place.imshow(picture.T[:, ::-1], cmap="gray", vmin=0, vmax=1, origin="lower", aspect=height / width)
            place.axis("off")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)


def _grey(section: npt.NDArray[np.float32], is_ct: bool) -> npt.NDArray[np.float32]:
    low, high = (-300.0, 500.0) if is_ct else (0.0, max(float(np.percentile(section, 99.5)), 1e-6))
    grey: npt.NDArray[np.float32] = np.clip((section - low) / (high - low), 0, 1)
    return grey
