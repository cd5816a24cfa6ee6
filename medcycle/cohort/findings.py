"""What is found at a path: every volume, its grid, and whether it is sound."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

from medcycle.body import Modality
from medcycle.cohort.vetting import modality_of, require_trainable, require_usable, vet
from medcycle.errors import CaseFailed, DataError, EmptyFolder
from medcycle.io.discover import Source, survey
from medcycle.io.files import write_text
from medcycle.isolation import isolated
from medcycle.parallel import KILLED, parallel_map
from medcycle.progress import ProgressLine
from medcycle.volume import Grid

__all__ = ["Finding", "inspect_paths", "write_findings"]


@dataclass(frozen=True)
class Finding:
    """One volume, or a file or series that is none.

    Args:
        name: the case's name, or the file's.
        path: the file or the series' folder.
        verdict: `sound`; `irregular`, a series that can be rebuilt; `refused`; `failed`, for lack of memory, by a disk
            or by a fault; or `skipped`, as no volume was meant.
        reason: why it is not sound, or an empty string.
        patient: PatientID, or the BIDS subject.
        description: SeriesDescription.
        modality: `mr`, `ct` or another DICOM modality; empty if it is not known.
        shape: voxels along each axis; empty if it is not known, as the following.
        spacing: mm along each axis.
        orientation: the axes' directions, as `RAS`.
        field_of_view: mm along each axis.
        notes: what was dropped, split, rebuilt or is to be said of a sound volume.
    """

    name: str
    path: str
    verdict: Literal["sound", "irregular", "refused", "failed", "skipped"] = "sound"
    reason: str = ""
    patient: str = ""
    description: str = ""
    modality: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    field_of_view: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()


def inspect_paths(
    paths: Sequence[Path], *, workers: int = 1, voxels: bool = True, ct_offset: float = 0.0
) -> list[Finding]:
    """Look at everything under the paths: headers first, then voxels.

    Args:
        paths: files or folders.
        workers: processes.
        voxels: whether to read the volumes too; without, a modality that no header names stays unknown.
        ct_offset: what to take off CT that have something added to their HU.

    Raises:
        UsageError: if there is nothing at a path.
        EmptyFolder: if there is no volume at all.
    """
    surveys = [survey(path, workers=workers, ct_offset=ct_offset) for path in paths]
    sources = [source for found in surveys for source in found.sources]
    if not sources:
        places = ", ".join(str(path) for path in paths)
        raise EmptyFolder(f"{places}: no volumes (.nii, .nii.gz, .nrrd, .mha or DICOM series); check the path")
    findings = []
    with ProgressLine("inspecting", len(sources)) as progress:
        for source, finding in parallel_map(partial(_inspect, voxels=voxels), sources, workers, killed=_killed):
            findings.append(finding)
            progress.advance(source.name)
    skipped = [item for found in surveys for item in found.skipped]
    return findings + [Finding(item.path.name, str(item.path), "skipped", item.reason) for item in skipped]


def write_findings(findings: Sequence[Finding], path: Path) -> None:
    """Write the findings as a JSON list."""
    write_text(path, json.dumps([asdict(finding) for finding in findings], indent=1))


def _killed(source: Source) -> Finding:
    return Finding(source.name, str(source.path), "failed", KILLED, patient=source.patient)


def _inspect(source: Source, *, voxels: bool) -> Finding:
    series = source.series
    found = Finding(source.name, str(source.path), patient=source.patient)
    if series:
        modality = series.modality.lower()
        found = replace(found, modality=modality, description=series.description, notes=series.notes)
        if series.verdict != "sound":
            return replace(found, verdict=series.verdict, reason=series.problem)
    with _warnings() as said:
        try:
            with isolated(source.path):
                volume = source.read() if voxels else None
                grid = volume.grid if volume else source.grid()
                found = _with_grid(found, grid)
                if volume:
                    require_usable(source.path, volume)
                    modality = modality_of(source, volume)
                    found = replace(found, modality=modality)
                    if modality in ("mr", "ct"):
                        vet(source, volume, cast(Modality, modality))
                require_trainable(source.path, grid)
        except DataError as error:
            verdict: Literal["failed", "refused"] = "failed" if isinstance(error, CaseFailed) else "refused"
            found = replace(found, verdict=verdict, reason=_without(str(source.path), str(error)))
    notes = dict.fromkeys((*found.notes, *(_without(str(source.path), text) for text in said)))
    return replace(found, notes=tuple(notes))


def _with_grid(found: Finding, grid: Grid) -> Finding:
    return replace(
        found,
        shape=grid.shape,
        spacing=tuple(round(width, 4) for width in grid.spacing),
        orientation=grid.orientation,
        field_of_view=tuple(round(length, 1) for length in grid.field_of_view),
    )


def _without(path: str, text: str) -> str:
    """A text without the place that it begins with."""
    return re.sub(rf"^{re.escape(path)}( \([^)]*\))?: ", "", text)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that medcycle logs in the block, which go nowhere else."""
    said: list[str] = []
    logger = logging.getLogger("medcycle")
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        yield said
    finally:
        logger.handlers, logger.propagate = handlers, propagate
