"""Where the patient is: body masks of MR and CT volumes."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu

from medcycle.resample import resample_to
from medcycle.volume import Grid, Volume

__all__ = ["Modality", "body_mask"]

Modality = Literal["mr", "ct"]
Mask = npt.NDArray[np.bool_]

WORKING_SPACING = 2.0
"""Masks are found at this spacing (mm), or the volume's own where that is coarser."""

CT_THRESHOLD = -300.0
"""Hounsfield units between air and skin or fat."""

MR_OTSU_FRACTION = 0.35
"""Otsu's threshold splits dark from bright tissue; air lies well below this fraction of it."""

OPENING_RADIUS = {"ct": 4.0, "mr": 2.0}
"""What is thinner than twice this (mm) and hangs on the body, as a couch or headrest does, is cut off."""

CLOSING_RADIUS = 6.0
"""Gaps narrower than twice this (mm), as ear canals and nostrils are, belong to the body."""


def body_mask(volume: Volume, modality: Modality) -> Volume:
    """The patient without the air around and the couch below; air inside the body belongs to it.

    A threshold, closed cavities filled, an opening that detaches thin structures, the largest component, a closing, and
    holes filled in the slices of all three axes.

    Args:
        volume: HU for CT, signal for MR; any orientation.
        modality: which threshold to use.

    Returns:
        Booleans on the volume's grid; all false where nothing was found.
    """
    coarse = _coarsen(volume)
    spacing = coarse.grid.spacing
    # closed cavities first: the opening would eat thin walls around them from both sides
    mask = cast(Mask, ndimage.binary_fill_holes(coarse.array > _threshold(coarse, modality)))
    opened = _largest(_erode(mask, OPENING_RADIUS[modality], spacing))
    mask = _dilate(opened, OPENING_RADIUS[modality] + 1e-3, spacing) & mask
    mask = _fill(_close(_largest(mask), CLOSING_RADIUS, spacing))
    soft = resample_to(coarse.with_array(mask.astype(np.float32)), volume.grid, background=0.0)
    return volume.with_array(soft.array > 0.5)


def _coarsen(volume: Volume) -> Volume:
    shape, spacing = np.array(volume.grid.shape), np.array(volume.grid.spacing)
    factor = np.maximum(1.0, WORKING_SPACING / spacing)
    smooth = ndimage.gaussian_filter(volume.array.astype(np.float32), 0.5 * factor, mode="nearest")
    size = np.maximum(1, np.round(shape / factor)).astype(int)
    factor = shape / size
    affine = volume.grid.affine.copy()
    affine[:3, :3] *= factor
    affine[:3, 3] += volume.grid.affine[:3, :3] @ ((factor - 1) / 2)
    grid = Grid((int(size[0]), int(size[1]), int(size[2])), affine)
    return resample_to(volume.with_array(smooth), grid, background=float(smooth.min()))


def _threshold(volume: Volume, modality: Modality) -> float:
    if modality == "ct":
        return CT_THRESHOLD
    signal = np.clip(volume.array, 0, np.percentile(volume.array, 99))
    if signal.min() == signal.max():
        return float("inf")
    return MR_OTSU_FRACTION * float(threshold_otsu(signal))


def _erode(mask: Mask, radius: float, spacing: tuple[float, float, float]) -> Mask:
    if mask.all():
        return mask
    return cast(Mask, ndimage.distance_transform_edt(mask, sampling=spacing) > radius)


def _dilate(mask: Mask, radius: float, spacing: tuple[float, float, float]) -> Mask:
    if not mask.any():
        return mask
    return cast(Mask, ndimage.distance_transform_edt(~mask, sampling=spacing) <= radius)


def _close(mask: Mask, radius: float, spacing: tuple[float, float, float]) -> Mask:
    # padded, so that what is beyond the field of view does not erode the body from its border
    margin = [(int(np.ceil(radius / s)) + 1,) * 2 for s in spacing]
    closed = _erode(_dilate(np.pad(mask, margin), radius, spacing), radius, spacing)
    return mask | closed[tuple(slice(low, -high) for low, high in margin)]


def _largest(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return cast(Mask, labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def _fill(mask: Mask) -> Mask:
    for axis in range(3):
        neighbours = ndimage.generate_binary_structure(3, 1)
        neighbours[tuple([0, 2] if other == axis else slice(None) for other in range(3))] = False
        mask = cast(Mask, ndimage.binary_fill_holes(mask, structure=neighbours))
    return mask
