"""The box about a body, and the windows that MONAI's sliding window inference takes in it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import sliding_window_inference
from torch import Tensor

from medcycle.volume import Array

__all__ = [
    "BLANK",
    "Box",
    "Slices",
    "Windows",
    "borders_of",
    "box_of",
    "importance",
    "through_windows",
    "windows_in",
]

Slices = tuple[slice, ...]
Floats = npt.NDArray[np.float32]

BLANK = -1.0
"""What lies outside the body."""


@dataclass(frozen=True)
class Windows:
    """How a volume goes through a network.

    Args:
        batch_size: slices or windows at once; None for as many as need little memory.
        overlap: the part of a 3D window that the next one has in common with it, at least.
    """

    batch_size: int | None = None
    overlap: float = 0.6


@dataclass(frozen=True)
class Box:
    """A box about a body, which may reach beyond the volume.

    Args:
        sizes: voxels along each axis.
        taken: the part of the volume that lies in it.
        place: where in it that part lies.
    """

    sizes: tuple[int, ...]
    taken: Slices
    place: Slices

    def filled(self, array: Array, outside: float) -> Array:
        """What an array has in the box, and a value where the box reaches beyond it."""
        framed = np.full(self.sizes, outside, dtype=array.dtype)
        framed[self.place] = array[self.taken]
        return framed


def box_of(body: Array, least: Sequence[int], multiple: int, shift: int = 0) -> Box:
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
    return Box(tuple(sizes), tuple(taken), tuple(place))


def windows_in(sizes: Sequence[int], window: Sequence[int], overlap: float) -> list[Slices]:
    """The windows that `through_windows` takes in a box, in order.

    Args:
        sizes: of the box, along no axis smaller than the window.
        window: its sizes.
        overlap: the part of a window that the next one has in common with it at least, 0 to less than 1.
    """
    return cast(list[Slices], dense_patch_slices(sizes, window, _distances(sizes, window, overlap)))


def _distances(sizes: Sequence[int], window: Sequence[int], overlap: float) -> list[int]:
    """From window to window along each axis: no more windows than that overlap needs, as evenly as voxels allow."""
    distances = []
    for length, size in zip(sizes, window, strict=True):
        gaps = -(-(length - size) // max(1, int(size * (1 - overlap))))
        distances.append(-(-(length - size) // gaps) if gaps else size)
    return distances


def through_windows(
    image: Floats, window: Sequence[int], windows: Windows, predict: Callable[[Tensor], Tensor], device: torch.device
) -> Floats:
    """A box through a network by overlapping windows, whose borders count less; windows of nothing are left out.

    Args:
        image: values in [−1, 1], along no axis smaller than the window.
        window: its sizes.
        windows: their overlap, and how many at once.
        predict: gives of windows of the shape (batch, 1, *window) their translations.
        device: what `predict` computes on.
    """

    def shown_alone(images: Tensor) -> Tensor:
        made = torch.full_like(images, BLANK)
        shown = (images > BLANK).flatten(1).any(1)
        if shown.any():
            made[shown] = predict(images[shown]).float()
        return made

    distances = _distances(image.shape, window, windows.overlap)
    made = sliding_window_inference(
        torch.from_numpy(image)[None, None],
        tuple(window),
        windows.batch_size or 1,
        shown_alone,
        overlap=[1 - (one + 0.5) / size if one < size else 0.0 for one, size in zip(distances, window, strict=True)],
        roi_weight_map=torch.from_numpy(importance(window)),
        sw_device=device,
    )
    return cast(Floats, cast(Tensor, made)[0, 0].numpy())


def importance(window: Sequence[int]) -> Floats:
    """How much each voxel of a window counts: sin² along each axis, so that windows fade into each other.

    Weights that fall off faster, as MONAI's Gaussian of an eighth of the window, pass from one window to the next
    within few voxels, and steps between them show.
    """
    along = [np.square(np.sin(np.pi * (np.arange(size) + 0.5) / size)) for size in window]
    return cast(Floats, functools.reduce(np.multiply.outer, along).astype(np.float32))


def borders_of(frame: Box, window: Sequence[int], overlap: float) -> list[list[int]]:
    """For each axis of the volume, the voxels at which a window begins, or is over, within the frame."""
    placed = windows_in(frame.sizes, window, overlap)
    borders = []
    for axis, (length, taken, place) in enumerate(zip(frame.sizes, frame.taken, frame.place, strict=True)):
        ends = {end for one in placed for end in (one[axis].start, one[axis].stop)} - {0, length}
        borders.append(sorted(int(end) - place.start + taken.start for end in ends))
    return borders
