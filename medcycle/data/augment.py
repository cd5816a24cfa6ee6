"""Changes at random that a patch is trained on with, by MONAI."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from monai.transforms import RandAdjustContrast, RandAffine, RandBiasField, Randomizable, RandSmoothDeform
from monai.utils import convert_to_tensor
from torch import Tensor

from medcycle.config import DataConfig
from medcycle.intensity import MrPercentile

__all__ = ["Contrast", "Geometry"]

BUMPS = 4
"""Points along each axis whose random shifts a bending runs through."""


class Geometry:
    """Turns, sizes and bends patches.

    Args:
        config: by how much.
    """

    def __init__(self, config: DataConfig) -> None:
        dims = len(config.patch_size)
        self.changes: list[Randomizable] = []
        if config.max_rotation or config.max_scaling:
            affine = RandAffine(
                prob=1.0,
                # in the plane of the slices, which a 2D patch has as its normal and a 3D one as its last axis
                rotate_range=[0.0] * (0 if dims == 2 else 2) + [np.deg2rad(config.max_rotation)],
                scale_range=[config.max_scaling] * dims,
                padding_mode="border",
            )
            self.changes.append(affine)
        if config.max_bending:
            bending = RandSmoothDeform(
                config.patch_size,
                [BUMPS] * dims,
                field_mode="bicubic" if dims == 2 else "trilinear",
                prob=1.0,
                def_range=2 * config.max_bending,  # of a grid from -1 to 1
                grid_mode="bilinear",
            )
            self.changes.append(bending)

    def __call__(self, patches: Tensor, random: np.random.Generator) -> Tensor:
        """All channels alike.

        Args:
            patches: shape (channels, *patch_size), values in [−1, 1].
            random: decides.

        Returns:
            The same shape and range.
        """
        return _changed(patches, self.changes, random).clamp(-1, 1) if self.changes else patches


class Contrast:
    """Changes the gamma and the receive field of MR; CT, whose values are Hounsfield units, has neither.

    Args:
        config: by how much.
    """

    def __init__(self, config: DataConfig) -> None:
        self.changes: list[Randomizable] = []
        if config.mr_gamma:
            ends = (math.exp(-config.mr_gamma), math.exp(config.mr_gamma))
            self.changes.append(RandAdjustContrast(prob=1.0, gamma=ends))
        if config.mr_bias:
            self.changes.append(RandBiasField(prob=1.0, coeff_range=(-config.mr_bias, config.mr_bias)))

    def __call__(self, image: Tensor, body: Tensor, random: np.random.Generator) -> Tensor:
        """The image in another contrast.

        Args:
            image: prepared MR, shape (slices, *patch_size).
            body: booleans of that shape; what lies outside stays as it is.
            random: decides.

        Returns:
            The same shape; from `MrPercentile.bottom` to 1 in the body.
        """
        if not self.changes:
            return image
        bottom = MrPercentile.bottom
        signal = ((image - bottom) / (1 - bottom)).clamp(0, 1) * body
        signal = _changed(signal, self.changes, random).clamp(0, 1)
        return torch.where(body, bottom + (1 - bottom) * signal, image)


def _changed(patches: Tensor, changes: list[Randomizable], random: np.random.Generator) -> Tensor:
    for change in changes:
        change.set_random_state(seed=int(random.integers(2**31)))
        patches = _plain(cast(Callable[[Tensor], Any], change)(patches))
    return patches


def _plain(patch: Any) -> Tensor:
    """Without MONAI's metadata, which slows every operation down and can't go into a checkpoint."""
    return cast(Tensor, convert_to_tensor(patch, track_meta=False))
