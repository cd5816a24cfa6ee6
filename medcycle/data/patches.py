"""Slices and patches of both modalities, drawn at random from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from monai.transforms import RandAffine
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.utils.data import Dataset

from medcycle.config import DataConfig
from medcycle.data.store import Store, StoredCase
from medcycle.errors import DataError
from medcycle.volume import Array

__all__ = ["UnpairedPatches", "neighbours", "preview_pairs"]

Floats = npt.NDArray[np.float32]


class UnpairedPatches(Dataset[dict[str, Tensor]]):
    """An MR and a CT patch of different patients for every index.

    What index `n` gives depends on the seed and `n` alone, whatever was drawn before and by which process: a training
    run that goes on at step `n` sees what an uninterrupted one would have seen.

    Args:
        store: the prepared cases.
        config: patch size, augmentation, and which slices count.
        length: how many indices there are.
        seed: the seed.

    Raises:
        DataError: if a modality has no slice with enough of the body.
    """

    def __init__(self, store: Store, config: DataConfig, *, length: int, seed: int) -> None:
        self.length = length
        self.seed = seed
        self.sizes = config.patch_size
        self.slices = config.slices
        self.flip = config.flip and config.plane != "sagittal"  # whose slices have no left and right
        self.cases = {"source": _usable(store.mr, config), "target": _usable(store.ct, config)}
        self.affine = _affine(config)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """A `source` (MR) and a `target` (CT) patch, float32 in [−1, 1], and the `body` of the target, booleans.

        All have the shape (slices, *patch_size).
        """
        if not 0 <= index < self.length:
            raise IndexError(index)
        (source, _), (target, body) = (
            self._draw(cases, np.random.default_rng([self.seed, index, number]))
            for number, cases in enumerate(self.cases.values())
        )
        return {"source": source, "target": target, "body": body}

    def _draw(
        self, cases: Sequence[tuple[StoredCase, list[int]]], random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        case, positions = cases[int(random.integers(len(cases)))]
        position = positions[int(random.integers(len(positions)))]
        corner = [
            int(random.integers(length - size + 1)) if length > size else (length - size) // 2
            for length, size in zip(case.image.shape, self.sizes, strict=False)
        ]
        flip = self.flip and random.random() < 0.5
        # only the patch is read from the disk, and turned into floats
        patch, inside = (
            _cut(array, position, self.slices, corner, self.sizes, outside, flip)
            for array, outside in ((case.image, -1.0), (case.body, False))
        )
        if not self.affine:
            return torch.from_numpy(patch), torch.from_numpy(inside) > 0
        self.affine.set_random_state(seed=int(random.integers(2**31)))
        both = torch.from_numpy(np.concatenate([patch, 2 * inside - 1]))  # −1 is what lies outside
        moved = _plain(self.affine(both)).clamp(-1, 1)
        return moved[: len(patch)].contiguous(), moved[len(patch) :] > 0


def preview_pairs(store: Store, config: DataConfig, count: int = 3) -> tuple[Tensor, Tensor]:
    """Fixed MR and CT patches to look at, from the middle of up to `count` cases of each, without augmentation.

    Returns:
        MR and CT, each of shape (pairs, slices, *patch_size).
    """
    size = config.patch_size
    pairs = list(zip(_usable(store.mr, config), _usable(store.ct, config), strict=False))[:count]
    columns = []
    for cases in zip(*pairs, strict=True):
        patches = []
        for case, positions in cases:
            corner = [(n - wanted) // 2 for n, wanted in zip(case.image.shape, size, strict=False)]
            patches.append(_cut(case.image, positions[len(positions) // 2], config.slices, corner, size, -1.0))
        columns.append(torch.from_numpy(np.stack(patches)))
    return columns[0], columns[1]


def _cut(
    array: Array,
    position: int,
    slices: int,
    corner: Sequence[int],
    sizes: Sequence[int],
    outside: float,
    flip: bool = False,
) -> Floats:
    """A slice and its neighbours, or for three sizes a part of the array; shape (slices, *sizes).

    Float32 from `corner` on, `outside` beyond the array; mirrored left to right with `flip`.
    """
    planes = [array]
    if len(sizes) == 2:
        planes = [array[:, :, number] for number in neighbours(position, slices, array.shape[2])]
    result = np.full((len(planes), *sizes), outside, dtype=np.float32)
    for part, plane in zip(result, planes, strict=True):
        _crop(plane, corner, part[::-1] if flip else part)
    return result


def neighbours(position: int, slices: int, length: int) -> list[int]:
    """The numbers of `slices` slices about a position, those beyond an end being the last one."""
    return [min(max(position + step, 0), length - 1) for step in range(-(slices // 2), slices // 2 + 1)]


def _crop(array: Array, corner: Sequence[int], result: Floats) -> None:
    """Write what the array has from `corner` on into `result`, which keeps its values beyond the array."""
    shapes = list(zip(corner, result.shape, array.shape, strict=True))
    taken = tuple(slice(max(0, start), min(start + size, n)) for start, size, n in shapes)
    place = tuple(slice(part.start - start, part.stop - start) for part, start in zip(taken, corner, strict=True))
    result[place] = array[taken]


def _plain(patch: Any) -> Tensor:
    """Without MONAI's metadata, which slows every operation down and can't go into a checkpoint."""
    return cast(Tensor, convert_to_tensor(patch, track_meta=False))


def _usable(cases: Sequence[StoredCase], config: DataConfig) -> list[tuple[StoredCase, list[int]]]:
    usable = []
    for case in cases:
        slices = [n for n, part in enumerate(case.record.body_fraction) if part > config.min_body_fraction]
        if slices:
            usable.append((case, slices))
    if not usable:
        raise DataError(
            f"no slice has more than {config.min_body_fraction:.0%} of its area in the body; "
            "lower data.min_body_fraction, or check the volumes"
        )
    return usable


def _affine(config: DataConfig) -> RandAffine | None:
    """Rotation and scaling at random, or None where there is none of either."""
    if not config.max_rotation and not config.max_scaling:
        return None
    dims = len(config.patch_size)
    return RandAffine(
        prob=1.0,
        # in the plane of the slices, which a 2D patch has as its normal and a 3D one as its last axis
        rotate_range=[0.0] * (0 if dims == 2 else 2) + [np.deg2rad(config.max_rotation)],
        scale_range=[config.max_scaling] * dims,
        padding_mode="border",
    )
