"""MR and CT of the same patients, brought onto each other."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcycle.body import OUTSIDE, Modality
from medcycle.cohort.cohort import PATIENTS_KNOWN_BY, find_cohort, pair_key
from medcycle.cohort.vetting import vet
from medcycle.errors import DataError, RegistrationFailed, UsageError
from medcycle.io.discover import Source
from medcycle.io.files import PARTIAL, atomic_path, remove_torn, seen_from, write_text
from medcycle.io.locks import locked
from medcycle.io.nifti import write_nifti
from medcycle.io.opening import read_json
from medcycle.isolation import isolated
from medcycle.progress import ProgressLine
from medcycle.registration import Registration, register_rigid
from medcycle.resample import resample_to
from medcycle.volume import Volume

__all__ = ["match_patients", "register_cohort"]

log = logging.getLogger(__name__)

REPORT = "registration.json"


def register_cohort(
    mr: Path,
    ct: Path,
    output: Path,
    *,
    onto: Literal["mr", "ct"] = "mr",
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
) -> list[Path]:
    """Bring each patient's CT onto the grid of the MR, or the reverse, and write what can be trusted.

    `output` gets `NAME.nii.gz`, named as the volume whose grid it has; `NAME.png`, a picture of both, drawn of what is
    not trusted too; and `registration.json`, the matrix and quality of each. Pairs of the same files that an earlier
    call has written are not registered again.

    Args:
        mr: a volume or a folder of them.
        ct: the same of CT.
        output: a new or empty folder, or that of an earlier call.
        onto: whose grid is kept.
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.
        ct_offset: what to take off CT that have something added to their HU.

    Returns:
        The volumes written.

    Raises:
        UsageError: if a path is missing, `output` holds other things, or no patient is in both folders.
        InUse: if another process registers into `output`.
        DataError: if some could not be registered; the others are written all the same.
    """
    _told_before(output)  # wrong outputs are told before headers are read
    cohort = find_cohort(mr, ct, resample_irregular=resample_irregular, ct_offset=ct_offset)
    pairs, refused = match_patients(cohort.mr, cohort.ct, onto=onto)
    with locked(output):
        return _register_all(pairs, refused, output, onto)


def _register_all(
    pairs: Sequence[tuple[Source, Source]], refused: dict[str, str], output: Path, onto: Modality
) -> list[Path]:
    found = _told_before(output)
    write_text(output / REPORT, json.dumps(found, indent=1, allow_nan=False))  # the mark of a call that has begun
    remove_torn(output)
    with ProgressLine("registering", len(pairs)) as progress:
        for fixed, moving in pairs:
            key, target = pair_key(fixed, moving), output / f"{fixed.name}.nii.gz"
            if found.get(fixed.name, {}).get("key") != key or not target.is_file():
                target.unlink(missing_ok=True)  # of an earlier call with other files
                found[fixed.name] = {"key": key} | _register(fixed, moving, output, onto)
                write_text(output / REPORT, json.dumps(found, indent=1, allow_nan=False))
            progress.advance(fixed.name)
    refused |= {fixed.name: found[fixed.name]["refused"] for fixed, _ in pairs if found[fixed.name]["refused"]}
    for name, reason in refused.items():
        log.warning("refused: %s: %s", name, reason)
    written = [output / f"{fixed.name}.nii.gz" for fixed, _ in pairs if fixed.name not in refused]
    if refused:
        name, reason = next(iter(refused.items()))
        raise DataError(
            f"{len(refused)} of {len(written) + len(refused)} not registered, {len(written)} written; {name}: {reason}"
        )
    return written


def match_patients(
    mr: Sequence[Source], ct: Sequence[Source], *, onto: Literal["mr", "ct"]
) -> tuple[list[tuple[Source, Source]], dict[str, str]]:
    """The fixed and the moving volume of each patient; one volume of each is a pair whatever their names.

    Returns:
        The pairs; and the names of fixed volumes that have several counterparts, with the reason of their refusal.
        Volumes without a counterpart are named in a warning.

    Raises:
        UsageError: if no patient is in both.
    """
    fixed, moving = (mr, ct) if onto == "mr" else (ct, mr)
    if len(fixed) == len(moving) == 1:
        patient, other = fixed[0].known_patient, moving[0].known_patient
        if patient and other and patient != other:
            log.warning("%s and %s are taken as one patient, although their names differ", patient, other)
        return [(fixed[0], moving[0])], {}
    pairs, refused = [], {}
    for source in fixed:
        candidates = [candidate for candidate in moving if candidate.patient == source.patient]
        if len(candidates) > 1:
            names = ", ".join(candidate.name for candidate in candidates)
            refused[source.name] = f"{source.patient} has several volumes to bring onto it ({names}); leave one"
        elif candidates:
            pairs.append((source, candidates[0]))
    if not pairs and not refused:
        raise UsageError(f"no patient is in both folders; {PATIENTS_KNOWN_BY}")
    patients = {source.patient for source in fixed} & {source.patient for source in moving}
    alone = [source.name for source in (*fixed, *moving) if source.patient not in patients]
    if alone:
        log.warning("left out, since the other modality is missing: %s", ", ".join(alone))
    return pairs, refused


def _told_before(output: Path) -> dict[str, dict[str, Any]]:
    """What an earlier call told of the pairs that it finished; empty for a new folder."""
    if output.is_file() or (output.is_dir() and any(_others(output)) and not (output / REPORT).is_file()):
        raise UsageError(f"{output}: not empty; give a new folder")
    try:
        told = read_json(output / REPORT) if output.is_dir() else {}
        return {str(name): dict(values) for name, values in told.items()}
    except FileNotFoundError:
        return {}
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise UsageError(f"{output / REPORT}: damaged; give a new folder") from error


def _others(output: Path) -> Iterator[Path]:
    """What lies in a folder but for what a killed call left half-written."""
    return (path for path in output.iterdir() if not path.name.startswith(PARTIAL))


def _register(fixed: Source, moving: Source, output: Path, onto: Modality) -> dict[str, Any]:
    """Register one pair, draw it, write the volume if it can be trusted, and return what is to be told of it."""
    other: Modality = "ct" if onto == "mr" else "mr"
    told: dict[str, Any] = {"fixed": seen_from(output, fixed.path), "moving": seen_from(output, moving.path)}
    try:
        with isolated(fixed.path):
            still, moved = fixed.read(), moving.read()
            vet(fixed, still, onto)
            vet(moving, moved, other)
            result = _registered(still, moved, onto, other)
            placed = resample_to(result.place(moved), still.grid, background=OUTSIDE[other])
        with isolated(fixed.path, but=OSError):  # of the output's disk, which is the same for all
            _draw(still, placed, other, result, output / f"{fixed.name}.png")
            if not result.problem:
                write_nifti(placed, output / f"{fixed.name}.nii.gz", like=fixed.path)
    except DataError as error:
        return told | {"refused": " ".join(str(error).split())[:500]}
    return told | {
        "refused": result.problem,
        "moving_to_fixed_ras_mm": result.matrix.tolist(),
        "disagreement_mm": round(result.disagreement, 3) if np.isfinite(result.disagreement) else None,
        "skin_distance_mm": round(result.skin_distance, 3) if np.isfinite(result.skin_distance) else None,
        "shared": round(result.shared, 3),
    }


def _registered(fixed: Volume, moving: Volume, onto: Modality, other: Modality) -> Registration:
    try:
        return register_rigid(fixed, moving, fixed_modality=onto, moving_modality=other)
    except RuntimeError as error:  # SimpleITK's own
        raise RegistrationFailed(f"the registration failed ({' '.join(str(error).split())[-300:]})") from error


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
