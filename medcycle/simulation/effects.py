"""How strong every effect of a simulated MR is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from medcycle.config import RandomizeConfig

__all__ = ["Effects"]

Interval = tuple[float, float]


BONE = {"bone_growth": 0.4, "bone_density": 0.4, "bone_signal": 0.3}
"""With `randomize.vary_bone`."""

KINDS: dict[str, dict[str, Any]] = {
    "head": {},
    "body": {
        # a liver often fills the field of view, that of a prostate lies within the pelvis
        "cut_share": 0.3,
        "cut": 0.4,
        "inner_share": 0.3,
        "filled_share": 0.1,
        # coils lie on the body
        "bias": 0.6,
        # brains are for heads
        "templates": 0.0,
        "noise": 0.04,
    },
    "plain": {
        **dict.fromkeys(
            ("rotation", "scaling", "bending", "filled_share", "cut_share", "templates", "vessels"),
            0.0,
        ),
        "reversed_share": 0.0,
        **dict.fromkeys(("shift_share", "void_share", "ringing_share", "ghost_share", "smoothing"), 0.0),
        "noise": 0.06,
    },
}
"""Of `randomize.effects`: what differs from `Effects`, whose values are those of heads."""


@dataclass(frozen=True)
class Effects:
    """What `ContrastRandomizer` does to a CT.

    Args:
        families: the kinds of sequences that contrasts are drawn from.
        measured_share: part of the contrasts that are measured on the MR.
        thick_share: part of the images of thick slices.
        air_weight: how much an error in air within the body counts.
        bone_weight: how much an error in bone counts.
        reversed_share: part of the images whose slices are in the opposite order.
        rotation: largest rotation of the CT, degrees.
        scaling: largest stretch, shear and shift, as fractions.
        bending: strength of smooth deformations, as a part of the size.
        filled_share: part of the images in which cavities are filled.
        cut_share: part of the images that a field of view cuts off.
        cut: largest part of the size that it cuts off at a side.
        inner_share: part of the images whose field of view lies within the body.
        bone_growth: largest change of how far bone reaches, voxels, and its spread within an image.
        bone_density: largest factor of bone's density is exp(bone_density), least its inverse.
        bone_signal: the same of the density that bone's signal is made of, which MR shows hardly.
        templates: part of the images with the structure of a generated brain instead.
        vessels: how visible vessels and septa are that CT does not show, at most.
        shift_share: part of the images with a chemical shift.
        void_share: part of the images with a void as of metal at a random place; metal in the CT has one where the HU
            window reaches 2500 HU.
        bias: largest strength of the receive field.
        ringing_share: part of the images with Gibbs ringing.
        ghost_share: part of the images with ghosts of motion.
        noise: largest Rician noise, relative to the brightest tissue.
        smoothing: largest blur after the noise, as by filters and resampling, in voxels as blur.
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

    families: tuple[str, ...]
    measured_share: float
    thick_share: float
    air_weight: float
    bone_weight: float
    reversed_share: float = 0.5
    rotation: float = 10.0
    scaling: float = 0.1
    bending: float = 0.015
    filled_share: float = 0.15
    cut_share: float = 0.1
    cut: float = 0.3
    inner_share: float = 0.0
    bone_growth: float = 0.0
    bone_density: float = 0.0
    bone_signal: float = 0.0
    templates: float = 0.3
    vessels: float = 0.5
    shift_share: float = 0.2
    void_share: float = 0.03
    bias: float = 0.3
    ringing_share: float = 0.2
    ghost_share: float = 0.1
    noise: float = 0.12
    smoothing: float = 0.8
    inner: Interval = (0.4, 0.8)
    physical_share: float = 0.5
    suppressed_share: float = 0.33
    structure_scale: Interval = (3, 12)
    texture: float = 0.08
    shift: int = 2
    void_size: Interval = (0.02, 0.08)
    bias_scale: Interval = (0.3, 0.8)
    blur: float = 1.0
    ringing_kept: float = 0.5
    ghosts: float = 0.2
    gain: Interval = (0.6, 1.1)
    gamma: float = 0.4
    outside_weight: float = 0.2

    @classmethod
    def of(cls, config: RandomizeConfig, **others: Any) -> Self:
        """As a configuration has them, but for others."""
        own = {name: value for name, value in config.model_dump().items() if name in cls.__dataclass_fields__}
        return cls(**own | KINDS[config.effects] | (BONE if config.vary_bone else {}) | others)
