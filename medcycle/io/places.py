"""The files below a folder, and what is there but can't be opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medcycle.io.files import unopened
from medcycle.io.opening import kind_of

__all__ = ["Place", "places_below"]


@dataclass(frozen=True)
class Place:
    """A file, or a folder that can't be opened.

    Args:
        path: where.
        problem: why it can't be opened, or an empty string.
        is_folder: whether it is a folder.
    """

    path: Path
    problem: str = ""
    is_folder: bool = False


def places_below(top: Path) -> Iterator[Place]:
    """Files, and folders that can't be opened, in order; hidden ones are left out.

    Links to folders are followed, and each folder is looked through once. A link to nowhere is a file that can't be
    opened, and so are pipes, sockets and devices.
    """
    seen = set()
    closed: list[OSError] = []
    for folder, subfolders, names in os.walk(top, followlinks=True, onerror=closed.append):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            place = Path(folder, name)
            if name.startswith("."):
                continue
            yield Place(place, _why_closed(place))
    for error in closed:
        yield Place(Path(error.filename), unopened(Path(error.filename), error), is_folder=True)


def _why_closed(place: Path) -> str:
    """Why a file's place can't be followed or opened, as of a link to nowhere or a pipe; else an empty string."""
    try:
        kind = kind_of(place.stat())
    except OSError as error:
        return unopened(place, error)
    return f"{kind}, which is never opened; remove it, or copy what it holds into a file" if kind else ""
