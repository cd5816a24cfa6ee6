"""MR and CT of the same patients, brought onto each other."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from medcycle.body import Modality
from medcycle.cohort.cohort import PATIENTS_KNOWN_BY, find_cohort, pair_key
from medcycle.errors import DataError, UsageError
from medcycle.io.discover import Source, registered_name
from medcycle.io.files import PARTIAL, remove_torn, write_text
from medcycle.io.locks import locked
from medcycle.io.opening import read_json
from medcycle.progress import ProgressLine, remark
from medcycle.registering.one_pair import line_of, register_pair
from medcycle.registering.second_opinion import SecondReader

__all__ = ["DEFAULT_MODEL", "match_patients", "register_cohort"]

log = logging.getLogger(__name__)

REPORT = "registration.json"

DEFAULT_MODEL = Path("head")
"""The shipped model that gives second opinions."""


def register_cohort(
    mr: Path,
    ct: Path,
    output: Path,
    *,
    onto: Literal["mr", "ct"] = "mr",
    model: Path | None = DEFAULT_MODEL,
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Bring each patient's CT onto the grid of the MR, or the reverse, and write what can be trusted.

    The place is that of mutual information; a second opinion comes from the synthetic CT that a model makes of the MR,
    and where both lie more than 3 mm apart on average the pair is refused.

    `output` gets `NAME-ct-on-mr.nii.gz` (or `NAME-mr-on-ct.nii.gz`), NAME being that of the volume whose grid it has;
    `NAME.png`, a picture of both, drawn of what is not trusted too; and `registration.json`, the matrices and quality
    of each. Pairs of the same files that an earlier call has written with the same model are not registered again.

    Args:
        mr: a volume or a folder of them.
        ct: the same of CT.
        output: a new or empty folder, or that of an earlier call.
        onto: whose grid is kept.
        model: a run, a checkpoint or the name of a model that ships with medcycle, for the second opinion; None to do
            without one.
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.
        ct_offset: what to take off CT that have something added to their HU.
        say: called with a line of each pair: its measures, mm.

    Returns:
        The volumes written.

    Raises:
        UsageError: if a path or the model is missing, `output` holds other things, or no patient is in both folders.
        BadCheckpoint: if the model is damaged.
        InUse: if another process registers into `output`.
        DataError: if some could not be registered; the others are written all the same.
    """
    _told_before(output)  # a wrong output or model is told before headers are read
    reader = SecondReader(model) if model else None
    cohort = find_cohort(mr, ct, resample_irregular=resample_irregular, ct_offset=ct_offset)
    pairs, refused = match_patients(cohort.mr, cohort.ct, onto=onto)
    with locked(output):
        return _register_all(pairs, refused, output, onto, reader, say or log.info)


def _register_all(
    pairs: Sequence[tuple[Source, Source]],
    refused: dict[str, str],
    output: Path,
    onto: Modality,
    reader: SecondReader | None,
    say: Callable[[str], None],
) -> list[Path]:
    found = _told_before(output)
    write_text(output / REPORT, json.dumps(found, indent=1, allow_nan=False))  # the mark of a call that has begun
    remove_torn(output)
    kept = 0
    with ProgressLine("registering", len(pairs)) as progress:
        for fixed, moving in pairs:
            target = output / registered_name(fixed.name, onto)
            key = f"{pair_key(fixed, moving)} {reader.sha256 if reader else 'without a model'}"
            if found.get(fixed.name, {}).get("key") != key or not target.is_file():
                _remove_earlier(target, found, fixed.name)
                found[fixed.name] = {"key": key} | register_pair(fixed, moving, output, onto, reader)
                write_text(output / REPORT, json.dumps(found, indent=1, allow_nan=False))
            else:
                kept += 1
            progress.advance(fixed.name)
    if kept:
        remark(f"{kept} of {len(pairs)} were registered by an earlier call, from the same scans; they are kept")
    _tell_each(found, pairs, say)
    refused |= {fixed.name: found[fixed.name]["refused"] for fixed, _ in pairs if found[fixed.name]["refused"]}
    for name, reason in refused.items():
        log.warning("refused: %s: %s", name, reason)
    written = [output / registered_name(fixed.name, onto) for fixed, _ in pairs if fixed.name not in refused]
    if refused:
        name, reason = next(iter(refused.items()))
        raise DataError(
            f"{len(refused)} of {len(written) + len(refused)} not registered, {len(written)} written; {name}: {reason}"
        )
    return written


def _tell_each(
    found: Mapping[str, dict[str, Any]], pairs: Sequence[tuple[Source, Source]], say: Callable[[str], None]
) -> None:
    """The measures of each pair, and what to mind of it."""
    for fixed, _ in pairs:
        if line := line_of(found[fixed.name]):
            say(f"{fixed.name}: {line}")
        if to_mind := found[fixed.name].get("remark"):
            log.warning("%s: %s", fixed.name, to_mind)


def _remove_earlier(target: Path, told: Mapping[str, object], name: str) -> None:
    """Remove the volume of an earlier call with other files, under the name that older versions gave it too."""
    target.unlink(missing_ok=True)
    if name in told:
        target.with_name(f"{name}.nii.gz").unlink(missing_ok=True)


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
