"""PNG pictures of an evaluation or a run, without what their headers may tell."""

from __future__ import annotations

import struct
from pathlib import Path

from medcycle.io.opening import open_regular

__all__ = ["clean_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB")
"""The chunks that make the picture; the others may hold texts and times."""

LARGEST = 2**22
"""Bytes."""


def clean_png(folder: Path, name: str) -> bytes:
    """A picture in a folder or below it, of the chunks that draw it; nothing if there is none, or it is too large."""
    if not name or "\0" in name:
        return b""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            return b""
        with open_regular(path) as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError):  # names too long, or of no characters, among them
        return b""
    if len(content) > LARGEST or not content.startswith(SIGNATURE):
        return b""
    return _without_texts(content)


def _without_texts(content: bytes) -> bytes:
    kept, place = [SIGNATURE], len(SIGNATURE)
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        end = place + 12 + length
        if end > len(content):
            return b""
        kind = content[place + 4 : place + 8]
        if kind in NEEDED:
            kept.append(content[place:end])
        if kind == b"IEND":
            return b"".join(kept)
        place = end
    return b""
