"""How much is read: no volume and no header larger than any real one, whatever a small file says that it holds.

`MEDCYCLE_MAX_VOXELS` in the environment changes it, for all kinds of files.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import BinaryIO

from medcycle.errors import UnreadableFile, UsageError

__all__ = [
    "LARGEST_HEADER",
    "SETTING",
    "inflated",
    "machine_memory",
    "most_voxels",
    "require_voxels",
]

SETTING = "MEDCYCLE_MAX_VOXELS"

MOST_VOXELS = 2**31
"""Four times a CT of a whole body (512×512×2000), or one with detectors that count photons (1024×1024×2000)."""

BYTES_A_VOXEL = 8
"""at most: a float64."""

LARGEST_HEADER = 2**26
"""Bytes of a header. Ten thousand frames of an enhanced DICOM file describe themselves in 50 MB."""

CHUNK = 2**20


def most_voxels() -> int:
    """Voxels that a volume may have. Raises `UsageError` if the environment names no positive number."""
    given = os.environ.get(SETTING, "")
    if not given:
        return MOST_VOXELS
    try:
        voxels = int(float(given)) if given.isascii() and len(given) <= 20 else 0
    except (ValueError, OverflowError):
        voxels = 0
    if voxels < 1:
        raise UsageError(f"{SETTING}={given}: give a number of voxels, such as {MOST_VOXELS}, or unset it")
    return voxels


def require_voxels(path: Path, shape: Iterable[int], width: int = 1) -> None:
    """Refuse a volume of more voxels than are read, or than memory holds, before memory is asked for them.

    Args:
        path: of the file, for the message.
        shape: voxels along each axis, as the header says it.
        width: bytes of a stored voxel; it is read as a float32, of four.

    Raises:
        UnreadableFile: if it has too many.
    """
    sides = [int(n) for n in shape]
    count, most = math.prod(sides), most_voxels()
    if count > most:
        size = "×".join(f"{n:.6g}" if n >= 10**9 else str(n) for n in sides)
        raise UnreadableFile(
            f"{path}: {size} voxels, more than the limit of {most}; if this is correct, set {SETTING} to more"
        )
    needed, there = count * (4 + width), machine_memory()
    if needed > there:
        raise UnreadableFile(
            f"{path}: needs {needed / 2**30:.1f} GiB of memory, but this machine has {there / 2**30:.1f}; read it "
            "on a larger one, or resample it"
        )


def most_bytes() -> int:
    """Bytes of voxels that a volume may have."""
    return BYTES_A_VOXEL * most_voxels()


@cache
def machine_memory() -> int:
    """Bytes of the machine's memory; more than any has if that is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 2**62


def inflated(stream: BinaryIO, largest: int, *, whole: bool = True) -> bytes:
    """What was deflated, without a header of zlib or gzip, as DICOM has it (PS3.5, A.5).

    Args:
        stream: of compressed bytes, to its end.
        largest: bytes that it may give.
        whole: whether more than that is an error; else it is left out.

    Raises:
        OverflowError: if it gives more.
        zlib.error: if it is damaged.
    """
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    room = largest + 1
    while room > 0 and not unpacker.eof:
        packed = unpacker.unconsumed_tail or stream.read(CHUNK)
        part = unpacker.decompress(packed, min(room, CHUNK))
        if not packed and not part:
            break
        parts.append(part)
        room -= len(part)
    if room <= 0 and whole:
        raise OverflowError(f"more than {largest} bytes when unpacked")
    return b"".join(parts)[:largest]
