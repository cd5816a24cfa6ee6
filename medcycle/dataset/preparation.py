"""From a volume in real units to one in [−1, 1], of the trained axes and spacing, with nothing outside the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from medcycle.blank_slices import bridged
from medcycle.body import Body, Modality, find_body, values_of
from medcycle.config import DataConfig
from medcycle.dataset.bias_field import correct_bias
from medcycle.errors import DataError
from medcycle.intensity import HounsfieldCurve, HounsfieldWindow, IntensityMap, MrLandmarks, MrPercentile, MrZScore
from medcycle.patch_geometry import AXES
from medcycle.resample import respace, slabs
from medcycle.volume import Grid, Volume

__all__ = ["Prepared", "hounsfield_map", "mr_landmarks", "prepare_volume"]


SOFT_TISSUE_SHARE = 0.5
"""Part of [−1, 1] that the window of soft tissue gets."""


@dataclass(frozen=True)
class Prepared:
    """A volume ready for a network.

    Args:
        image: float32 in [−1, 1], −1 outside the body; axes as `AXES` has them.
        body: booleans on the image's grid.
        intensity: the map that made it, and that takes it back.
        remark: what is to be said of the body, or an empty string.
    """

    image: Volume
    body: Volume
    intensity: IntensityMap
    remark: str = ""


def prepare_volume(
    volume: Volume, modality: Modality, config: DataConfig, standard: Sequence[float] | None = None
) -> Prepared:
    """Orient, space, find the body, map intensities.

    Args:
        volume: HU for CT, signal for MR; any orientation and spacing.
        modality: which of the two it is.
        config: spacing and intensity settings.
        standard: with `mr_normalisation: nyul`, where the landmarks of an MR go.

    Raises:
        DataError: if no body is found in an MR, or its signal is constant.
    """
    modality = values_of(modality, config.source)
    spaced, found = _spaced(volume, modality, config)
    body = found.mask
    intensity = _intensity_map(spaced, body, modality, config, standard)
    image = np.full(spaced.grid.shape, -1, dtype=np.float32)
    for slab, _ in slabs(spaced.grid):  # maps compute in float64
        np.copyto(image[slab], intensity.forward(spaced.array[slab]), where=body.array[slab])
    return Prepared(spaced.with_array(image), body, intensity, found.remark)


def mr_landmarks(volume: Volume, config: DataConfig) -> tuple[float, ...]:
    """The landmarks of an MR's signal in the body, as `MrLandmarks.standard_of` takes them; errors as above."""
    spaced, body = _spaced(volume, "mr", config)
    return MrLandmarks.landmarks_of(spaced.array, body.mask.array, config.mr_percentile)


def _spaced(volume: Volume, modality: Modality, config: DataConfig) -> tuple[Volume, Body]:
    """The volume of the wanted axes and spacing, empty slices filled, without a receive field if that is wanted."""
    axes = AXES[config.plane]
    width_of = dict(zip("RAS", config.spacing, strict=True))
    oriented = Orientation(axcodes=axes, labels=None)(to_metatensor(bridged(volume)))
    spaced = respace(from_metatensor(oriented), [width_of[axis] for axis in axes])
    body = find_body(spaced, modality)
    if modality == "mr" and config.bias_correction and body.mask.array.any():
        spaced = correct_bias(spaced, body.mask)
    return spaced, body


def hounsfield_map(config: DataConfig) -> IntensityMap:
    """The map of CT that the configuration asks for."""
    if config.soft_tissue is None:
        return HounsfieldWindow(*config.hu_window)
    return HounsfieldCurve(*config.hu_window, *config.soft_tissue, SOFT_TISSUE_SHARE)


def to_metatensor(volume: Volume) -> MetaTensor:
    """MONAI's image type, with a channel in front; float32."""
    array = np.asarray(volume.array[None], dtype=np.float32)
    array = array if all(stride > 0 for stride in array.strides) else array.copy()
    return MetaTensor(torch.from_numpy(array), affine=torch.tensor(volume.grid.affine))


def from_metatensor(image: MetaTensor) -> Volume:
    """The volume of a MONAI image of one channel."""
    array = image.numpy()[0]
    return Volume(array, Grid(array.shape, image.affine.numpy()))


def _intensity_map(
    volume: Volume, body: Volume, modality: Modality, config: DataConfig, standard: Sequence[float] | None
) -> IntensityMap:
    if modality == "ct":
        return hounsfield_map(config)
    if config.mr_normalisation == "z-score":
        return MrZScore.fit(volume.array, body.array)
    if config.mr_normalisation == "percentile":
        return MrPercentile.fit(volume.array, body.array, config.mr_percentile)
    landmarks = MrLandmarks.landmarks_of(volume.array, body.array, config.mr_percentile)
    if standard is None:
        raise DataError("mr_normalisation: nyul needs the landmarks of a cohort; none were given")
    return MrLandmarks(landmarks, tuple(standard))
