"""Opening files that others made: regular ones alone, and no more of them than there should be.

A device may do anything when it is opened, and a pipe waits for ever.
"""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from typing import Any

from medcycle.errors import UnreadableFile

__all__ = ["LARGEST_TEXT", "kind_of", "open_regular", "read_json", "read_text", "require_regular", "without_waiting"]

LARGEST_TEXT = 2**26
"""Bytes of a JSON file."""

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def kind_of(status: os.stat_result) -> str:
    """What something is that is no regular file; an empty string if it is one."""
    return "" if stat.S_ISREG(status.st_mode) else KINDS.get(stat.S_IFMT(status.st_mode), "something unknown")


def require_regular(path: Path) -> os.stat_result:
    """The status of a regular file, links followed; it is not opened.

    Raises:
        UnreadableFile: if it is a folder, a pipe, a socket or a device.
        OSError: if there is nothing.
    """
    status = path.stat()
    if kind := kind_of(status):
        raise UnreadableFile(f"{path}: {kind}, not a regular file; copy its contents into one")
    return status


def without_waiting(path: str, flags: int) -> int:
    """Opens at once, be it that a pipe has come to where a file was a moment ago; Windows has no such pipes."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_regular(path: Path) -> io.BufferedReader:
    """A regular file, opened for reading. Raises as `require_regular` does."""
    require_regular(path)
    return open(path, "rb", opener=without_waiting)


def read_text(path: Path, largest: int = LARGEST_TEXT) -> str:
    """The text of a file in UTF-8.

    Raises:
        UnreadableFile: if it is larger than that, or no regular file.
        OSError, UnicodeDecodeError: if it can't be read.
    """
    with open_regular(path) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise UnreadableFile(f"{path}: more than {largest // 1024} KiB, too large for such a file; give another")
    return content.decode("utf-8")


def read_json(path: Path) -> Any:
    """The values of a JSON file.

    Raises:
        UnreadableFile: as `read_text` does.
        OSError, ValueError: if it can't be read, or is no JSON, or nested too deeply.
    """
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("nested too deeply") from None
