"""What is found at a path: every volume, its grid, and whether it is sound."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medcycle.data.vetting import modality_of, require_usable
from medcycle.errors import DataError, EmptyFolder
from medcycle.io.discover import Source, discover
from medcycle.io.files import write_text
from medcycle.progress import ProgressLine

__all__ = ["Finding", "inspect_paths", "write_findings"]


@dataclass(frozen=True)
class Finding:
    """One volume.

    Args:
        name: the case's name.
        path: the file or the series' folder.
        modality: `mr`, `ct` or another DICOM modality; empty if the volume can't be read.
        shape: voxels along each axis; empty if the volume can't be read.
        spacing: mm along each axis; empty if the volume can't be read.
        orientation: the axes' directions, as `RAS`; empty if the volume can't be read.
        problem: why the volume can't be used, or an empty string.
    """

    name: str
    path: str
    modality: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    problem: str = ""


def inspect_paths(paths: Sequence[Path]) -> list[Finding]:
    """Read every volume at the paths.

    Raises:
        UsageError: if there is nothing at a path.
        EmptyFolder: if there is no volume at all.
    """
    sources = [source for path in paths for source in discover(path)]
    if not sources:
        places = ", ".join(str(path) for path in paths)
        raise EmptyFolder(f"{places}: no volumes (.nii, .nii.gz, .nrrd, .mha or DICOM series); check the path")
    findings = []
    with ProgressLine("inspecting", len(sources)) as progress:
        for source in sources:
            findings.append(_inspect(source))
            progress.advance(source.name)
    return findings


def write_findings(findings: Sequence[Finding], path: Path) -> None:
    """Write the findings as a JSON list."""
    write_text(path, json.dumps([asdict(finding) for finding in findings], indent=1))


def _inspect(source: Source) -> Finding:
    try:
        volume = source.read()
        grid = volume.grid
        spacing = tuple(round(s, 4) for s in grid.spacing)
        modality = modality_of(source, volume)
        found = Finding(source.name, str(source.path), modality, grid.shape, spacing, grid.orientation)
    except DataError as error:
        return Finding(source.name, str(source.path), problem=str(error))
    try:
        require_usable(source.path, volume)
    except DataError as error:
        return Finding(**{**asdict(found), "problem": str(error)})
    return found
