"""Pipes, sockets and devices where files belong."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.attack import Attack
from tests.attack.bombs import header, mha, slices

PLACES = ("a.nii", "a.nii.gz", "a.hdr", "a.nrrd", "a.mha", "a.mhd", "a.dcm", "a")


def pipe(path: Path) -> None:
    """A named pipe that nobody writes to."""
    os.mkfifo(path)


def listener(path: Path) -> None:
    """A socket; its name is taken from where it lies, since a whole path may be too long."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


def endless(path: Path) -> None:
    """A link to a device without an end."""
    path.symlink_to("/dev/zero")


def silent(path: Path) -> None:
    """A link to a terminal, or what there is of one."""
    path.symlink_to("/dev/tty")


def itself(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    """A folder."""
    path.mkdir()


KINDS = (pipe, listener, endless, silent, itself, folder)

CALLS: dict[str, tuple[str, ...]] = {
    "config.yaml": ("config", "check", "IN/config.yaml"),
    "model.pt": ("export", "IN/model.pt", "OUT.onnx"),
    "checkpoints/last.pt": ("synthesize", "IN", "IN", "OUT"),
    "store.json": ("train", "demo", "--store", "IN", "--output", "OUT"),
    "cases": ("evaluate", "--real", "IN/cases", "--synthetic", "IN/cases", "--output", "OUT"),
    "volume.nii": ("inspect", "IN/volume.nii"),
    "volume.nii.gz": ("inspect", "IN"),
}


def special() -> Iterator[Attack]:
    """Every kind in every place, alone, beside a series, and as the voxels of a header."""
    for make in KINDS:
        for name in PLACES:
            yield Attack(f"{make.__name__} as {name}", _at(name, make))
        for name, beside in (("a.img", pair), ("a.img.gz", pair), ("a.raw", mhd), ("3.dcm", series)):
            yield Attack(f"{make.__name__} beside, as {name}", _at(name, make, beside), harmless=beside is series)
        for name, call in CALLS.items():
            yield Attack(f"{make.__name__}, {call[0]} {name}", _at(name, make), call, harmless=call[0] == "inspect")


def pair(folder: Path) -> None:
    """The header of a pair."""
    content = bytearray(header((8, 8, 8))[:348])
    content[344:348] = b"ni1\0"
    (folder / "a.hdr").write_bytes(content)


def mhd(folder: Path) -> None:
    """A header that names its voxels."""
    (folder / "a.mhd").write_bytes(mha("8 8 8", "False", "a.raw"))


def series(folder: Path) -> None:
    """A series but for one slice."""
    for number, content in enumerate(slices()):
        if number != 3:
            (folder / f"{number}.dcm").write_bytes(content)


def _at(
    name: str, make: Callable[[Path], None], beside: Callable[[Path], None] | None = None
) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        if beside:
            beside(folder)
        (folder / name).parent.mkdir(exist_ok=True)
        make(folder / name)

    return lay
