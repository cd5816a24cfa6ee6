"""Where windows lie, so that every voxel of a body is in one."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from medcycle.volume import Array

__all__ = [
    "Frame",
    "Slices",
    "borders_of",
    "frame_of",
    "importance",
    "neighbour_weights",
    "starts",
    "windows_of",
]

Slices = tuple[slice, ...]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """A box about a body, which may reach beyond the volume.

    Args:
        sizes: voxels along each axis.
        taken: the part of the volume that lies in it.
        place: where in it that part lies.
    """

    sizes: tuple[int, ...]
    taken: Slices
    place: Slices


def frame_of(body: Array, least: Sequence[int], multiple: int, shift: int = 0) -> Frame:
    """A box with the body in its middle.

    Args:
        body: booleans, with some that are true.
        least: its least size along each of the first axes; along the others it is the whole volume.
        multiple: its sizes are multiples of this.
        shift: how many voxels the middle is moved.
    """
    sizes, taken, place = [], [], []
    for axis, length in enumerate(body.shape):
        start, size = 0, length
        if axis < len(least):
            filled = np.flatnonzero(body.any(axis=tuple({*range(body.ndim)} - {axis})))
            low, high = int(filled[0]), int(filled[-1]) + 1
            size = max(least[axis], -(-(high - low + 2 * abs(shift)) // multiple) * multiple)
            start = (low + high - size) // 2 + shift
        ends = max(start, 0), min(start + size, length)
        sizes.append(size)
        taken.append(slice(*ends))
        place.append(slice(ends[0] - start, ends[1] - start))
    return Frame(tuple(sizes), tuple(taken), tuple(place))


def starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along an axis: as few as overlap by so much at least, at even distances, none outside.

    Args:
        length: voxels of the axis, no fewer than the window's.
        window: its voxels.
        overlap: the part of a window that the next one has in common with it, 0 to less than 1.
    """
    step = max(1, int(window * (1 - overlap)))
    count = -(-(length - window) // step) + 1
    return [int(start) for start in np.linspace(0, length - window, count).round()]


def windows_of(body: Array, window: Sequence[int], overlap: float) -> Iterator[Slices]:
    """The windows that show some of a body, in order.

    Args:
        body: booleans, along no axis smaller than the window.
        window: sizes.
        overlap: as of `starts`.
    """
    along = [starts(length, size, overlap) for length, size in zip(body.shape, window, strict=True)]
    for corner in np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, body.ndim).tolist():
        placed = tuple(slice(start, start + size) for start, size in zip(corner, window, strict=True))
        if body[placed].any():
            yield placed


def importance(window: Sequence[int]) -> Floats:
    """How much each voxel of a window counts: sin² along each axis, so that windows fade into each other.

    Weights that fall off faster, as MONAI's Gaussian of an eighth of the window, pass from one window to the next
    within few voxels, and steps between them show.
    """
    along = [np.square(np.sin(np.pi * (np.arange(size) + 0.5) / size)) for size in window]
    return cast(Floats, functools.reduce(np.multiply.outer, along).astype(np.float32))


def neighbour_weights(count: int) -> Floats:
    """How much a slice counts as each of the `count`, an odd number, that are translated at once; of sum 1.

    Falls linearly from the middle one, which has neighbours on both sides: of three, 0.25, 0.5 and 0.25.
    """
    middle = count // 2
    weights = middle + 1 - np.abs(np.arange(count) - middle)
    return cast(Floats, (weights / weights.sum()).astype(np.float32))


def borders_of(frame: Frame, window: Sequence[int], overlap: float) -> list[list[int]]:
    """For each axis of the volume, the voxels at which a window begins, or is over, within the frame."""
    borders = []
    for length, size, taken, place in zip(frame.sizes, window, frame.taken, frame.place, strict=True):
        begun = starts(length, size, overlap)
        inner = {start for start in begun if start > 0} | {start + size for start in begun if start + size < length}
        borders.append(sorted(border - place.start + taken.start for border in inner))
    return borders
