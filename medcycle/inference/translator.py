"""Prepared images through a network, slice by slice or window by window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcycle.inference.passes import Pass, passes_of
from medcycle.inference.windows import BLANK, Windows, borders_of, box_of, through_windows, windows_in
from medcycle.intensity import MrPercentile
from medcycle.patch_geometry import ACROSS, DOWNSAMPLING, PatchGeometry, neighbours
from medcycle.volume import Array

__all__ = ["Floats", "Translator", "neighbour_weights"]

Floats = npt.NDArray[np.float32]
Predict = Callable[[Tensor], Tensor]

AT_ONCE = 2**17
"""Pixels or voxels that go through a network together: a layer of 64 channels then takes 32 MiB in float32. More are
not faster on a processor."""


@dataclass(frozen=True)
class Translator:
    """Takes prepared images through a network.

    Only the body is translated: its bounding box with as much around it as training patches have, and of that the
    slices, or the 3D windows, that show some of it.

    Args:
        geometry: that of the training.
        device: what the network computes on.
        windows: how a volume is taken apart.
    """

    geometry: PatchGeometry
    device: torch.device
    windows: Windows = field(default_factory=Windows)

    def translate(self, image: Array, body: Array, predict: Predict, passes: Sequence[Pass] = ()) -> Floats:
        """The translation of a prepared image, the mean of that of several passes.

        Args:
            image: values in [−1, 1], [i, j, k], slices along k.
            body: booleans of the same shape.
            predict: gives of images of the shape (batch, slices, *sizes) their translations.
            passes: those of `passes_of` if there are none.

        Returns:
            Values in [−1, 1] of the same shape; −1 away from the body.
        """
        passes = passes or passes_of(self.geometry)
        output: Floats | None = None
        for one in passes:
            made = self._through(image, body, one, predict)
            output = made if output is None else output + made
        assert output is not None
        return output / np.float32(len(passes)) if len(passes) > 1 else output

    def voxels(self, body: Array, passes: Sequence[Pass] = ()) -> int:
        """How many pixels or voxels `translate` takes through a network, each as often as it does.

        The time of a translation grows with it.
        """
        window, total = self.geometry.size, 0
        for one in passes or passes_of(self.geometry):
            shown = self._turned(body, one)
            frame = box_of(shown, window, DOWNSAMPLING, one.shift)
            if self.geometry.dims == 2:
                total += int(shown.any(axis=(0, 1)).sum()) * math.prod(frame.sizes[:2])
                continue
            framed = frame.filled(shown, False)
            placed = windows_in(frame.sizes, window, self.windows.overlap)
            total += sum(bool(framed[place].any()) for place in placed) * math.prod(window)
        return total

    def borders(self, body: Array) -> list[list[int]]:
        """For each axis, the voxels at which a 3D window begins or ends; none in 2D."""
        if self.geometry.dims == 2:
            return [[], [], []]
        window = self.geometry.size
        return borders_of(box_of(body, window, DOWNSAMPLING), window, self.windows.overlap)

    def _through(self, image: Array, body: Array, one: Pass, predict: Predict) -> Floats:
        """What one pass makes of an image."""
        seen, shown = (self._turned(part, one) for part in (image, body))
        made = np.full(seen.shape, BLANK, dtype=np.float32, order="F")  # every slice in one piece
        by_parts = self._by_slices if self.geometry.dims == 2 else self._by_windows
        with torch.inference_mode():
            by_parts(_adjusted(seen, one.gamma), shown, one.shift, predict, made)
        made = made[..., ::-1] if one.in_reverse else made
        back = np.moveaxis(made, ACROSS, one.across)
        return np.flip(back, self.geometry.right) if one.mirrored else back

    def _turned(self, part: Array, one: Pass) -> Array:
        """What a pass sees of an array: mirrored, with slices along the last axis, in their order; a view of it."""
        if one.mirrored:
            part = np.flip(part, self.geometry.right)
        part = np.moveaxis(part, one.across, ACROSS)
        return part[..., ::-1] if one.in_reverse else part

    def _at_once(self, size: int) -> int:
        """How many images of so many pixels or voxels."""
        return self.windows.batch_size or max(1, AT_ONCE // size)

    def _by_slices(self, image: Array, body: Array, shift: int, predict: Predict, output: Floats) -> None:
        """Slices are those across the last axis; each sees as many neighbours as in training.

        All of these are translated at once. A slice is the mean of what is made of it as the middle one and as a
        neighbour.
        """
        slices, patch = self.geometry.slices, self.geometry.size
        frame = box_of(body, patch, DOWNSAMPLING, shift)
        place, taken = frame.place[:2], frame.taken[:2]
        shown = np.flatnonzero(body.any(axis=(0, 1)))
        total, counted = output[*taken], np.zeros(image.shape[2], dtype=np.float32)
        total[..., shown] = 0
        for numbers in np.array_split(shown, -(-len(shown) // self._at_once(math.prod(frame.sizes[:2])))):
            given = np.full((len(numbers), slices, *frame.sizes[:2]), BLANK, dtype=np.float32)
            for one, number in zip(given, numbers, strict=True):
                beside = neighbours(int(number), slices, image.shape[2])
                one[:, *place] = np.moveaxis(image[*taken][..., beside], -1, 0)
            made = np.moveaxis(self._predicted(given, predict)[:, :, *place], 0, -1)
            weighted = zip(made, neighbour_weights(slices), strict=True)
            for step, (part, weight) in enumerate(weighted, start=-(slices // 2)):
                inside = np.isin(numbers + step, shown)
                places = numbers[inside] + step
                total[..., places] += weight * part[..., inside]
                counted[places] += weight
        total[..., shown] /= counted[shown]

    def _predicted(self, images: Floats, predict: Predict) -> Floats:
        """Arrays of the shape (batch, slices, *sizes) to translations."""
        given = torch.from_numpy(images)
        if self.device.type == "cuda":
            given = given.pin_memory()
        return cast(Floats, predict(given.to(self.device, non_blocking=True)).float().cpu().numpy())

    def _by_windows(self, image: Array, body: Array, shift: int, predict: Predict, output: Floats) -> None:
        """3D windows, of the body's box."""
        window = self.geometry.size
        frame = box_of(body, window, DOWNSAMPLING, shift)
        framed = frame.filled(image, BLANK)
        windows = replace(self.windows, batch_size=self._at_once(math.prod(window)))
        made = through_windows(framed, window, windows, predict, self.device)
        output[frame.taken] = made[frame.place]


def neighbour_weights(count: int) -> Floats:
    """How much a slice counts as each of the `count`, an odd number, that are translated at once; of sum 1.

    Falls linearly from the middle one, which has neighbours on both sides: of three, 0.25, 0.5 and 0.25.
    """
    middle = count // 2
    weights = middle + 1 - np.abs(np.arange(count) - middle)
    return cast(Floats, (weights / weights.sum()).astype(np.float32))


def _adjusted(image: Array, gamma: float) -> Array:
    if gamma == 1:
        return image
    bottom = MrPercentile.bottom
    rising = np.maximum(image - np.float32(bottom), 0) / np.float32(1 - bottom)
    return np.where(image < bottom, image, rising ** np.float32(gamma) * np.float32(1 - bottom) + np.float32(bottom))
