"""Headers that name files which are none of theirs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.attack import Attack
from tests.attack.bombs import mha, nrrd

SIDE = 8

SECRET = bytes(range(256)) * 2
"""What lies outside the folder, as much as a volume of 8×8×8 bytes."""

NAMES = {
    "above": "../secret.raw",
    "far above": "../../../../../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "by this folder": "./../secret.raw",
    "by a folder": "below/../../secret.raw",
    "by a link to a folder": "elsewhere/secret.raw",
    "a link": "link.raw",
    "a link to a link": "links.raw",
    "a link to nowhere": "dangling.raw",
    "the standard input": "-",
    "a device": "/dev/zero",
    "a pipe": "pipe.raw",
    "a folder": "below",
    "itself by numbers": "%s%s%s%n 1 8 1",
    "numbers above": "../secret%01d.raw 1 8 1",
    "a wide number": "s%0999999d.raw 1 8 1",
    "a long name": "x" * 5000,
    "nothing there": "gone.raw",
    "backslashes": "..\\secret.raw",
    "no text": "\udc80\udcff.raw",
    "with escapes": "\x1b]0;owned\x07.raw",
    "by home": "~/secret.raw",
    "by a variable": "$HOME/secret.raw",
    "by address": "http://localhost/secret.raw",
    "empty": " ",
}

FORMS: dict[str, Callable[[str], bytes]] = {
    "mhd": lambda name: _mhd(f"ElementDataFile = {name}"),
    "mha": lambda name: _mhd(f"ElementDataFile = {name}"),
    "mhd by a colon": lambda name: _mhd(f"ElementDataFile: {name}"),
    "mhd list": lambda name: _mhd("ElementDataFile = LIST\n" + "\n".join([name.partition(" ")[0]] * SIDE)),
    "nrrd": lambda name: _nrrd(f"data file: {name}"),
    "nrrd in one word": lambda name: _nrrd(f"datafile: {name}"),
    "nrrd list": lambda name: _nrrd("data file: LIST\n" + "\n".join([name.partition(" ")[0]] * SIDE)),
}

TWICE = {
    "mha by a comment": "Comment = ElementDataFile = LOCAL\nElementDataFile = ../secret.raw",
    "mha by a return": "Comment = a\rElementDataFile = LOCAL\nElementDataFile = ../secret.raw",
    "mha by a value to come": "Comment =\nElementDataFile = LOCAL\nElementDataFile = ../secret.raw",
    "mha by another first": "ElementDataFile = ../secret.raw\nElementDataFile = LOCAL",
    "mha by space": " \tElementDataFile = ../secret.raw",
    "mha by a longer word": "ElementDataFile = LISTED/../../secret.raw",
    "mha by local": "ElementDataFile = local/../../secret.raw",
    "nrrd by two": "data file: own.raw\ndata file: ../secret.raw",
    "nrrd by case": "DATA FILE: ../secret.raw",
    "nrrd by space": "  data file: ../secret.raw",
    "nrrd by a return": "content: a\rdata file: own.raw\ndata file: ../secret.raw",
    "nrrd far behind": "# " + "x" * 70_000 + "\ndata file: ../secret.raw",
    "nrrd by another end of line": "data file: ../secret.raw\r",
    "nrrd by a longer word": "data file: LISTED/../../secret.raw",
    "nrrd by a number of axes": "data file: LIST 2\n../secret.raw\n../secret.raw",
}


def named() -> Iterator[Attack]:
    """Every form of header with every name."""
    for form, header in FORMS.items():
        for what, name in NAMES.items():
            suffix = form.partition(" ")[0]
            yield Attack(f"{form}, {what}", _lay(f"a.{suffix}", header(name)))
    for form, lines in TWICE.items():
        suffix = form.partition(" ")[0]
        yield Attack(form, _lay(f"a.{suffix}", (_nrrd if suffix == "nrrd" else _mhd)(lines)))


def _lay(name: str, header: bytes) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        for number in ("", *range(1, 9)):
            (folder.parent / f"secret{number}.raw").write_bytes(SECRET)
        (folder / "below").mkdir()
        (folder / "below" / "own.txt").write_bytes(b"x")
        (folder / "elsewhere").symlink_to("..")
        (folder / "link.raw").symlink_to("../secret.raw")
        (folder / "links.raw").symlink_to("link.raw")
        (folder / "dangling.raw").symlink_to("gone")
        os.mkfifo(folder / "pipe.raw")
        (folder / name).write_bytes(header)

    return lay


def _mhd(lines: str) -> bytes:
    whole = mha("8 8 8", "False")
    return whole[: whole.index(b"ElementDataFile")] + lines.encode(errors="surrogateescape") + b"\n"


def _nrrd(lines: str) -> bytes:
    return nrrd("8 8 8", "raw")[:-1] + lines.encode(errors="surrogateescape") + b"\n"
