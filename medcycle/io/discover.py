"""What volumes a path holds: image files, DICOM series, or a tree of both."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medcycle.body import Modality
from medcycle.errors import DataError, EmptyFolder, UnreadableFile
from medcycle.io.dicom.beside import OUTLINES, STRUCTURE_SET
from medcycle.io.dicom.frames import NOT_DICOM, ImageFile, Skipped, read_image_file
from medcycle.io.dicom.gate import DicomSeries, gate
from medcycle.io.files import require_exists
from medcycle.io.itk import ITK_SUFFIXES
from medcycle.io.nifti import NIFTI_SUFFIXES, pair_files
from medcycle.io.patience import within_time
from medcycle.io.places import Place, places_below
from medcycle.io.source import Source, read_grid
from medcycle.parallel import KILLED, parallel_map
from medcycle.progress import ProgressLine
from medcycle.volume import Volume

__all__ = [
    "NOT_DICOM",
    "VOLUME_SUFFIXES",
    "Source",
    "Survey",
    "case_name",
    "discover",
    "one_source",
    "read_grid",
    "read_volume",
    "registered_name",
    "stem",
    "survey",
]

log = logging.getLogger(__name__)

VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)

REGISTERED = re.compile(r"(?<=.)-(ct-on-mr|mr-on-ct)$")
"""How `medcycle register` ends the names of its volumes."""

LONGEST_NAME = 120
"""Characters of a case's name; file systems take 255 bytes, to which outputs add some."""

HEADERS_TOGETHER = 250
"""Headers that a process reads at once."""

BIDS_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+(?=_|$)")


@dataclass(frozen=True)
class Survey:
    """What a path holds.

    Args:
        sources: volumes, sound or not.
        skipped: files and series that no volume was meant to be, with the reason.
    """

    sources: tuple[Source, ...]
    skipped: tuple[Skipped, ...]

    def warn_of_skipped(self) -> None:
        """Log a warning for every reason to skip DICOM files, and what looks like them but can't be read.

        Structure sets that medcycle writes beside its slices are as they should be.
        """
        by_reason: dict[str, list[Path]] = {}
        for item in self.skipped:
            own = item.path.name in {OUTLINES, STRUCTURE_SET} and not item.damaged
            if item.reason != NOT_DICOM and not own:
                by_reason.setdefault(item.reason, []).append(item.path)
        for reason, (first, *more) in by_reason.items():
            log.warning("skipped: %s%s: %s", first, f" and {len(more)} more" if more else "", reason)


def discover(path: Path, *, workers: int = 1, resample_irregular: bool = False, ct_offset: float = 0.0) -> list[Source]:
    """The volumes of `survey`, with a warning of files that were left out though they are no foreign ones."""
    found = survey(path, workers=workers, resample_irregular=resample_irregular, ct_offset=ct_offset)
    found.warn_of_skipped()
    return list(found.sources)


def survey(path: Path, *, workers: int = 1, resample_irregular: bool = False, ct_offset: float = 0.0) -> Survey:
    """Look through `path`: an image file, a DICOM file or folder, or a folder of cases, searched to any depth.

    Hidden files and folders are left out. Headers of DICOM files are read, image files are not opened. The images of
    one series belong together wherever they lie.

    Args:
        path: where to look.
        workers: processes that read headers.
        resample_irregular: goes into the sources.
        ct_offset: likewise.

    Raises:
        UsageError: if there is nothing at `path`.
        UnreadableFile: if `path` is a file of an unknown kind.
    """
    require_exists(path, "an image file, a DICOM series folder or a folder of cases")
    places = [Place(path)] if path.is_file() else list(places_below(path))
    whole = [one for one in places if _is_volume(one.path) or one.is_folder]  # of a folder that can't be opened, one
    volumes = [
        Source(_label(path, one.path), one.path, subject=_subject(path, one.path), problem=one.problem) for one in whole
    ]
    taken = {one.path for one in whole} | {file for one in whole if not one.problem for file in pair_files(one.path)}
    others = [one for one in places if one.path not in taken]
    images, skipped = _headers([one.path for one in others if not one.problem], workers)
    skipped += [Skipped(one.path, one.problem, damaged=True) for one in others if one.problem]
    if path.is_file() and not volumes and not images:
        raise UnreadableFile(
            f"{path}: not an image file ({skipped[0].reason}); known are {', '.join(VOLUME_SUFFIXES)} and DICOM"
        )
    series = []
    for item in gate(images, skipped):
        if item.verdict == "skipped":
            skipped.append(Skipped(_folder(item), f"{item.description} {item.problem}".strip()))
        else:
            series.append(item)
    top = path if path.is_dir() else path.parent  # of a single file, the folder it lies in
    sources = sorted([*volumes, *_named(top, series)], key=lambda source: (source.path, source.name))
    named = (replace(one, resample_irregular=resample_irregular, ct_offset=ct_offset) for one in _unique(sources))
    return Survey(tuple(named), tuple(skipped))


def read_volume(path: Path) -> Volume:
    """Read the one volume at `path`, an image file or a folder with one DICOM series.

    Raises:
        UsageError: if there is nothing at `path`.
        EmptyFolder: if the folder holds no volume, or more than one.
        UnreadableFile, DefectiveSeries: if the volume can't be used.
    """
    return one_source(path).read()


def one_source(path: Path, *, resample_irregular: bool = False, ct_offset: float = 0.0) -> Source:
    """The one volume at `path`. Raises `UsageError` and `EmptyFolder` as `read_volume` does."""
    sources = discover(path, resample_irregular=resample_irregular, ct_offset=ct_offset)
    if len(sources) != 1:
        found = ", ".join(source.name for source in sources[:5]) or "none"
        raise EmptyFolder(f"{path}: expected one volume, found {len(sources)} ({found}); give the path of one")
    return sources[0]


def one_series(path: Path) -> DicomSeries:
    """The one DICOM series at `path`, a file or a folder.

    Raises:
        UsageError: if there is nothing at `path`.
        EmptyFolder: if it holds no series.
        DataError: if it holds several.
    """
    found = [source.series for source in survey(path).sources if source.series]
    if not found:
        raise EmptyFolder(f"{path}: no DICOM series of images; give the folder of the series it was made from")
    if len(found) > 1:
        kinds = ", ".join(f"{series.modality} of {len(series.files)} files" for series in found[:5])
        raise DataError(f"{path}: {len(found)} series ({kinds}), but one is expected; give the folder of one")
    return found[0]


def stem(path: Path) -> str:
    """The file's name without the suffixes of an image file, and of a registered volume without `-ct-on-mr`.

    A registered volume has the name of the one whose grid it has, so that cases and patients of both are the same.

    >>> stem(Path("sub-01_T1w-ct-on-mr.nii.gz"))
    'sub-01_T1w'
    """
    name = path.name
    for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return REGISTERED.sub("", name[: -len(suffix)])
    return path.stem


def registered_name(fixed: str, onto: Modality) -> str:
    """The name of the file of a volume that was registered onto that of a case; `stem` gives the case."""
    return f"{fixed}-{'ct-on-mr' if onto == 'mr' else 'mr-on-ct'}.nii.gz"


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def _header(path: Path) -> ImageFile | Skipped:
    try:
        return within_time(lambda: read_image_file(path), path)
    except UnreadableFile as error:
        return Skipped(path, str(error).removeprefix(f"{path}: "), damaged=True)


def _killed(path: Path) -> Skipped:
    return Skipped(path, KILLED, damaged=True)


def _headers(files: Sequence[Path], workers: int) -> tuple[list[ImageFile], list[Skipped]]:
    images: list[ImageFile] = []
    skipped: list[Skipped] = []
    with ProgressLine("reading headers", len(files), quiet=len(files) < HEADERS_TOGETHER) as progress:
        for path, item in parallel_map(_header, files, workers, killed=_killed, together=HEADERS_TOGETHER):
            if isinstance(item, Skipped):
                skipped.append(item)
            else:
                images.append(item)
            progress.advance(path.parent.name)
    return images, skipped


def _named(top: Path, series: Sequence[DicomSeries]) -> list[Source]:
    """Named by their folder, and where that holds several volumes by what tells them apart."""
    folders = [_folder(item) for item in series]
    sources = []
    for item, folder in zip(series, folders, strict=True):
        parts = [_label(top, folder)]
        if folders.count(folder) > 1:
            parts += [item.description or item.uid.rsplit(".", 1)[-1]]
            parts += [part.rsplit("\\", 1)[-1] for part in item.label.split(", ") if part]
        sources.append(Source(case_name("_".join(parts)), folder, item, subject=_subject(top, folder)))
    return sources


def _folder(series: DicomSeries) -> Path:
    """The folder that holds all of its files."""
    return Path(os.path.commonpath([file.parent for file in series.files]))


def _label(top: Path, place: Path) -> str:
    relative = place.relative_to(top) if place != top else Path()
    parts = [*relative.parts[:-1], stem(place)] if _is_volume(place) else relative.parts
    return case_name("_".join(parts) or top.resolve().name)


def _subject(top: Path, place: Path) -> str:
    """The nearest BIDS subject among the names from below `top` to `place`."""
    parts = place.relative_to(top).parts if place != top else (place.name,)
    found = (BIDS_SUBJECT.match(stem(Path(part)) if part == place.name else part) for part in reversed(parts))
    return next((match.group() for match in found if match), "")


def case_name(name: str) -> str:
    """A name of plain characters, letters without their accents; where none are left, or too many, with a hash.

    A case is written, and looked for, under this name.

    >>> case_name("Müller Anna (1)")
    'Muller-Anna-1'
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-")
    if cleaned and len(cleaned) <= LONGEST_NAME:
        return cleaned
    ending = f"-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}"
    return (cleaned or "case")[: LONGEST_NAME - len(ending)] + ending


def _unique(sources: Sequence[Source]) -> list[Source]:
    """The same, those of one name numbered, by numbers that no other one's name ends with."""
    names = {source.name for source in sources}
    unique: dict[str, Source] = {}
    for source in sources:
        name, count = source.name, 1
        while name in unique or (count > 1 and name in names):
            count += 1
            name = f"{source.name}-{count}"
        unique[name] = replace(source, name=name)
    return list(unique.values())
