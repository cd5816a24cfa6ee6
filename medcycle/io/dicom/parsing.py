"""pydicom's parser on files that may hold anything: what is deflated is inflated within a limit beforehand."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medcycle.errors import UnreadableFile
from medcycle.io.limits import SETTING, inflated, most_bytes
from medcycle.io.opening import require_regular, without_waiting

__all__ = ["open_dicom", "parse", "read_object"]

LARGEST_INFLATED = 2**24
"""Bytes of a header in a deflated file; of enhanced images, three thousand frames describe themselves in it."""

MOST_ITEMS = 500_000
"""of sequences; each takes 200 times the eight bytes it may have in the file. Ten thousand frames have 120,000."""

ITEM = b"\xfe\xff\x00\xe0"

SMALL = 2**22
"""Bytes of a file that can't hold too many items."""

DEFLATED = DeflatedExplicitVRLittleEndian.encode()

LONG, SHORT = (b"OB", b"UN"), (b"UL", b"UI", b"SH", b"AE")
"""Kinds of values in a file's own header, with lengths of 32 and 16 bits (PS3.10, 7.1)."""

PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


class _Deflated(Exception):
    """The parser asks for the rest of the file at once, as it does where that is deflated."""


class _Raw(io.FileIO):
    def readall(self) -> bytes:
        raise _Deflated


def open_dicom(path: Path) -> BinaryIO:
    """A file for `parse`. Raises `UnreadableFile` if it is no regular one, or has too many items; and `OSError`."""
    size = require_regular(path).st_size
    stream = io.BufferedReader(io.FileIO(path, "rb", opener=without_waiting))
    try:
        if not _is_plain(stream.peek()):  # seldom, since a class of one's own makes every read of a few bytes slower
            stream.close()
            stream = io.BufferedReader(_Raw(str(path), "rb", opener=without_waiting))
        if size > SMALL:
            _require_few_items(path, stream)
    except BaseException:
        stream.close()
        raise
    return stream


def read_object(path: Path, kinds: Collection[str], wanted: str, *, pixels: bool) -> Dataset:
    """A DICOM file of a kind, with or without a preamble.

    Args:
        path: the file.
        kinds: SOPClassUID of what is wanted.
        wanted: what that is, and what to give, for the error of another file.
        pixels: whether pixel data are read.

    Raises:
        UnreadableFile: if it is not DICOM, torn, or of another kind.
    """
    try:
        with open_dicom(path) as stream:
            dataset = parse(stream, pixels=pixels, force=True)
        is_wanted = dataset.get("SOPClassUID") in kinds
    except Exception as error:  # on foreign bytes the parser raises what it likes
        raise UnreadableFile(f"{path}: not a readable DICOM file ({type(error).__name__}); export it again") from error
    if not is_wanted:
        raise UnreadableFile(f"{path}: {wanted}")
    return dataset


def _is_plain(start: bytes) -> bool:
    """Whether a file's own header is as it should be, and names a transfer syntax that is not deflated."""
    if start[128:132] != b"DICM":
        return False
    place, syntaxes = 132, []
    while start[place : place + 2] == b"\x02\x00":
        if start[place + 4 : place + 6] in LONG:
            begin, end = place + 12, int.from_bytes(start[place + 8 : place + 12], "little")
        elif start[place + 4 : place + 6] in SHORT:
            begin, end = place + 8, int.from_bytes(start[place + 6 : place + 8], "little")
        else:
            return False
        if start[place + 2 : place + 4] == b"\x10\x00":
            syntaxes.append(start[begin : begin + end].rstrip(b"\0 "))
        place = begin + end
    return place + 2 <= len(start) and len(syntaxes) == 1 and syntaxes[0] != DEFLATED


def parse(stream: BinaryIO, *, pixels: bool, tags: Sequence[Any] | None = None, force: bool = False) -> Dataset:
    """The data set in a stream of `open_dicom`, as `pydicom.dcmread` gives it.

    Args:
        stream: at its beginning.
        pixels: whether they are read, or nothing from them on.
        tags: the only ones to read; None for all.
        force: read what has no preamble.

    Raises:
        UnreadableFile: if a deflated file holds more than its header may have, or tells of.
        Exception: of any kind, if it is damaged.
    """
    try:
        return pydicom.dcmread(
            stream, stop_before_pixels=not pixels, specific_tags=None if tags is None else list(tags), force=force
        )
    except _Deflated:
        return _of_deflated(stream, pixels, tags, force)


def _of_deflated(stream: BinaryIO, pixels: bool, tags: Sequence[Any] | None, force: bool) -> Dataset:
    path = Path(str(getattr(stream, "name", "")))
    stream.seek(0)
    preamble = read_preamble(stream, force)
    meta = FileMetaDataset(read_dataset(stream, False, True, stop_when=lambda tag, *_: tag >> 16 != 2))
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        raise UnreadableFile(f"{path}: deflated, though its header says otherwise; export it again uncompressed")
    start = stream.tell()
    wanted: list[BaseTag | int] | None = None if tags is None else [Tag(tag) for tag in tags]
    content = inflated(stream, LARGEST_INFLATED, whole=False)
    _require_few(path, content.count(ITEM))
    header = read_dataset(
        io.BytesIO(content), False, True, stop_when=lambda tag, *_: tag in PIXELS, specific_tags=wanted
    )
    if pixels:
        stream.seek(start)
        largest = min(LARGEST_INFLATED + _bytes_of(header), most_bytes())
        try:
            content = inflated(stream, largest)
        except OverflowError as error:
            raise UnreadableFile(
                f"{path}: {error}, more than its header states; export it again uncompressed, or set {SETTING} to more"
            ) from error
        header = read_dataset(io.BytesIO(content), False, True, specific_tags=wanted)
    made = FileDataset(stream, header, preamble, meta, False, True)
    made.set_original_encoding(False, True, header._character_set)
    return made


def _bytes_of(header: Dataset) -> int:
    """Bytes of the pixels that a header tells of."""
    counts = [int(header.get(name) or 1) for name in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")]
    bits = int(header.get("BitsAllocated") or 16)
    rows, columns, frames, samples = (max(count, 1) for count in counts)
    return rows * columns * frames * samples * max(bits, 8) // 8


def _require_few_items(path: Path, stream: BinaryIO) -> None:
    count, end = 0, b""
    while chunk := stream.read(SMALL):
        count += (end + chunk).count(ITEM)
        end = chunk[-3:]
        _require_few(path, count)
    stream.seek(0)


def _require_few(path: Path, count: int) -> None:
    if count > MOST_ITEMS:
        raise UnreadableFile(f"{path}: sequences of more than {MOST_ITEMS} items, too many for a scan; export it again")
