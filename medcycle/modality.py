"""What the values of a volume show: CT on the Hounsfield scale, CT with an offset, or MR."""

from __future__ import annotations

import numpy as np

from medcycle.body import Modality
from medcycle.volume import Array

__all__ = ["SOURCE_OF", "ct_offset_of", "looks_like_ct", "missing_of_ct", "modality_of_values"]

SOURCE_OF: dict[Modality, Modality] = {"ct": "mr", "mr": "ct"}
"""What a synthetic volume of a modality is made from."""

AIR_HU = -500.0
"""Below this is air: only CT has it, MR signal is not that negative."""

SOFT_TISSUE_HU = (-250.0, 250.0)

MIN_AIR, MIN_SOFT_TISSUE = 0.005, 0.02
"""The least fractions of a CT that are air and soft tissue (lung bases and tight crops included)."""

OFFSETS = (1000.0, 1024.0, 2048.0, 4096.0, 8192.0, 32768.0)
"""What programs add to HU so that no value is negative."""

UNMISTAKABLE = 8192.0
"""From this on, no MR has a background as bright and as even as the air of a CT with that offset."""

PADDING_BELOW = 3100.0
"""How far below the offset the padding about a CT lies at most."""

AIR_APART = 150.0
"""How far the middle of what is air may be from −1000 HU."""

TISSUE_HU = (-200.0, 150.0)
"""Fat, muscle, brain and blood."""

MIN_TISSUE, MAX_BETWEEN, MIN_BONE = 0.4, 0.25, 0.002
"""Of what is not air in a CT with an offset: the least that is tissue, the most between air and fat, the least bone.
MR spreads over that range, and has nothing as far above its brightest tissue as bone is."""

BONE_HU = 300.0

SAMPLE = 200_000
"""Voxels of a volume that are looked at."""


def looks_like_ct(values: Array) -> bool:
    """Whether values have the two landmarks of the Hounsfield scale: air near −1000 and soft tissue near 0."""
    return not missing_of_ct(values)


def missing_of_ct(values: Array) -> list[str]:
    """The landmarks of the Hounsfield scale that are missing, in words; none for a CT."""
    low, high = SOFT_TISSUE_HU
    air = float(np.mean(values < AIR_HU))
    soft = float(np.mean((values > low) & (values < high)))
    landmarks = {"no air near -1000": air > MIN_AIR, "no soft tissue near 0": soft > MIN_SOFT_TISSUE}
    return [missing for missing, there in landmarks.items() if not there]


def modality_of_values(values: Array) -> Modality:
    """CT, be it with an offset, or else MR."""
    return "ct" if looks_like_ct(values) or ct_offset_of(values) else "mr"


def ct_offset_of(values: Array) -> float | None:
    """What was added to the Hounsfield units of a CT, one of `OFFSETS`; None for CT in HU, and for MR.

    Air has to lie about 1000 below a peak of soft tissue that is narrower than that of any MR. Of several offsets, the
    one that brings air nearest to −1000 HU is taken.

    Args:
        values: of a whole volume.
    """
    if looks_like_ct(values) or values.min() < AIR_HU:
        return None
    sample = values.ravel()[:: max(1, values.size // SAMPLE)]
    fitting = [offset for offset in OFFSETS if _is_ct_with(sample, offset)]
    return min(fitting, key=lambda offset: abs(_air(sample, offset) + 1000 - offset), default=None)


def _is_ct_with(values: Array, offset: float) -> bool:
    hounsfield = values - offset
    if not looks_like_ct(hounsfield):
        return False
    body = hounsfield[hounsfield > AIR_HU - 250]
    tissue = float(np.mean((body > TISSUE_HU[0]) & (body < TISSUE_HU[1])))
    between = float(np.mean(body < TISSUE_HU[0]))
    bone = float(np.mean(body > BONE_HU))
    narrow = tissue > MIN_TISSUE and between < MAX_BETWEEN and bone > MIN_BONE
    near = float(values.min()) > offset - PADDING_BELOW and abs(_air(values, offset) + 1000 - offset) < AIR_APART
    return narrow or (offset >= UNMISTAKABLE and near)


def _air(values: Array, offset: float) -> float:
    """The middle of what is air with an offset."""
    return float(np.median(values[values < offset + AIR_HU]))
