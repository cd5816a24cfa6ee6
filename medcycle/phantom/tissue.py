"""Tissues, what they look like in MR and CT, and MR sequences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

import numpy as np

__all__ = [
    "BRIGHTEST",
    "MR_TEXTURE",
    "PROPERTIES",
    "T1_FAT_SUPPRESSED",
    "T1_GRADIENT_ECHO",
    "T2_FLAIR",
    "T2_SPIN_ECHO",
    "MrProtocol",
    "Tissue",
]


class Tissue(IntEnum):
    """What a voxel of `HeadPhantom.labels` is made of."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    CORTICAL_BONE = 4
    MARROW = 5
    CSF = 6
    GREY_MATTER = 7
    WHITE_MATTER = 8
    VITREOUS = 9
    LENS = 10
    TOOTH = 11
    MUCOSA = 12
    LESION = 13


class Properties(NamedTuple):
    """Proton density relative to water, relaxation times in ms, mean and texture (standard deviation) in HU."""

    density: float
    t1: float
    t2: float
    t2_star: float
    hounsfield: float
    texture: float


# Relaxation at 1.5 T: soft tissues and fat after Kwan, Evans and Pike, IEEE TMI 18:1085 (1999), BrainWeb's simulator;
# cortical bone after Reichert et al., MRI 23:611 (2005); marrow after de Bazelaire et al., Radiology 230:652 (2004).
# CT numbers: within the ranges of Bushberg et al., The Essential Physics of Medical Imaging, 3rd ed. Skin is as muscle.
PROPERTIES: dict[Tissue, Properties] = {
    Tissue.AIR: Properties(0.0, 1000, 1, 1, -1000, 0),
    Tissue.SKIN: Properties(0.8, 900, 47, 30, 40, 8),
    Tissue.FAT: Properties(1.0, 350, 70, 58, -90, 8),
    Tissue.MUSCLE: Properties(0.9, 900, 47, 30, 55, 6),
    Tissue.CORTICAL_BONE: Properties(0.2, 200, 0.46, 0.46, 1450, 60),
    Tissue.MARROW: Properties(0.7, 549, 49, 20, 520, 90),
    Tissue.CSF: Properties(1.0, 2569, 329, 58, 8, 1),
    Tissue.GREY_MATTER: Properties(0.86, 833, 83, 69, 38, 1.5),
    Tissue.WHITE_MATTER: Properties(0.77, 500, 70, 61, 28, 1.5),
    Tissue.VITREOUS: Properties(1.0, 2569, 329, 58, 10, 1),
    Tissue.LENS: Properties(0.6, 1000, 40, 30, 85, 2),
    Tissue.TOOTH: Properties(0.05, 200, 0.3, 0.3, 2200, 80),
    Tissue.MUCOSA: Properties(0.95, 1100, 90, 40, 35, 4),
    Tissue.LESION: Properties(0.9, 1200, 140, 90, 22, 4),
}
MR_TEXTURE = 0.025


@dataclass(frozen=True)
class MrProtocol:
    """An MR sequence.

    Args:
        sequence: `spin_echo`, S = PD (1 − exp(−TR/T1)) exp(−TE/T2) for TE ≪ TR, or `gradient_echo`, spoiled,
            S = PD sin α (1 − E1) / (1 − E1 cos α) exp(−TE/T2*) with E1 = exp(−TR/T1)
            (Haacke et al., Magnetic Resonance Imaging, 1999, ch. 8 and 18). An inversion before a spin echo makes
            1 − exp(−TR/T1) into |1 − 2 exp(−TI/T1) + exp(−TR/T1)| (ibid., for TE ≪ TR).
        repetition_time: TR, ms.
        echo_time: TE, ms.
        flip_angle: α, degrees; a spin echo does not use it.
        bias: relative amplitude of the smooth receive field, in [0, 1).
        noise: standard deviation of each channel of the Rician noise, relative to the brightest tissue.
        fat_suppression: fraction of the signal of fat and marrow that spectral saturation removes, in [0, 1].
        inversion_time: TI, ms, of an inversion before a spin echo; 0 for none.
    """

    sequence: Literal["spin_echo", "gradient_echo"]
    repetition_time: float
    echo_time: float
    flip_angle: float = 90.0
    bias: float = 0.15
    noise: float = 0.012
    fat_suppression: float = 0.0
    inversion_time: float = 0.0

    def signal(self, tissue: Tissue) -> float:
        """Magnetisation that the sequence reads from a tissue, relative to fully relaxed water."""
        density, t1, t2, t2_star, *_ = PROPERTIES[tissue]
        if tissue in (Tissue.FAT, Tissue.MARROW):
            density *= 1 - self.fat_suppression
        recovered = np.exp(-self.repetition_time / t1)
        if self.sequence == "spin_echo":
            inverted = 2 * (np.exp(-self.inversion_time / t1) - recovered) if self.inversion_time else 0.0
            return float(density * abs(1 - recovered - inverted) * np.exp(-self.echo_time / t2))
        flip = np.deg2rad(self.flip_angle)
        steady = np.sin(flip) * (1 - recovered) / (1 - recovered * np.cos(flip))
        return float(density * steady * np.exp(-self.echo_time / t2_star))


T1_GRADIENT_ECHO = MrProtocol("gradient_echo", repetition_time=20.0, echo_time=4.0, flip_angle=28.0)
T1_FAT_SUPPRESSED = MrProtocol(
    "gradient_echo", repetition_time=20.0, echo_time=4.0, flip_angle=28.0, fat_suppression=0.85
)
T2_SPIN_ECHO = MrProtocol("spin_echo", repetition_time=4000.0, echo_time=95.0)
T2_FLAIR = MrProtocol("spin_echo", repetition_time=9000.0, echo_time=120.0, inversion_time=1700.0)
BRIGHTEST = 800.0  # the strongest tissue before bias and noise, which leaves most voxels below 1000
