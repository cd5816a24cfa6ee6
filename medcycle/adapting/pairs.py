"""The registered pairs that a model is adapted to."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from medcycle.cohort.cohort import Cohort, find_cohort
from medcycle.errors import DataError
from medcycle.io.discover import Source, registered_name
from medcycle.registering.driver import REPORT, match_patients, register_cohort

__all__ = ["registered_pairs"]

log = logging.getLogger(__name__)


def registered_pairs(
    mr: Path,
    ct: Path,
    output: Path,
    *,
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
    say: Callable[[str], None],
) -> Cohort:
    """The MR of patients who have both, and on the grid of each the CT of its patient.

    If all pairs lie on one grid each, they are taken to be registered; else all are registered, into `output`. Pairs
    that can't be registered, or whose registration is doubtful, are left out with a warning.

    Args:
        mr: a folder of MR, or one.
        ct: the same of CT.
        output: for registered volumes.
        resample_irregular: rebuild irregular series.
        ct_offset: what to take off CT that have something added to their HU.
        say: takes what is told of each registration.

    Raises:
        UsageError: if no patient is in both.
        DataError: if no pair is left.
    """
    found = find_cohort(mr, ct, resample_irregular=resample_irregular, ct_offset=ct_offset)
    matched, refused = match_patients(found.mr, found.ct, onto="mr")
    pairs = dict(matched)
    if pairs and all(_on_one_grid(*pair) for pair in pairs.items()):
        for name, reason in refused.items():
            log.warning("left out: %s: %s", name, reason)
    else:
        try:
            register_cohort(mr, ct, output, resample_irregular=resample_irregular, ct_offset=ct_offset, say=say)
        except DataError as error:
            log.warning("%s", error)
        pairs = {fixed: _written(fixed, output) for fixed in pairs if _is_sound(fixed, output)}
    if not pairs:
        raise DataError(f"{mr} and {ct}: no pair is left to adapt to; see the pictures in {output}")
    # a store of its own: a run that trains on the same folders has theirs
    return Cohort(tuple(pairs), _ct_of(pairs), (*found.folders, output))


def _written(fixed: Source, output: Path) -> Source:
    return Source(fixed.name, output / registered_name(fixed.name, "mr"))


def _is_sound(fixed: Source, output: Path) -> bool:
    """Whether the CT of an MR is registered without a warning; one that is not is named."""
    if not _written(fixed, output).path.is_file():
        return False
    told = json.loads((output / REPORT).read_text(encoding="utf-8"))[fixed.name]
    if told.get("remark"):
        log.warning(
            "left out: %s: its registration is doubtful; if the picture is right, give the MR and %s on one grid",
            fixed.name,
            _written(fixed, output).path.name,
        )
    return not told.get("remark")


def _ct_of(pairs: Mapping[Source, Source]) -> tuple[Source, ...]:
    """Each CT once, as of the patient of its MR."""
    owned = {moving: replace(moving, owner=fixed.patient) for fixed, moving in pairs.items()}
    return tuple(owned.values())


def _on_one_grid(fixed: Source, moving: Source) -> bool:
    try:
        return fixed.grid().is_close(moving.grid())
    except DataError:
        return False
