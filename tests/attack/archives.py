"""Checkpoints that hold other things than they declare."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Iterator

import torch

from tests.attack import Attack, files
from tests.attack.small import drawn


def archives() -> Iterator[Attack]:
    """Of every kind, to be translated with."""
    for name, content in _contents().items():
        laid = files(model__pt=content, case__nii=drawn()["mr/c0.nii"])
        yield Attack(name, laid, ("synthesize", "IN/model.pt", "IN/case.nii", "OUT"), names="checkpoint", status=1)


def saved(values: object, *, legacy: bool = False) -> bytes:
    """As torch saves it."""
    stream = io.BytesIO()
    torch.save(values, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def repacked(content: bytes, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive with its files changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    change(inside)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in inside.items():
            archive.writestr(name, data)
    return stream.getvalue()


def pickled(data: bytes) -> bytes:
    """An archive with that pickle."""
    return repacked(saved(STATE), lambda inside: inside.update({f"{TOP}/data.pkl": data}))


STATE = {"format": "medcycle checkpoint 1", "step": 1, "method": {"w": torch.zeros(4)}}
TOP = "archive"


class _Calls:
    def __reduce__(self):
        import os  # noqa: PLC0415

        return os.system, ("touch owned",)


def _contents() -> dict[str, bytes]:
    sound = saved(STATE)
    expanded = saved(STATE | {"method": {"w": torch.zeros(1).expand(10**9)}})
    larger = pickle_of(sound).replace(b"K\x04", b"J\x00\x00\x00\x40")
    deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    doubled = b"\x80\x02]q\x00" + b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(60)) + b"."
    return {
        "expanded": expanded,
        "more elements than bytes": pickled(larger),
        "compressed": repacked(
            sound, lambda inside: inside.update({f"{TOP}/data/1": bytes(2**28)}), zipfile.ZIP_DEFLATED
        ),
        "bzip2": repacked(sound, lambda inside: None, zipfile.ZIP_BZIP2),
        "no storage": repacked(sound, lambda inside: inside.pop(f"{TOP}/data/0")),
        "a short storage": repacked(sound, lambda inside: inside.update({f"{TOP}/data/0": b"1"})),
        "no pickle": repacked(sound, lambda inside: inside.pop(f"{TOP}/data.pkl")),
        "two pickles": repacked(sound, lambda inside: inside.update({"other/data.pkl": b"."})),
        "many files": repacked(sound, lambda inside: inside.update({f"{TOP}/x{n}": b"" for n in range(2_000)})),
        "names above": repacked(sound, lambda inside: inside.update({"../../owned": b"x"})),
        "a call": saved({"format": _Calls()}),
        "a bare call": pickle.dumps(_Calls()),
        "legacy": saved(STATE, legacy=True),
        "bytes by number": pickled(b"\x80\x02c__builtin__\nbytearray\nJ\x00\x00\x00\x40\x85R."),
        "a text by number": pickled(b"\x80\x02cbuiltins\nstr\n)R."),
        "a large memory": pickled(b"\x80\x02}r\xff\xff\xff\x7f."),
        "deep": pickled(deep),
        "doubled": pickled(doubled),
        "an extension": pickled(b"\x80\x02\x82\x01."),
        "an object": pickled(b"\x80\x02(itorch\nTensor\n."),
        "cut": sound[: len(sound) // 2],
        "an end alone": b"PK\x05\x06" + bytes(18),
        "a comment": sound[:-2] + b"\xff\xff" + bytes(65535),
        "zeros": bytes(100_000),
        "empty": b"",
        "a number": saved(5),
        "a tensor": saved(torch.zeros(3)),
        "of nothing": saved({}),
        "another format": saved({"format": "\x1b[2J"}),
        "no parts": saved({"format": "medcycle checkpoint 1"}),
        "parts that are none": saved({"format": "medcycle checkpoint 1", "config": 5, "method": [], "intensity": None}),
        "laughing parts": saved({"format": "medcycle checkpoint 1", "config": {"\x1b[2J": "x" * 10_000}}),
    }


def pickle_of(content: bytes) -> bytes:
    """The pickle in an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(f"{TOP}/data.pkl")
