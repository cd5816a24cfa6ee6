"""The skull in a CT of a head: its mask, its surface, and maps of acoustic properties about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medcycle.body import body_mask
from medcycle.converting.acoustics import AIR, SOFT_TISSUE, WATER, Acoustic, Relation, bone_properties
from medcycle.converting.surface import Surface, surface_of
from medcycle.errors import DataError
from medcycle.volume import Volume

__all__ = ["AIR_HU", "LARGEST_CAVITY", "SkullModel", "skull_model"]

Mask = npt.NDArray[np.bool_]

AIR_HU = -250.0
"""Below this is air, in skull2medium by B. E. Treeby too."""

AIR_DEPTH = 4.0
"""mm under the skin from which on there can be air in a head; nearer are the edge of the mask, and nostrils."""

LARGEST_CAVITY = 1000.0
"""mm³ of a closed cavity in the bone that is filled, as marrow is; the cranial cavity is a thousand times larger."""

LEAST_BONE = 1000.0
"""mm³: a head has hundreds of times more."""


@dataclass(frozen=True)
class SkullModel:
    """A skull and the acoustic properties of a head.

    Args:
        bone: booleans.
        surface: of the bone.
        maps: float32, on the grid of the bone.
        reference: HU that bone without pores was taken to have; 0 if that doesn't matter.
    """

    bone: Volume
    surface: Surface
    maps: Acoustic
    reference: float


def skull_model(ct: Volume, threshold: float, relation: Relation) -> SkullModel:
    """Find the skull, and give every voxel acoustic properties.

    Bone is the largest connected part of the body above the threshold, with its small closed cavities unless they hold
    air. The surface lies where the CT crosses the threshold, between voxels. Other tissue of the body, air
    deep in it, and water around it have one value each.

    Args:
        ct: HU, any grid.
        threshold: HU from which on tissue is bone.
        relation: how bone gets its properties; see `bone_properties`.

    Raises:
        DataError: if there is next to no bone.
    """
    hu = ct.array
    body = body_mask(ct, "ct").array
    bone = _bone(hu, body, threshold, float(np.abs(np.linalg.det(ct.grid.affine[:3, :3]))))
    reference = 0.0 if relation == "kwave" else float(hu[bone].max())
    inside, outside = np.maximum(hu, threshold + 1), np.minimum(hu, threshold - 1)
    surface = surface_of(ct.with_array(np.where(bone, inside, outside)), threshold)
    air = (hu < AIR_HU) & _deep(body, ct.grid.spacing)
    return SkullModel(ct.with_array(bone), surface, _maps(hu, body, air, bone, relation, reference), reference)


def _bone(hu: npt.NDArray[np.float32], body: Mask, threshold: float, voxel: float) -> Mask:
    dense = (hu >= threshold) & body
    bone = _largest(dense)
    if np.count_nonzero(bone) * voxel < LEAST_BONE:
        raise DataError(
            f"{np.count_nonzero(bone) * voxel / 1000:.2g} cm³ of connected bone above {threshold:g} HU, where a skull "
            "has hundreds; give a CT of a head, or a lower --threshold"
        )
    holes, count = ndimage.label(cast(Mask, ndimage.binary_fill_holes(bone)) & ~bone)
    if count:
        small = np.bincount(holes.ravel()) * voxel <= LARGEST_CAVITY
        small[0] = False
        bone |= small[holes] & (hu >= AIR_HU)
    return bone


def _largest(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return cast(Mask, labels == sizes.argmax())


def _deep(body: Mask, spacing: Sequence[float]) -> Mask:
    """What of the body lies deeper than `AIR_DEPTH`; it goes on beyond the field of view."""
    sizes = [2 * int(np.ceil(AIR_DEPTH / width)) + 1 for width in spacing]
    return cast(Mask, ndimage.minimum_filter(body.view(np.uint8), sizes, mode="nearest").astype(bool))


def _maps(
    hu: npt.NDArray[np.float32], body: Mask, air: Mask, bone: Mask, relation: Relation, reference: float
) -> Acoustic:
    of_bone = bone_properties(hu[bone], relation, reference)
    made = []
    for name in ("density", "sound_speed", "attenuation"):
        values = np.full(hu.shape, getattr(WATER, name), np.float32)
        for mask, tissue in ((body, SOFT_TISSUE), (air, AIR)):
            values[mask] = getattr(tissue, name)
        values[bone] = getattr(of_bone, name)
        made.append(values)
    return Acoustic(*made)
