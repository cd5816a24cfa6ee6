"""Changes at random that a patch is trained on with, by MONAI."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import torch
from monai.transforms import RandAdjustContrast, RandAffine, RandBiasField, Randomizable, RandSmoothDeform
from monai.utils import convert_to_tensor
from torch import Tensor

from medcycle.config import DataConfig
from medcycle.intensity import MrPercentile

__all__ = ["Augmentation", "ContrastChange", "ShapeChange"]

BUMPS = 4
"""Points along each axis whose random shifts a bending runs through."""


@dataclass(frozen=True)
class Augmentation:
    """How patches are changed at random; nothing by default.

    Args:
        flip: whether right and left are exchanged in half of them.
        rotation: largest angle in the plane of the slices, degrees.
        scaling: largest change of size, as a fraction.
        bending: largest shift of a smooth deformation, as a part of the patch.
        gamma: largest exponent of the grey values of MR is exp(gamma), least its inverse.
        bias: largest coefficient of a receive field on MR, exp of a cubic polynomial.
    """

    flip: bool = False
    rotation: float = 0.0
    scaling: float = 0.0
    bending: float = 0.0
    gamma: float = 0.0
    bias: float = 0.0

    @classmethod
    def of(cls, config: DataConfig) -> Self:
        """What a configuration asks for."""
        return cls(flip=config.flip, **LEVELS[config.augmentation])


LEVELS: dict[str, dict[str, float]] = {
    "none": {},
    "light": {"rotation": 5.0, "scaling": 0.05},
    "strong": {"rotation": 5.0, "scaling": 0.05, "bending": 0.03, "gamma": 0.3, "bias": 0.3},
}
"""Of `data.augmentation`."""


class ShapeChange:
    """Turns, sizes and bends patches.

    Args:
        by: how much.
        sizes: of a patch.
    """

    def __init__(self, by: Augmentation, sizes: Sequence[int]) -> None:
        dims = len(sizes)
        self.changes: list[Randomizable] = []
        if by.rotation or by.scaling:
            affine = RandAffine(
                prob=1.0,
                # in the plane of the slices, which a 2D patch has as its normal and a 3D one as its last axis
                rotate_range=[0.0] * (0 if dims == 2 else 2) + [np.deg2rad(by.rotation)],
                scale_range=[by.scaling] * dims,
                padding_mode="border",
            )
            self.changes.append(affine)
        if by.bending:
            bending = RandSmoothDeform(
                sizes,
                [BUMPS] * dims,
                field_mode="bicubic" if dims == 2 else "trilinear",
                prob=1.0,
                def_range=2 * by.bending,  # of a grid from -1 to 1
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


class ContrastChange:
    """Changes the gamma and the receive field of MR; CT, whose values are Hounsfield units, has neither.

    Args:
        by: how much.
    """

    def __init__(self, by: Augmentation) -> None:
        self.changes: list[Randomizable] = []
        if by.gamma:
            ends = (math.exp(-by.gamma), math.exp(by.gamma))
            self.changes.append(RandAdjustContrast(prob=1.0, gamma=ends))
        if by.bias:
            self.changes.append(RandBiasField(prob=1.0, coeff_range=(-by.bias, by.bias)))

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
