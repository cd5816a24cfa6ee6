"""What a checkpoint's archive declares, checked before torch takes memory for it.

torch keeps a zip archive without compression: one pickle of plain values and tensors, which name their storages, and a
file for each storage. torch believes what the pickle says of their sizes.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from medcycle.errors import BadCheckpoint
from medcycle.io.opening import open_regular

__all__ = ["require_sound_archive"]

MOST_FILES = 100_000
"""in the archive: storages, and a few."""

LARGEST_PICKLE = 2**26
"""Bytes of all that is no tensor."""

WIDTHS = {
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage", "UntypedStorage"), 1),
    **dict.fromkeys(("ShortStorage", "HalfStorage", "BFloat16Storage"), 2),
    **dict.fromkeys(("IntStorage", "FloatStorage"), 4),
    **dict.fromkeys(("LongStorage", "DoubleStorage", "ComplexFloatStorage"), 8),
    "ComplexDoubleStorage": 16,
}
"""Bytes of an element."""


class _Storage(NamedTuple):
    """What a tensor's values lie in."""

    elements: int


def require_sound_archive(path: Path) -> None:
    """Refuse an archive whose parts are compressed, too large, or don't hold what is declared of them.

    Raises:
        BadCheckpoint: naming what is wrong.
        OSError, UnreadableFile: if it can't be opened, or is no regular file.
    """
    with open_regular(path) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                sizes = _sizes(archive, stream.seek(0, 2))
                (name,) = [name for name in sizes if name.endswith("/data.pkl") and name.count("/") == 1]
                if sizes[name] > LARGEST_PICKLE:
                    raise ValueError(f"{sizes[name]} bytes besides tensors")
                _Declared(archive.read(name), name.removesuffix("data.pkl"), sizes).load()
        except Exception as error:  # on foreign bytes the unpickler raises what it likes
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise BadCheckpoint(
                f"{path}: not a medcycle checkpoint, or damaged ({reason}); give one written by `medcycle train`"
            ) from error


def _sizes(archive: zipfile.ZipFile, whole: int) -> dict[str, int]:
    """Bytes of the files in an archive; raises `ValueError` if they are compressed, or more than there are."""
    files = archive.infolist()
    if any(file.compress_type != zipfile.ZIP_STORED or file.file_size != file.compress_size for file in files):
        raise ValueError("compressed, which torch never does")
    sizes = {file.filename: file.file_size for file in files}
    if archive.comment or len(files) > MOST_FILES or len(sizes) < len(files):
        raise ValueError("an archive that torch doesn't write")
    if sum(sizes.values()) > whole:
        raise ValueError(f"{sum(sizes.values())} bytes in a file of {whole}")
    return sizes


class _Declared(pickle._Unpickler):  # the one in C takes memory as the file says
    """Goes through the pickle with nothing but sizes for tensors, and calls nothing that is not listed here."""

    def __init__(self, content: bytes, top: str, sizes: dict[str, int]) -> None:
        super().__init__(io.BytesIO(content))
        self.top, self.sizes = top, sizes

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for; raises `ValueError` if a checkpoint needs no such thing."""
        if module in ("torch", "torch.storage") and name in WIDTHS:
            return name
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return name
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _require_within,
            ("torch._utils", "_rebuild_parameter"): _the_first,
            ("torch", "Size"): tuple,
        }
        if (module, name) not in known:
            raise ValueError(f"{module}.{name} in it")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage, whose file has to have the size that is told; raises `ValueError` otherwise."""
        kind, storage, key, _, elements = pid
        there = self.sizes.get(f"{self.top}data/{key}", -1)
        if kind != "storage" or elements < 0 or elements * WIDTHS[storage] != there:
            raise ValueError(f"a tensor of {elements} elements in {max(there, 0)} bytes")
        return _Storage(elements)


def _require_within(storage: _Storage, offset: int, shape: Sequence[int], stride: Sequence[int], *_: object) -> None:
    """Raise `ValueError` unless a tensor's elements are all there, each for itself."""
    count = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) if count else offset
    if min(shape, default=0) < 0 or min(stride, default=0) < 0 or offset < 0:
        raise ValueError("a tensor of negative size")
    if count > storage.elements or last >= max(storage.elements, 1):
        raise ValueError(f"a tensor of {tuple(shape)} in {storage.elements} elements")


def _the_first(value: object, *_: object) -> object:
    return value
