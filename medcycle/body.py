"""Where the patient is: body masks of MR and CT volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage
from skimage.filters import threshold_otsu

from medcycle.blank_slices import bridged
from medcycle.resample import coarsen, resample_mask
from medcycle.volume import Volume

__all__ = ["OUTSIDE", "Body", "Kind", "Modality", "body_mask", "find_body", "values_of"]

Modality = Literal["mr", "ct"]

Kind = Literal["mr", "cbct"]  # what CT is made from
OUTSIDE: dict[Modality, float] = {"ct": -1024.0, "mr": 0.0}
"""The value, in real units, of what lies outside the body or the field of view."""

Mask = npt.NDArray[np.bool_]
Signal = npt.NDArray[np.float32]
Spacing = tuple[float, float, float]

WORKING_SPACING = 2.0
"""Masks are found at this spacing (mm), or the volume's own where that is coarser."""

BLUR = 0.4
"""Standard deviation of a blur against noise, in voxels of the working spacing."""

CT_THRESHOLD = -300.0
"""Hounsfield units between air and skin or fat."""

OTSU_RANGE = (0.2, 0.35)
"""The threshold of MR, noise apart, lies between these fractions of Otsu's, which splits dark from bright tissue."""

GHOST_LEVEL, GHOST_REACH = 0.1, 25.0
"""Ghosts are fainter than this fraction of the brightest signal that near (mm)."""

BLUR_LEVEL, BLUR_REACH = 0.2, 5.0
"""So are the blur and the ringing of an edge."""

QUIET_REACH = 8.0
"""Half the size (mm) of the regions in which signal is called quiet or not."""

NOISE_DEVIATIONS = 4.0
"""Noise stays within this many standard deviations of its mean."""

NOISE_SPREAD = 1.15
"""Quiet regions are alike where they show noise: their levels differ by less than this factor."""

FILLED_LEVEL = 0.1
"""The fraction of Otsu's threshold that tissue exceeds where the body leaves next to no air in the field of view."""

FAINT_LEVEL = 0.05
"""The fraction of Otsu's threshold that faint tissue exceeds at least, where there is next to no noise."""

FAINT_THICKNESS, FAINT_REACH, FAINT_SHARE = 6.0, 20.0, 0.1
"""A faint rim is thicker than this (mm), reaches less far, and covers this part of the body's surface or more."""

RIM_BEYOND = 0.01
"""The part of a rim that may reach farther."""

OPENING_RADIUS = {"ct": 4.0, "mr": 2.0}
"""What is thinner than twice this (mm) and hangs on the body is cut off, and comes back only as an appendage."""

APPENDAGE_EXTENT = 80.0
"""Ears and nose are shorter than this (mm) along each axis; couch, headrest and blanket are longer."""

APPENDAGE_REACH = 30.0
"""And they end no farther than this (mm) from the rest of the body."""

SUPPORT_MARGIN = 4.0
"""How far (mm) a long straight thing may be from straight, and how much around it goes with it."""

BRIGHT_LEVEL = 0.2
"""The fraction of an MR's 90th percentile that most tissue exceeds, and air does not."""

AS_LARGE = 0.4
"""Components of this fraction of the largest belong to the body too, as a second leg does."""

BODY_SIZED = 0.1
"""The fraction of the body from which on it is said that something apart from it is left out."""

CLOSING_RADIUS = 6.0
"""Gaps narrower than twice this (mm), as ear canals and nostrils are, belong to the body."""


@dataclass(frozen=True)
class Body:
    """Where a patient is.

    Args:
        mask: booleans on the volume's grid; all false where nothing was found.
        left_out: the largest part that is not taken for body, as a fraction of the body, if it is of body size; else 0.
    """

    mask: Volume
    left_out: float = 0.0

    @property
    def remark(self) -> str:
        """What is to be said of it, or an empty string."""
        if not self.left_out:
            return ""
        return (
            f"something {self.left_out:.0%} as large as the body lies apart from it and is taken for air; check that "
            "it is no part of the patient"
        )


def values_of(modality: Modality, source: Kind) -> Modality:
    """Whose values a modality has: CBCT, which take the place of MR, are on the Hounsfield scale as CT are."""
    return "ct" if source == "cbct" else modality


def body_mask(volume: Volume, modality: Modality) -> Volume:
    """The mask of `find_body`."""
    return find_body(volume, modality).mask


def find_body(volume: Volume, modality: Modality) -> Body:
    """The patient without the air around and the couch below; air inside the body belongs to it.

    A threshold, closed cavities filled, an opening that detaches thin structures, and the largest components, as both
    legs are. The small ones of what was detached are put back, as ears and nose are among them. After each step gaps
    are closed, and holes filled in the slices of all three axes. In MR a rim that the threshold left out is added, as
    skull and scalp without the signal of fat are; a field of view inside the body is body as a whole. Empty slices
    inside the body belong to it, see `bridged`.

    Args:
        volume: HU for CT, signal for MR; any orientation and spacing.
        modality: which threshold to use.
    """
    coarse = coarsen(bridged(volume), WORKING_SPACING, BLUR)
    spacing = coarse.grid.spacing
    tissue = coarse.array > (CT_THRESHOLD if modality == "ct" else _mr_threshold(coarse))
    # closed cavities first: the opening would eat thin walls around them from both sides
    tissue = cast(Mask, ndimage.binary_fill_holes(tissue))
    body = _without_gaps(_core(tissue, OPENING_RADIUS[modality], spacing), spacing)
    body = _without_gaps(body | _appendages(tissue, body, spacing), spacing)
    if modality == "mr":
        body = _with_faint_rim(coarse, body)
        if _is_inside(np.maximum(coarse.array, 0), body):
            body = np.ones_like(body)
    found = resample_mask(coarse.with_array(body), volume.grid)
    return Body(found, _left_out(_opened(tissue, OPENING_RADIUS[modality], spacing) & ~body, body))


def _is_inside(signal: Signal, body: Mask) -> bool:
    """Whether there is no air about: all sides of the field of view are bright, and much that is bright is no body."""
    if np.ptp(signal) == 0:
        return False
    bright = signal > BRIGHT_LEVEL * np.percentile(signal, 90)
    sides = [bright.take(end, axis=axis).mean() for axis in range(3) for end in (0, -1)]
    return bool(min(sides) > 0.5 and np.count_nonzero(bright & ~body) > 0.5 * np.count_nonzero(bright))


def _left_out(rest: Mask, body: Mask) -> float:
    """The largest component of the rest as a fraction of the body, if it is of body size; else 0."""
    labels, count = ndimage.label(rest)
    if not count or not body.any():
        return 0.0
    part = float(np.bincount(labels.ravel())[1:].max() / np.count_nonzero(body))
    return part if part >= BODY_SIZED else 0.0


def _mr_threshold(volume: Volume) -> Signal | float:
    signal, spacing = np.maximum(volume.array, 0), volume.grid.spacing
    otsu = _otsu(signal)
    if otsu == float("inf"):
        return otsu
    low, high = (fraction * otsu for fraction in OTSU_RANGE)
    noise, quiet = _quiet_levels(signal, spacing)
    if noise > high and quiet > NOISE_SPREAD * noise:  # too bright and too unlike one another for air
        return FILLED_LEVEL * otsu
    ghost = GHOST_LEVEL * ndimage.maximum_filter(signal, _window(GHOST_REACH, spacing))
    return cast(Signal, np.maximum(np.clip(ghost, low, high), np.maximum(_blur(signal, spacing), noise)))


def _otsu(signal: Signal) -> float:
    """What splits dark from bright tissue; infinite for a signal of one value."""
    clipped = np.minimum(signal, np.percentile(signal, 99))
    return float("inf") if clipped.min() == clipped.max() else float(threshold_otsu(clipped.ravel()))


def _blur(signal: Signal, spacing: Spacing) -> Signal:
    """What the blur and the ringing of edges stay below."""
    return cast(Signal, BLUR_LEVEL * ndimage.maximum_filter(signal, _window(BLUR_REACH, spacing)))


def _with_faint_rim(volume: Volume, body: Mask) -> Mask:
    """The body with skull and scalp about a brain so bright that the threshold left them out with its ghosts.

    What is brighter than noise, with the gaps between it and the body: if it is thick, near and lies about much of the
    body. Ghosts reach farther, or lie on one side.
    """
    if not body.any():
        return body
    signal, spacing = np.maximum(volume.array, 0), volume.grid.spacing
    noise, _ = _quiet_levels(signal, spacing)
    faint = signal > np.maximum(_blur(signal, spacing), max(noise, FAINT_LEVEL * _otsu(signal)))
    whole = _core(_without_gaps(faint | body, spacing), OPENING_RADIUS["mr"], spacing)
    rim = _opened(whole & ~body, FAINT_THICKNESS / 2, spacing)
    surface = body & ~ndimage.binary_erosion(body, border_value=1)
    covered = surface & _dilate(rim, FAINT_THICKNESS / 2, spacing)
    beyond = rim & ~_dilate(body, FAINT_REACH, spacing)
    near = np.count_nonzero(beyond) <= RIM_BEYOND * np.count_nonzero(rim)
    about = np.count_nonzero(covered) >= FAINT_SHARE * np.count_nonzero(surface)
    return whole | body if near and about else body


def _quiet_levels(signal: Signal, spacing: Spacing) -> tuple[float, float]:
    """What noise would stay below in the quietest 2 % and 10 % of regions; padding by zeros does not count."""
    window = _window(QUIET_REACH, spacing)
    mean = ndimage.uniform_filter(signal, window)
    variance = ndimage.uniform_filter(np.square(signal), window) - np.square(mean)
    level = mean + NOISE_DEVIATIONS * np.sqrt(np.maximum(variance, 0))
    quietest, quiet = np.percentile(level[mean > np.finfo(np.float32).eps * signal.max()], (2, 10))
    return float(quietest), float(quiet)


def _window(reach: float, spacing: Spacing) -> list[int]:
    return [2 * int(reach / step) + 1 for step in spacing]


def _appendages(tissue: Mask, body: Mask, spacing: Spacing) -> Mask:
    """Small components of the tissue around the body that touch it, and none that are part of something long."""
    around = tissue & ~body
    around &= ~_long(_dilate(around, SUPPORT_MARGIN, spacing), spacing)
    labels, count = ndimage.label(around)
    kept = np.zeros(count + 1, bool)
    kept[labels[ndimage.binary_dilation(body)]] = True
    kept[labels[~_dilate(body, APPENDAGE_REACH, spacing)]] = False
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        extents = [(part.stop - part.start) * step for part, step in zip(box, spacing, strict=True)]
        kept[label] &= max(extents) <= APPENDAGE_EXTENT
    kept[0] = False
    return cast(Mask, kept[labels])


def _long(mask: Mask, spacing: Spacing) -> Mask:
    """Straight runs along an axis longer than any appendage."""
    found = np.zeros_like(mask)
    for axis, step in enumerate(spacing):
        line = np.ones([int(APPENDAGE_EXTENT / step) + 1 if other == axis else 1 for other in range(3)], bool)
        found |= ndimage.binary_opening(mask, line)
    return found


def _core(tissue: Mask, radius: float, spacing: Spacing) -> Mask:
    """The largest component of what is thicker than twice the radius."""
    return _largest(_dilate(_largest(_erode(tissue, radius, spacing)), radius + 1e-3, spacing) & tissue)


def _opened(mask: Mask, radius: float, spacing: Spacing) -> Mask:
    """What is thicker than twice the radius."""
    return _dilate(_erode(mask, radius, spacing), radius + 1e-3, spacing) & mask


def _erode(mask: Mask, radius: float, spacing: Spacing) -> Mask:
    return ~_dilate(~mask, radius, spacing)


def _dilate(mask: Mask, radius: float, spacing: Spacing) -> Mask:
    if not mask.any() or mask.all():
        return mask
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask.T, dtype=np.uint8))
    image.SetSpacing(spacing)
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    away = sitk.GetArrayViewFromImage(distance).T
    return cast(Mask, away <= radius)


def _without_gaps(mask: Mask, spacing: Spacing) -> Mask:
    """Narrow gaps closed, and holes in the slices of each axis filled: the last slice can cut a hole open."""
    # the body goes on beyond the field of view: with air there, gaps at the border would stay open
    margin = [(int(np.ceil(CLOSING_RADIUS / step)) + 1,) * 2 for step in spacing]
    closed = _erode(_dilate(np.pad(mask, margin, mode="edge"), CLOSING_RADIUS, spacing), CLOSING_RADIUS, spacing)
    mask = mask | closed[tuple(slice(low, -high) for low, high in margin)]
    for axis in range(3):
        neighbours = ndimage.generate_binary_structure(3, 1)
        neighbours[tuple([0, 2] if other == axis else slice(None) for other in range(3))] = False
        mask = cast(Mask, ndimage.binary_fill_holes(mask, structure=neighbours))
    return mask


def _largest(mask: Mask) -> Mask:
    """The largest component, and others that are not much smaller."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return cast(Mask, (sizes >= AS_LARGE * sizes.max())[labels])
