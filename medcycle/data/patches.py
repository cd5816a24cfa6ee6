"""Slices and patches of both modalities, drawn at random from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from monai.transforms import CenterSpatialCrop, Compose, RandAffine, RandFlip, RandSpatialCrop, SpatialPad
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.utils.data import Dataset

from medcycle.config import DataConfig
from medcycle.data.store import Store, StoredCase
from medcycle.errors import DataError
from medcycle.volume import Array

__all__ = ["UnpairedPatches", "preview_pairs"]


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
        self.spatial_dims = len(config.patch_size)
        self.cases = {"source": _usable(store.mr, config), "target": _usable(store.ct, config)}
        self.transform = _augmentation(config)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """A `source` (MR) and a `target` (CT) patch, float32 in [−1, 1], and the `body` of the target, booleans.

        All have the shape (1, *patch_size).
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
        case, slices = cases[int(random.integers(len(cases)))]
        position = slices[int(random.integers(len(slices)))]
        self.transform.set_random_state(seed=int(random.integers(2**31)))
        both = torch.cat([_slice(array, position, self.spatial_dims) for array in (case.image, case.body)])
        both[1].mul_(2).sub_(1)  # −1 is what padding adds
        image, body = _plain(self.transform(both)).clamp(-1, 1)
        return image[None].contiguous(), body[None] > 0


def preview_pairs(store: Store, config: DataConfig, count: int = 3) -> tuple[Tensor, Tensor]:
    """Fixed MR and CT patches to look at, from the middle of up to `count` cases of each, without augmentation.

    Returns:
        MR and CT, each of shape (pairs, 1, *patch_size).
    """
    centred = Compose([SpatialPad(config.patch_size, constant_values=-1.0), CenterSpatialCrop(config.patch_size)])
    pairs = list(zip(_usable(store.mr, config), _usable(store.ct, config), strict=False))[:count]
    columns = []
    for cases in zip(*pairs, strict=True):
        images = [_slice(case.image, slices[len(slices) // 2], len(config.patch_size)) for case, slices in cases]
        columns.append(torch.stack([_plain(centred(image)) for image in images]))
    return columns[0], columns[1]


def _slice(array: Array, position: int, spatial_dims: int) -> Tensor:
    """An axial slice, or for 3D the whole array, as float32 of shape (1, *sizes)."""
    part = array[:, :, position] if spatial_dims == 2 else array
    return torch.from_numpy(np.array(part[None], dtype=np.float32, order="C"))


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


def _augmentation(config: DataConfig) -> Compose:
    size = list(config.patch_size)
    affine = RandAffine(
        prob=1.0 if config.max_rotation or config.max_scaling else 0.0,
        # about the foot-head axis, which a 2D patch has as its normal and a 3D one as its last axis
        rotate_range=[np.deg2rad(config.max_rotation)]
        if len(size) == 2
        else [0.0, 0.0, np.deg2rad(config.max_rotation)],
        scale_range=[config.max_scaling] * len(size),
        padding_mode="border",
    )
    return Compose(
        [
            SpatialPad(size, constant_values=-1.0),
            RandSpatialCrop(size, random_size=False),
            RandFlip(prob=0.5 if config.flip else 0.0, spatial_axis=0),
            affine,
        ]
    )
