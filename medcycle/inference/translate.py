"""Prepared volumes through a network, slice by slice or window by window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcycle.config import Config
from medcycle.data.stacks import ACROSS, neighbours
from medcycle.inference.passes import Pass, passes_of, right_of
from medcycle.inference.windows import borders_of, frame_of, importance, neighbour_weights, windows_of
from medcycle.intensity import MrPercentile
from medcycle.networks.resnet import DOWNSAMPLING
from medcycle.volume import Array

__all__ = ["Windows", "translate_array", "voxels_through", "window_borders"]

Floats = npt.NDArray[np.float32]
Predict = Callable[[Tensor], Tensor]

AT_ONCE = 2**17
"""Pixels or voxels that go through a network together: a layer of 64 channels then takes 32 MiB in float32. More are
not faster on a processor."""

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


def window_borders(body: Array, config: Config, windows: Windows) -> list[list[int]]:
    """For each axis, the voxels at which a 3D window begins or ends; none in 2D."""
    if config.network.spatial_dims == 2:
        return [[], [], []]
    window = config.data.patch_size
    return borders_of(frame_of(body, window, DOWNSAMPLING), window, windows.overlap)


def voxels_through(body: Array, config: Config, passes: Sequence[Pass] = (), windows: Windows = Windows()) -> int:
    """How many pixels or voxels `translate_array` takes through a network, what overlaps counted as often as it does.

    The time of a translation grows with it.
    """
    window, total = config.data.patch_size, 0
    for one in passes or passes_of(config):
        shown = _turned(body, one, config)
        frame = frame_of(shown, window, DOWNSAMPLING, one.shift)
        if config.network.spatial_dims == 2:
            total += int(shown.any(axis=(0, 1)).sum()) * math.prod(frame.sizes[:2])
            continue
        framed = np.zeros(frame.sizes, dtype=bool)
        framed[frame.place] = shown[frame.taken]
        total += sum(1 for _ in windows_of(framed, window, windows.overlap)) * math.prod(window)
    return total


def translate_array(
    image: Array,
    body: Array,
    config: Config,
    predict: Predict,
    *,
    device: torch.device,
    windows: Windows = Windows(),
    passes: Sequence[Pass] = (),
) -> Floats:
    """The translation of a prepared image, the mean of that of several passes.

    Only the body is translated: its bounding box with as much around it as training patches have, and of that the
    slices, or the 3D windows, that show some of it.

    Args:
        image: values in [−1, 1], [i, j, k], slices along k.
        body: booleans of the same shape.
        config: that of the training.
        predict: gives of images of the shape (batch, slices, *sizes) their translations.
        device: what `predict` computes on.
        windows: how a volume is taken apart.
        passes: those of `passes_of` if there are none.

    Returns:
        Values in [−1, 1] of the same shape; −1 away from the body.
    """
    passes = passes or passes_of(config)
    output: Floats | None = None
    for one in passes:
        work = _Work(config, predict, device, windows, one.shift)
        made = _through(image, body, one, work)
        output = made if output is None else output + made
    assert output is not None
    return output / np.float32(len(passes)) if len(passes) > 1 else output


def _through(image: Array, body: Array, one: Pass, work: _Work) -> Floats:
    """What one pass makes of an image."""
    seen, shown = (_turned(part, one, work.config) for part in (image, body))
    made = np.full(seen.shape, BLANK, dtype=np.float32, order="F")  # every slice in one piece
    translate = _by_slices if work.config.network.spatial_dims == 2 else _by_windows
    with torch.inference_mode():
        translate(_adjusted(seen, one.gamma), shown, work, made)
    back = np.moveaxis(made, ACROSS, one.across)
    return np.flip(back, right_of(work.config)) if one.mirrored else back


@dataclass(frozen=True)
class _Work:
    """What all slices or windows of a pass go through."""

    config: Config
    translate: Predict
    device: torch.device
    windows: Windows
    shift: int

    def at_once(self, size: int) -> int:
        """How many images of so many pixels or voxels."""
        return self.windows.batch_size or max(1, AT_ONCE // size)

    def predict(self, images: Floats) -> Floats:
        """Arrays of the shape (batch, slices, *sizes) to translations."""
        given = torch.from_numpy(images)
        if self.device.type == "cuda":
            given = given.pin_memory()
        return cast(Floats, self.translate(given.to(self.device, non_blocking=True)).float().cpu().numpy())


def _turned(part: Array, one: Pass, config: Config) -> Array:
    """What a pass sees of an array: mirrored, and with slices along the last axis; a view of it."""
    if one.mirrored:
        part = np.flip(part, right_of(config))
    return np.moveaxis(part, one.across, ACROSS)


def _adjusted(image: Array, gamma: float) -> Array:
    if gamma == 1:
        return image
    bottom = MrPercentile.bottom
    rising = np.maximum(image - np.float32(bottom), 0) / np.float32(1 - bottom)
    return np.where(image < bottom, image, rising ** np.float32(gamma) * np.float32(1 - bottom) + np.float32(bottom))


def _by_slices(image: Array, body: Array, work: _Work, output: Floats) -> None:
    """Slices are those across the last axis; each sees as many neighbours as in training.

    All of these are translated at once. A slice is the mean of what is made of it as the middle one and as a neighbour.
    """
    slices, patch = work.config.data.slices, work.config.data.patch_size
    frame = frame_of(body, patch, DOWNSAMPLING, work.shift)
    place, taken = frame.place[:2], frame.taken[:2]
    shown = np.flatnonzero(body.any(axis=(0, 1)))
    total, counted = output[*taken], np.zeros(image.shape[2], dtype=np.float32)
    total[..., shown] = 0
    for numbers in np.array_split(shown, -(-len(shown) // work.at_once(math.prod(frame.sizes[:2])))):
        given = np.full((len(numbers), slices, *frame.sizes[:2]), BLANK, dtype=np.float32)
        for one, number in zip(given, numbers, strict=True):
            beside = neighbours(int(number), slices, image.shape[2])
            one[:, *place] = np.moveaxis(image[*taken][..., beside], -1, 0)
        made = np.moveaxis(work.predict(given)[:, :, *place], 0, -1)
        weighted = zip(made, neighbour_weights(slices), strict=True)
        for step, (part, weight) in enumerate(weighted, start=-(slices // 2)):
            inside = np.isin(numbers + step, shown)
            places = numbers[inside] + step
            total[..., places] += weight * part[..., inside]
            counted[places] += weight
    total[..., shown] /= counted[shown]


def _by_windows(image: Array, body: Array, work: _Work, output: Floats) -> None:
    """Overlapping windows, whose borders count less."""
    window = work.config.data.patch_size
    frame = frame_of(body, window, DOWNSAMPLING, work.shift)
    framed, shown = np.full(frame.sizes, BLANK, dtype=np.float32), np.zeros(frame.sizes, dtype=bool)
    framed[frame.place], shown[frame.place] = image[frame.taken], body[frame.taken]
    placed = list(windows_of(shown, window, work.windows.overlap))
    weight = importance(window)
    total, weights = np.zeros(frame.sizes, dtype=np.float32), np.zeros(frame.sizes, dtype=np.float32)
    together = work.at_once(framed[placed[0]].size)
    for first in range(0, len(placed), together):
        some = placed[first : first + together]
        made = work.predict(np.stack([framed[one][None] for one in some]))
        for one, part in zip(some, made, strict=True):
            total[one] += weight * part[0]
            weights[one] += weight
    np.divide(total, weights, out=total, where=weights > 0)
    output[frame.taken] = np.where(weights > 0, total, BLANK)[frame.place]
