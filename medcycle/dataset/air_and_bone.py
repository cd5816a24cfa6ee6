"""What counts as air and as bone in a CT, and how much of them its slices show."""

from __future__ import annotations

import numpy as np

from medcycle.dataset.preparation import Prepared

__all__ = ["AIR", "BONE", "air_and_bone_by_slice"]

AIR, BONE = -300.0, 150.0
"""HU below which a voxel in the body is air, and above which it is bone."""


def air_and_bone_by_slice(prepared: Prepared) -> list[float]:
    """For each slice of a prepared CT, the fraction of it that is air within the body or bone, 0 to 1."""
    air, bone = prepared.intensity.forward(np.array([AIR, BONE]))
    image, body = prepared.image.array, prepared.body.array
    slices = range(image.shape[2])  # one by one: the volume may be large
    detailed = [((image[..., n] < air) | (image[..., n] > bone)) & body[..., n] for n in slices]
    return [round(float(one.mean()), 4) for one in detailed]
