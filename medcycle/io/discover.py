"""What volumes a path holds: image files, DICOM series, or a tree of both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medcycle.errors import EmptyFolder, UnreadableFile
from medcycle.io.dicom.gate import DicomSeries, find_series
from medcycle.io.dicom.series import read_series
from medcycle.io.files import require_exists
from medcycle.io.itk import ITK_SUFFIXES, read_itk
from medcycle.io.nifti import NIFTI_SUFFIXES, read_nifti
from medcycle.volume import Volume

__all__ = ["VOLUME_SUFFIXES", "Source", "discover", "read_volume", "stem"]

VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)


@dataclass(frozen=True)
class Source:
    """One volume that can be read.

    Args:
        name: a name for the case, made of letters, digits, `.`, `-` and `_`; unique within one discovery.
        path: the file, or the folder of the DICOM series.
        series: the series' files, or None for an image file.
    """

    name: str
    path: Path
    series: DicomSeries | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the volume is read from."""
        return self.series.files if self.series else (self.path,)

    @property
    def patient(self) -> str:
        """The PatientID of a DICOM series, the case's name otherwise."""
        return (self.series.patient_id if self.series else "") or self.name

    def read(self) -> Volume:
        """Read the volume. Raises `UnreadableFile` or `DefectiveSeries`."""
        return read_series(self.series) if self.series else _read_file(self.path)


def discover(path: Path) -> list[Source]:
    """The volumes at `path`: an image file, a DICOM series folder, or a folder of cases, searched to any depth.

    Hidden files and folders are left out. Headers of DICOM files are read, image files are not opened.

    Raises:
        UsageError: if there is nothing at `path`.
        UnreadableFile: if `path` is a file of an unknown kind.
    """
    require_exists(path, "an image file, a DICOM series folder or a folder of cases")
    if path.is_file():
        if not _is_volume(path):
            raise UnreadableFile(f"{path}: not an image file; known are {', '.join(VOLUME_SUFFIXES)} and DICOM folders")
        return [Source(_clean(stem(path)), path)]
    sources: list[Source] = []
    for folder, files in _folders(path):
        relative = folder.relative_to(path)
        volumes = [file for file in files if _is_volume(file)]
        sources += [Source(_clean("_".join([*relative.parts, stem(file)])), file) for file in volumes]
        series = find_series(file for file in files if file not in set(volumes))
        label = _clean("_".join(relative.parts) or path.resolve().name)
        for item in series:
            number = f"_{_clean(item.uid.rsplit('.', 1)[-1])}" if len(series) > 1 else ""
            sources.append(Source(label + number, folder, item))
    return _unique(sources)


def read_volume(path: Path) -> Volume:
    """Read the one volume at `path`, an image file or a folder with one DICOM series.

    Raises:
        UsageError: if there is nothing at `path`.
        EmptyFolder: if the folder holds no volume, or more than one.
        UnreadableFile, DefectiveSeries: if the volume can't be used.
    """
    sources = discover(path)
    if len(sources) != 1:
        found = ", ".join(source.name for source in sources[:5]) or "none"
        raise EmptyFolder(f"{path}: one volume was expected, {len(sources)} found ({found}); give the path of one")
    return sources[0].read()


def stem(path: Path) -> str:
    """The file's name without the suffixes of an image file."""
    name = path.name
    for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def _read_file(path: Path) -> Volume:
    return read_nifti(path) if path.name.lower().endswith(NIFTI_SUFFIXES) else read_itk(path)


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def _folders(top: Path) -> Iterator[tuple[Path, list[Path]]]:
    for folder, subfolders, names in os.walk(top):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield Path(folder), [Path(folder, name) for name in sorted(names) if not name.startswith(".")]


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "case"


def _unique(sources: list[Source]) -> list[Source]:
    seen: dict[str, int] = {}
    unique = []
    for source in sources:
        count = seen[source.name] = seen.get(source.name, 0) + 1
        unique.append(source if count == 1 else Source(f"{source.name}-{count}", source.path, source.series))
    return unique
