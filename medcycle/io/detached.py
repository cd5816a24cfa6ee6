"""The files that a header of NRRD or MetaImage names for its voxels, and whether they may be read.

Whoever writes a header could name any file of whoever reads it. What is read lies in the header's own folder, or where
links of git-annex lead. The libraries that read the voxels parse headers by themselves, so what they might understand
otherwise than this is refused.
"""

from __future__ import annotations

import re
from glob import escape
from pathlib import Path

from medcycle.errors import UnreadableFile
from medcycle.io.itk_header import META_FILE, header_of
from medcycle.io.opening import require_regular

__all__ = ["is_attached", "require_own_files", "voxel_files"]

NRRD = re.compile(rb"(?m)^\s*data ?file\s*:(?!=)\s*([^\r\n]*)", re.IGNORECASE)
"""NRRD's key for a file of voxels."""

VALUE_TO_COME = re.compile(rb"[=:]\s*\Z")
"""A key without a value, which might be taken from the next line."""

LOCAL = ("LOCAL", "Local", "local")
"""MetaImage's ways to say that the voxels follow."""

LIST = re.compile(r"LIST( \d+)?")

NUMBERED = re.compile(r"[^%]*%0?\d{0,2}d[^%]*")
"""A name with one number in it, and nothing else for C's `printf` to do."""


def is_attached(path: Path) -> bool:
    """Whether the voxels follow the header. Raises `UnreadableFile` if the header can't be followed."""
    return not _named(path)


def require_own_files(path: Path) -> None:
    """Refuse a header that names files elsewhere, or such as are not there or no regular files.

    Raises:
        UnreadableFile: naming the file.
    """
    for name in _named(path):
        if name == "-" or Path(name).is_absolute() or ".." in re.split(r"[/\\]", name) or "\0" in name:
            raise UnreadableFile(f"{path}: its voxels are in {name}, outside its folder; copy that file beside it")
        if "%" in name and not NUMBERED.fullmatch(name):
            raise UnreadableFile(f"{path}: its voxels are in {name}, not a valid name pattern; correct it")
        found = _files(path.parent / name)
        if not found:
            raise UnreadableFile(f"{path}: its voxels should be in {name}, which is missing; copy it beside this file")
        for file in found:
            _require_own(path, file)


def voxel_files(path: Path) -> tuple[Path, ...]:
    """The files that an NRRD or MetaImage header names for its voxels, those that are there; none where they follow."""
    try:
        names = _named(path)
    except UnreadableFile:  # which is told when it is read
        return ()
    found = [file for name in names for file in _files(path.parent / name) if "\0" not in name]
    return tuple(file for file in found if file.is_file() and file != path)


def _files(place: Path) -> list[Path]:
    if "%" not in place.name:
        return [place] if place.exists() else []
    return sorted(place.parent.glob(re.sub(r"%\d*d", "*", escape(place.name))))


def _require_own(path: Path, file: Path) -> None:
    """Refuse a file that is no regular one, or a link to elsewhere than the header, or its own link, leads to."""
    require_regular(file)
    target, header = file.resolve(), path.resolve()
    own = [path.parent.resolve(), header.parent]
    own += [folder for folder in header.parents if folder.parts[-2:] == ("annex", "objects")]
    if not any(folder in target.parents for folder in own):
        raise UnreadableFile(
            f"{path}: its voxels are in {file.name}, a link to another folder; copy that file beside it"
        )


def _named(path: Path) -> list[str]:
    """Names of files, with `%d` where numbers go; none where the voxels follow.

    Raises:
        UnreadableFile: if the header can't be parsed, or says more than one thing.
    """
    header, is_nrrd = header_of(path), path.name.lower().endswith(".nrrd")
    found = list((NRRD if is_nrrd else META_FILE).finditer(header))
    if not found:
        return []
    before = header[: found[0].start()]
    if len(found) > 1 or (not is_nrrd and (before[-1:] not in (b"", b"\n") or VALUE_TO_COME.search(before))):
        raise UnreadableFile(f"{path}: the header must name its voxel file exactly once, on its own line; correct it")
    value = found[0][1].decode("utf-8", "surrogateescape").strip()
    if not value or (not is_nrrd and value in LOCAL):
        return []
    if not value.upper().startswith("LIST"):
        return [value.split()[0] if "%" in value else value]
    if not LIST.fullmatch(value):
        raise UnreadableFile(f"{path}: its voxels are in {value}; rename that file")
    lines = header[found[0].end() :].decode("utf-8", "surrogateescape").split("\n")
    return [name for name in map(str.strip, lines) if name]
