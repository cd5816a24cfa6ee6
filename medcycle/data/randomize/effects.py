"""How strong every effect of an MR-like image is: those of the configuration, and those that nobody has to choose."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from medcycle.config import RandomizeConfig

__all__ = ["Effects"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Effects:
    """What `ContrastRandomizer` does to a CT; `config.RandomizeConfig` describes those without a value here.

    Args:
        inner: the size of a field of view within the body along each axis, as parts of the image's.
        physical_share: part of the contrasts that a sequence gives; the others are plain random.
        suppressed_share: part of the sequences with suppressed fat.
        structure_scale: size, voxels, of shapes in soft tissue that CT does not show.
        texture: fine variation of the signal within a tissue.
        shift: largest chemical shift of fat, voxels.
        void_size: radius of a void of metal, as parts of the image's size.
        bias_scale: grain of the receive field, as parts of the image's size.
        blur: largest blur along each axis, standard deviation in voxels.
        ringing_kept: least part of the spatial frequencies that Gibbs ringing keeps.
        ghosts: largest strength of ghosts of motion, relative to the image.
        gain: random factor after the scaling of preparation.
        gamma: largest exponent of the grey values is exp(gamma), least its inverse.
        outside_weight: how much an error outside the body counts.
    """

    rotation: float
    scaling: float
    bending: float
    filled_share: float
    cut_share: float
    cut: float
    inner_share: float
    bone_growth: float
    bone_density: float
    bone_signal: float
    thick_share: float
    families: tuple[str, ...]
    measured_share: float
    templates: float
    vessels: float
    shift_share: float
    void_share: float
    bias: float
    ringing_share: float
    ghost_share: float
    noise: float
    smoothing: float
    air_weight: float
    bone_weight: float
    inner: Range = (0.4, 0.8)
    physical_share: float = 0.5
    suppressed_share: float = 0.33
    structure_scale: Range = (3, 12)
    texture: float = 0.08
    shift: int = 2
    void_size: Range = (0.02, 0.08)
    bias_scale: Range = (0.3, 0.8)
    blur: float = 1.0
    ringing_kept: float = 0.5
    ghosts: float = 0.2
    gain: Range = (0.6, 1.1)
    gamma: float = 0.4
    outside_weight: float = 0.2

    @classmethod
    def of(cls, config: RandomizeConfig, **others: Any) -> Self:
        """As a configuration has them, but for others."""
        known = {field.name: getattr(config, field.name) for field in fields(cls) if hasattr(config, field.name)}
        return cls(**known | others)
