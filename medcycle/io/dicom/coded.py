"""What compressed frames say of their own size, before a decoder takes memory for it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from medcycle.errors import UnreadableFile

__all__ = ["coded_sizes", "require_coded_sizes"]

START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG and JPEG-LS that are followed by a size (ITU-T T.81, B.1.1.3; T.87, C.1.1)."""

START_OF_SCAN, ALONE = 0xDA, {0x01, *range(0xD0, 0xD9)}

JPEG, JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"

DECODED = (8, 16, 32)
"""Bits of compressed pixels; at others, decoders may end the process."""

RLE_SPREAD = 2
"""RLE takes a hundredth more than the pixels at worst (PS3.5, annex G)."""


def require_coded_sizes(path: Path, dataset: Dataset) -> None:
    """Refuse compressed frames of another size than the header says.

    Raises:
        UnreadableFile: naming both sizes.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or not syntax.is_encapsulated or "PixelData" not in dataset:
        return
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    allocated = int(dataset.get("BitsAllocated") or 16)
    if allocated not in DECODED:
        raise UnreadableFile(
            f"{path}: compressed pixels of {allocated} bits, which no decoder supports; export it again"
        )
    plain = rows * columns * allocated // 8
    count = int(dataset.get("NumberOfFrames") or 1)
    try:
        for frame in generate_frames(dataset.PixelData, number_of_frames=count):
            if syntax == RLELossless and len(frame) > RLE_SPREAD * plain + 1024:
                raise UnreadableFile(f"{path}: a compressed frame of {len(frame)} bytes for {plain}; export it again")
            for *size, bits in coded_sizes(frame):
                if size != [rows, columns, 1] or bits > allocated:
                    raise UnreadableFile(
                        f"{path}: compressed pixels of {size[0]}×{size[1]}, {bits} bits and {size[2]} components, the "
                        f"header says {rows}×{columns} and {allocated} bits; export it again"
                    )
    except (ValueError, struct.error, EOFError):
        return  # which the decoder tells, in its own words


def coded_sizes(frame: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Rows, columns, components and bits, as JPEG, JPEG-LS or JPEG 2000 (in whatever box) has them; none of others."""
    place = frame.find(JPEG_2000)
    if place >= 0 and not frame.startswith(JPEG):
        # Xsiz, Ysiz and their offsets (ITU-T T.800, A.5.1)
        width, height, left, top = struct.unpack_from(">4I", frame, place + 8)
        components, bits = struct.unpack_from(">HB", frame, place + 40)
        yield height - top, width - left, components, (bits & 0x7F) + 1
    elif frame.startswith(JPEG):
        yield from _of_jpeg(frame)


def _of_jpeg(frame: bytes) -> Iterator[tuple[int, int, int, int]]:
    place = 2
    while place + 4 <= len(frame):
        if frame[place] != 0xFF:
            place += 1
            continue
        marker = frame[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in ALONE:
            place += 2
        elif marker == START_OF_SCAN:
            return
        else:
            if marker in START_OF_FRAME:
                bits, rows, columns, components = struct.unpack_from(">BHHB", frame, place + 4)
                yield rows, columns, components, bits
            place += 2 + int(struct.unpack_from(">H", frame, place + 2)[0])
