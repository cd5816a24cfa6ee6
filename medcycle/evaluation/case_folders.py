"""What folders of cases hold, real and synthetic."""

from __future__ import annotations

from pathlib import Path

from medcycle.errors import EmptyFolder, UsageError
from medcycle.io.discover import VOLUME_SUFFIXES, stem
from medcycle.io.files import require_exists

__all__ = ["SYNTHETIC_STEMS", "entries_of", "is_single", "uncertainty_of", "volume_of", "volumes_in"]

SYNTHETIC_STEMS = ("sct", "smr")
"""What `medcycle synthesize` calls its volumes, one to a case's folder."""

UNCERTAINTY = "uncertainty.nii.gz"
"""What lies beside them, if it was asked for."""

BESIDE = ("uncertainty", "cycle_error")
"""Volumes that `medcycle synthesize` writes and that are no synthetic one."""


def volumes_in(path: Path, stems: tuple[str, ...] = (), *, may_be_empty: bool = False) -> dict[str, Path]:
    """Case names and the volume of each.

    Args:
        path: one volume, or a folder of cases.
        stems: what the volume of a case's folder may be called, where others lie beside it.
        may_be_empty: a folder without cases holds none, as that of an output of which all cases failed, and is neither
            an error nor a series.

    Raises:
        UsageError: if there is nothing at `path`, or a name is ambiguous.
        EmptyFolder: if it holds no case.
    """
    require_exists(path, "a volume or a folder of cases")
    if may_be_empty and path.is_dir() and not any(entry.is_dir() or _is_volume(entry) for entry in entries_of(path)):
        return {}
    if is_single(path):
        return {stem(path) if path.is_file() else path.resolve().name: path}
    found: dict[str, Path] = {}
    for entry in entries_of(path):
        if not entry.is_dir() and not _is_volume(entry):
            continue
        name = entry.name if entry.is_dir() else stem(entry)  # a link to nowhere is told when it is read
        if name in found:
            raise UsageError(f"{path} holds {name} twice: {found[name].name} and {entry.name}; remove one")
        found[name] = _inside(entry, stems) if entry.is_dir() else entry
    if not found:
        raise EmptyFolder(f"{path} holds no case; a case is a file ({', '.join(VOLUME_SUFFIXES)}) or a folder with one")
    return found


def volume_of(folder: Path) -> Path | None:
    """The synthetic volume, or the folder of its series, in a case's folder that `synthesize` wrote; None without."""
    return _inside(folder, SYNTHETIC_STEMS) if folder.is_dir() else None


def _inside(folder: Path, stems: tuple[str, ...]) -> Path:
    """The volume of a case's folder: the one of a known stem, else the only one, else the folder (DICOM)."""
    try:
        volumes = [entry for entry in entries_of(folder) if not entry.is_dir() and _is_volume(entry)]
    except OSError:
        return folder  # which is told when it is read
    others = BESIDE if stems else ()
    candidates = [volume for volume in volumes if stem(volume) in stems]
    candidates = candidates or [volume for volume in volumes if stem(volume) not in others]
    if len(candidates) > 1:
        names = ", ".join(volume.name for volume in candidates)
        raise UsageError(
            f"{folder} holds several volumes ({names}), and it is unclear which one to score; leave only one"
        )
    return candidates[0] if candidates else folder


def is_single(path: Path) -> bool:
    """Whether this is one volume: a file, or a folder with nothing but files that are no volumes by name (DICOM)."""
    if path.is_file():
        return True
    entries = entries_of(path)
    return bool(entries) and not any(entry.is_dir() or _is_volume(entry) for entry in entries)


def entries_of(folder: Path) -> list[Path]:
    """What a folder holds, but for hidden entries, in the order of the names."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(tuple(VOLUME_SUFFIXES))


def uncertainty_of(synthetic: Path) -> Path | None:
    """What `medcycle synthesize` wrote beside a volume, or into the folder with its series; None if there is none."""
    folder = synthetic if synthetic.is_dir() else synthetic.parent
    path = folder / UNCERTAINTY
    ours = synthetic.is_dir() or stem(synthetic) in SYNTHETIC_STEMS
    return path if ours and path.is_file() else None
