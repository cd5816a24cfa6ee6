"""Control characters wherever a name or a value can be foreign."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword

from medcycle.io import write_nifti
from medcycle.phantom import HeadPhantom
from tests.attack import Attack
from tests.attack.bombs import GRID, slices

NASTY = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "answer back": "\x1b[c\x1bZ",
    "one byte": "\x9b31m",
    "back": "good\x08\x08\x08\x08evil",
    "over": "error\rfine",
    "turned": "\u202egnp.exe\u202c",
    "isolated": "\u2066a\u2069",
    "line": "a\u2028warning: all is well",
    "markup": "[/bold][link=http://x]y[/link]",
    "long": "A" * 100_000,
    "link": "\x1b]8;;http://x\x07y\x1b]8;;\x07",
    "deleted": "\x7f\x7f",
    "tags": "\U000e0041\U000e0042",
    "half a pair": "\ud83d",
}

ATTRIBUTES = (
    "PatientID",
    "SeriesDescription",
    "PatientName",
    "Modality",
    "SeriesInstanceUID",
    "PhotometricInterpretation",
)


FOR_ALL = ("title", "turned", "markup", "half a pair")
"""Tried in every place; the others in one of each kind."""


def headers() -> Iterator[Attack]:
    """In attributes of a series that is read, or refused."""
    for what, text in NASTY.items():
        shown = ATTRIBUTES[:3]
        yield Attack(f"{what} in a header", _series(shown, text), ("inspect", "IN"), harmless=True)
        for name in ATTRIBUTES if what in FOR_ALL else ():
            yield Attack(f"{what} in {name}", _series([name], text), ("inspect", "IN"), harmless=True)


def names() -> Iterator[Attack]:
    """In names of files and folders, and on the command line."""
    for what, long in NASTY.items():
        text = long[:200].replace("/", ":")
        raw = text.encode("utf-8", "surrogatepass")
        yield Attack(f"{what}, torn file", _torn(raw), ("inspect", "IN"), harmless=True)
        calls = [
            ("config", "show", text),
            ("inspect", f"IN/{text}"),
            ("config", "check", f"IN/{text}"),
            ("config", "show", "demo", "--set", f"training.{text}=1"),
            ("config", "show", "demo", "--set", f"training.max_steps={text}"),
            ("synthesize", f"IN/{text}.pt", "IN", "OUT"),
            ("runs", f"IN/{text}"),
            (text,),
            ("inspect", "IN", f"--{text}"),
        ]
        for call in calls if what in FOR_ALL else calls[:1]:
            yield Attack(f"{what}, {' '.join(call)[:40]}", _nothing, call)
        if what in FOR_ALL:
            call = ("evaluate", "--real", "IN", "--synthetic", "IN/none", "--output", "OUT")
            yield Attack(f"{what}, folder", _case(raw), ("inspect", "IN"), harmless=True)
            yield Attack(f"{what}, scored", _case(raw), call)


def _nothing(folder: Path) -> None:
    """Lays nothing: the attack is in the call."""


def _series(names: Sequence[str], text: str) -> Callable[[Path], None]:
    """Lays a series with a text, as bytes, for the values of some attributes."""
    value = text.encode("utf-8", "surrogatepass")[:0xFFFE]
    value += b" " * (len(value) % 2)

    def lay(folder: Path) -> None:
        for number, content in enumerate(slices()):
            raw = content
            for name in names:
                mark = struct.pack("<HH", *divmod(tag_for_keyword(name), 0x10000)) + dictionary_VR(name).encode()
                place = raw.index(mark, 300) + len(mark)  # behind the file's own header
                (length,) = struct.unpack_from("<H", raw, place)
                raw = raw[:place] + struct.pack("<H", len(value)) + value + raw[place + 2 + length :]
            (folder / f"{number}.dcm").write_bytes(raw)

    return lay


def _torn(name: bytes) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        with open(os.path.join(os.fsencode(folder), name + b".nii"), "wb") as stream:  # noqa: PTH118, PTH123
            stream.write(b"torn")

    return lay


def _case(name: bytes) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        place = os.path.join(os.fsencode(folder), name)  # noqa: PTH118
        os.mkdir(place)  # noqa: PTH102
        write_nifti(HeadPhantom.random(0).ct(GRID), Path(os.fsdecode(place), "a.nii"))
        noise = HeadPhantom.random(0).mr(GRID).with_array(np.random.default_rng(0).random(GRID.shape, dtype=np.float32))
        write_nifti(noise, Path(os.fsdecode(place), "b.nii"))

    return lay
