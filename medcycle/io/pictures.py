"""Two-dimensional pictures: PNG, JPEG and NumPy files, grey or RGB."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medcycle.errors import EmptyFolder, UnreadableFile, UsageError
from medcycle.io.discover import VOLUME_SUFFIXES
from medcycle.io.files import atomic_path, require_exists
from medcycle.io.opening import open_regular
from medcycle.io.places import places_below
from medcycle.io.source import Source
from medcycle.volume import Array

__all__ = ["PICTURE_SUFFIXES", "WHITE", "Picture", "find_pictures", "holds_pictures", "read_picture", "write_picture"]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".npy")

MOST_PIXELS = 2**26
"""of a picture; larger ones are no pictures, or fit into no memory."""

WHITE = 255.0

SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        array: float32 from 0 (black) to 255 (white), shape (rows, columns, 3); grey ones have three equal channels.
        is_grey: whether it had one channel.
    """

    array: Array
    is_grey: bool


def find_pictures(path: Path) -> list[Source]:
    """The pictures at `path`, a file or a folder, searched to any depth; sorted, each with a name of its own.

    Raises:
        UsageError: if there is nothing at `path`, or two pictures differ in their suffix alone.
        EmptyFolder: if there is no picture.
    """
    require_exists(path, f"a picture ({', '.join(PICTURE_SUFFIXES)}) or a folder of pictures")
    files = [path] if path.is_file() else sorted(place.path for place in places_below(path))
    found = [file for file in files if file.name.lower().endswith(PICTURE_SUFFIXES)]
    if not found:
        raise EmptyFolder(f"{path}: no pictures ({', '.join(PICTURE_SUFFIXES)})")
    top = path.parent if path.is_file() else path
    named: dict[str, Path] = {}
    for file in found:
        name = "-".join(file.relative_to(top).with_suffix("").parts)
        if name in named:
            raise UsageError(f"{file} and {named[name]} would have the same name; rename one")
        named[name] = file
    return [Source(name, file) for name, file in named.items()]


def holds_pictures(path: Path) -> bool:
    """Whether `path` is a picture, or a folder with a picture directly in it and no volume."""
    if path.is_file():
        return path.name.lower().endswith(PICTURE_SUFFIXES)
    if not path.is_dir():
        return False
    names = [entry.name.lower() for entry in path.iterdir() if entry.is_file()]
    scans = (*VOLUME_SUFFIXES, ".dcm")
    return any(name.endswith(PICTURE_SUFFIXES) for name in names) and not any(name.endswith(scans) for name in names)


def read_picture(path: Path) -> Picture:
    """Read a picture.

    Transparency is left out. Integers of NumPy files are brought from the range of their kind to 0 to 255; floats must
    be in [0, 1], or [−1, 1], and are brought there likewise. Their shape is (rows, columns), or with 1, 3 or 4 channels
    behind.

    Raises:
        UnreadableFile: if it is torn, too large, or of another kind.
    """
    try:
        values = _array(path) if path.suffix.lower() == ".npy" else _image(path)
    except UnreadableFile:
        raise
    except Exception as error:  # decoders raise what they like
        raise UnreadableFile(f"{path}: not a readable picture ({type(error).__name__}); export it again") from error
    if values.ndim == 3 and values.shape[2] in {1, 3, 4}:
        values = values[..., 0] if values.shape[2] == 1 else values[..., :3]
    if values.ndim not in {2, 3} or not values.size or (values.ndim == 3 and values.shape[2] != 3):
        raise UnreadableFile(f"{path}: an array of shape {values.shape}, not a picture; give rows × columns (× 3)")
    if not np.isfinite(values).all():
        raise UnreadableFile(f"{path}: has NaN or infinite values; correct them")
    is_grey = values.ndim == 2
    colours = np.repeat(values[..., None], 3, axis=2) if is_grey else values
    return Picture(np.ascontiguousarray(colours, dtype=np.float32), is_grey)


def _image(path: Path) -> Array:
    with warnings.catch_warnings(action="ignore"), open_regular(path) as stream, Image.open(stream) as image:
        if image.width * image.height > MOST_PIXELS:
            raise UnreadableFile(f"{path}: {image.width} × {image.height} pixels; give smaller pictures")
        if image.mode in SIXTEEN_BITS:
            deep: Array = np.asarray(image, dtype=np.float32) * np.float32(WHITE / (2**16 - 1))
            return deep
        grey = image.mode in {"1", "L", "LA", "F"}
        return np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32)


def _array(path: Path) -> Array:
    with open_regular(path) as stream:
        values = np.load(stream, allow_pickle=False)
    if values.size > 4 * MOST_PIXELS:
        raise UnreadableFile(f"{path}: {values.shape} values; give smaller pictures")
    kind, low, high = values.dtype.kind, float(values.min()), float(values.max())
    if kind == "u":
        start, span = 0.0, float(np.iinfo(values.dtype).max)
    elif kind in "bf" and low >= -1 and high <= 1:
        start, span = (0.0, 1.0) if low >= 0 else (-1.0, 2.0)
    else:
        raise UnreadableFile(
            f"{path}: {values.dtype} from {low:g} to {high:g}; give unsigned integers, or floats in [0, 1] or [-1, 1]"
        )
    scaled: Array = (values.astype(np.float32) - np.float32(start)) * np.float32(WHITE / span)
    return scaled


def write_picture(picture: Picture, path: Path) -> None:
    """Write a picture, whole or not at all: PNG of 8 bits, or float32 in [0, 1] for `.npy`."""
    values = picture.array.mean(axis=2) if picture.is_grey else picture.array
    with atomic_path(path) as temporary:
        if path.suffix == ".npy":
            with temporary.open("wb") as stream:
                np.save(stream, (values / WHITE).astype(np.float32))
        else:
            Image.fromarray(np.rint(values.clip(0, WHITE)).astype(np.uint8)).save(temporary, format="PNG")
