"""Slices and patches of both modalities, drawn at random from a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medcycle.config import DataConfig
from medcycle.dataset.augmentation import Augmentation, ContrastChange
from medcycle.dataset.cutting import Cutter, Floats, middle_of
from medcycle.dataset.stacks import SliceStack, neighbours, stacks_of
from medcycle.dataset.store import Store
from medcycle.patch_geometry import ACROSS

__all__ = ["Thickness", "UnpairedPatches", "preview_patches"]

APART = 0.05
"""How far slices of matched heights may be apart, as a part of the body's."""


@dataclass(frozen=True)
class Thickness:
    """How far apart slices are drawn to be, with sub-slices that thick ones are made of.

    Args:
        low: least distance, mm.
        high: largest distance, mm.
        slices: how many a network sees, an odd number.
    """

    low: float
    high: float
    slices: int = 1

    @property
    def sub_slices(self) -> int:
        """One in the middle of each slice, and one at each of its borders, which it shares with the next."""
        return 2 * self.slices + 1

    def draw(self, position: int, stack: SliceStack, random: np.random.Generator) -> list[int]:
        """The numbers of the sub-slices about a position, those beyond an end being the last slice."""
        half = random.uniform(self.low, self.high) / stack.spacing / 2
        steps = range(-self.slices, self.slices + 1)
        return [min(max(position + round(step * half), 0), stack.image.shape[ACROSS] - 1) for step in steps]


class UnpairedPatches(Dataset[dict[str, Tensor]]):
    """A CT patch for every index, and an MR patch, drawn for itself, where there are MR.

    What index `n` gives depends on the seed and `n` alone, whatever was drawn before and by which process: a training
    run that goes on at step `n` sees what an uninterrupted one would have seen.

    Args:
        store: the prepared cases.
        config: patch size, augmentation, and which slices count.
        length: how many indices there are.
        seed: the seed.
        thick: how far apart CT slices are to be, with sub-slices; None for the slices as they are.
        augmentation: how patches are changed; None for what the configuration says.

    Raises:
        DataError: if a modality has no slice with enough of the body.
    """

    def __init__(
        self,
        store: Store,
        config: DataConfig,
        *,
        length: int,
        seed: int,
        thick: Thickness | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.length = length
        self.seed = seed
        self.slices = config.slices
        self.thick = thick
        self.match_height = config.match_height
        target = stacks_of(store.ct, config.plane, config.min_body_fraction)
        source = stacks_of(store.mr, config.plane, config.min_body_fraction) if store.mr else target
        self.axes = sorted({stack.axis for stack in source} & {stack.axis for stack in target})
        self.source = _by_axis(source, 0.0) if store.mr else {}
        self.target = _by_axis(target, config.bone_air_sampling)
        change = augmentation or Augmentation.of(config)
        self.cutter = Cutter(config.patch_size, change, config.body_share)
        self.contrast = ContrastChange(change)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """A `target` (CT) patch, float32 in [−1, 1], and its `body`, booleans; with MR a `source` and `source_body`.

        All have the shape (slices, *patch_size). With `thick`, target and body have `thick.sub_slices` slices.
        """
        if not 0 <= index < self.length:
            raise IndexError(index)
        axis, random = self._axis(index), self._random(index, of_ct=True)
        drawn = self._draw(_one_of(self.target[axis], random), random, self.thick)
        item = {"target": drawn.image, "body": drawn.body}
        if self.source:
            random = self._random(index, of_ct=False)
            height = drawn.height if self.match_height else None
            mr = self._draw(_one_of(self.source[axis], random), random, height=height)
            item |= {"source": self.contrast(mr.image, mr.body, random), "source_body": mr.body}
        return item

    def cases(self, index: int) -> dict[str, str]:
        """The names of the cases that an index draws from, by modality."""
        stacks, axis = {"ct": self.target, "mr": self.source}, self._axis(index)
        return {
            kind: _one_of(by_axis[axis], self._random(index, of_ct=kind == "ct"))[0].case.record.name
            for kind, by_axis in stacks.items()
            if by_axis
        }

    def _axis(self, index: int) -> int:
        if len(self.axes) == 1:
            return self.axes[0]
        return self.axes[int(np.random.default_rng([self.seed, index, 4]).integers(len(self.axes)))]

    def _random(self, index: int, *, of_ct: bool) -> np.random.Generator:
        return np.random.default_rng([self.seed, index, int(of_ct)])

    def _draw(
        self,
        drawn_from: tuple[SliceStack, Floats],
        random: np.random.Generator,
        thick: Thickness | None = None,
        height: float | None = None,
    ) -> _Drawn:
        stack, chances = drawn_from
        stack.case.require_whole()
        last = len(stack.positions) - 1
        if height is None:
            rank = int(np.searchsorted(chances, random.random(), side="right"))
        else:
            rank = round(min(max(height + random.uniform(-APART, APART), 0.0), 1.0) * last)
        position = stack.positions[min(rank, last)]
        beside = neighbours(position, self.slices, stack.image.shape[ACROSS])
        if thick:
            beside = thick.draw(position, stack, random)
        image, body = self.cutter([stack.image, stack.body], stack.body, beside, random, sided=stack.sided)
        return _Drawn(image, body > 0, rank / max(1, last))


class _Drawn(NamedTuple):
    """A patch, where it shows a body, and how high its slice is in the case's, 0 to 1."""

    image: Tensor
    body: Tensor
    height: float


def _one_of(stacks: Sequence[tuple[SliceStack, Floats]], random: np.random.Generator) -> tuple[SliceStack, Floats]:
    """A stack and the chances of its slices: what is drawn first of all."""
    return stacks[int(random.integers(len(stacks)))]


def _by_axis(stacks: Sequence[SliceStack], bone_air_sampling: float) -> dict[int, list[tuple[SliceStack, Floats]]]:
    """The stacks across each axis, with the chances of their slices."""
    axes = {stack.axis for stack in stacks}
    return {
        axis: [(stack, stack.chances(bone_air_sampling)) for stack in stacks if stack.axis == axis] for axis in axes
    }


def preview_patches(
    store: Store, config: DataConfig, thick: Thickness | None = None, count: int = 3
) -> dict[str, Tensor]:
    """Patches as of `UnpairedPatches` to look at, always the same: the middle of up to `count` cases of each modality.

    Returns:
        `target`, `body` and, if there are MR, `source` and `source_body`; each of shape (patches, slices, *patch_size).
    """
    ct, mr = (
        stacks_of(store.ct, config.plane, config.min_body_fraction),
        stacks_of(store.mr, config.plane, config.min_body_fraction) if store.mr else [],
    )
    count = min(count, len(ct), len(mr) or len(ct))
    wanted = {("target", "body"): (ct, thick.sub_slices if thick else config.slices)}
    if mr:
        wanted["source", "source_body"] = mr, config.slices
    images = {}
    for (image, body), (stacks, slices) in wanted.items():
        for name, outside in ((image, -1.0), (body, 0.0)):
            parts = [_middle(stack, name == body, slices, config, outside) for stack in stacks[:count]]
            images[name] = torch.from_numpy(np.stack(parts))
        images[body] = images[body] > 0
    return images


def _middle(stack: SliceStack, of_body: bool, slices: int, config: DataConfig, outside: float) -> Floats:
    beside = neighbours(stack.positions[len(stack.positions) // 2], slices, stack.image.shape[ACROSS])
    return middle_of(stack.body if of_body else stack.image, beside, config.patch_size, outside)
