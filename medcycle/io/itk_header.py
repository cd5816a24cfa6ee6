"""The headers of NRRD and MetaImage files, looked through before ITK parses them.

ITK's parsers keep lines, or what they say of wrong ones, in buffers of fixed sizes: a long line ends the process, or
worse. Some numbers have them count for hours.
"""

from __future__ import annotations

import re
from pathlib import Path

from medcycle.errors import UnreadableFile
from medcycle.io.opening import open_regular

__all__ = ["META_FILE", "header_of"]

LONGEST_HEADER = 2**20
"""Bytes in which a header ends; lists of ten thousand slices do."""

LONGEST_LINE = 512
"""Bytes of a line of NRRD, whose parser takes a thousand, and of numbers in MetaImage."""

LONGEST_TEXT = 250
"""Bytes of any other line of MetaImage, whose parser takes 255."""

META_FILE = re.compile(rb"elementdatafile\s*[=:]\s*([^\r\n]*)", re.IGNORECASE)
"""MetaImage's key for its voxels, wherever it stands; it is the last."""

FREE = re.compile(rb"\s*(#|content\s*:|comment\s*[=:]|[^:]*:=)", re.IGNORECASE)
"""Lines that are kept whatever they hold: comments, and NRRD's own keys."""

NUMBERS = re.compile(rb"\w+\s*[=:][\s\d.eE+-]*")

SKIP = re.compile(rb"(?m)^\s*(?:line|byte) ?skip\s*:(?!=)\s*([^\r\n]*)", re.IGNORECASE)
"""What NRRD leaves out before the voxels; backwards, which counts from the end, unpacks all there is."""

SKIPS = re.compile(rb"-1|\d{1,9}")

DIMENSIONS = re.compile(rb"(?m)^\s*ndims\s*[=:]\s*([^\r\n]*)", re.IGNORECASE)


def header_of(path: Path) -> bytes:
    """The header; of a MetaImage up to the line that says where the voxels are, with a list of them if one follows.

    Raises:
        UnreadableFile: if it is none that ITK's parsers should see.
    """
    with open_regular(path) as stream:
        start = stream.read(LONGEST_HEADER)
    if path.name.lower().endswith(".nrrd"):
        header = _nrrd(path, start)
        lines = [line for line in header.split(b"\n") if len(line) > LONGEST_LINE and not FREE.match(line)]
        wrong = lines or not all(SKIPS.fullmatch(skip.strip()) for skip in SKIP.findall(header))
    else:
        header = _meta(path, start)
        lines = [line for line in header.split(b"\n") if _is_too_long(line)]
        wrong = lines or not all(re.fullmatch(rb"[1-9]\s*", count) for count in DIMENSIONS.findall(header))
    if wrong:
        raise UnreadableFile(f"{path}: invalid lines or numbers in the header; write the file again")
    return header


def _is_too_long(line: bytes) -> bool:
    longest = LONGEST_LINE if NUMBERS.fullmatch(line) else LONGEST_TEXT
    return len(line) > longest and not FREE.match(line)


def _nrrd(path: Path, start: bytes) -> bytes:
    """Up to the empty line that ends it, or all there is; raises `UnreadableFile` if it is too long."""
    end = start.find(b"\n\n")
    if end < 0 and b"\n\r\n" not in start and len(start) == LONGEST_HEADER:
        raise UnreadableFile(f"{path}: a header of more than {LONGEST_HEADER} bytes; write the file again")
    return start if end < 0 else start[:end]


def _meta(path: Path, start: bytes) -> bytes:
    found = META_FILE.search(start)
    if not found:
        raise UnreadableFile(f"{path}: not a MetaImage file, or cut short; copy it again")
    if len(META_FILE.findall(start)) > 1:
        raise UnreadableFile(f"{path}: names its voxel file more than once; correct the header")
    return start if found[1].upper().startswith(b"LIST") else start[: found.end()]
