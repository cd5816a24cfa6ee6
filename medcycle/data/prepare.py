"""From a volume in real units to one in [−1, 1], of the trained axes and spacing, with nothing outside the body."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, MapTransform, Orientationd
from scipy import ndimage

from medcycle.body import Modality, body_mask
from medcycle.config import DataConfig
from medcycle.data.bias import correct_bias
from medcycle.errors import DataError
from medcycle.intensity import HounsfieldCurve, HounsfieldWindow, IntensityMap, MrLandmarks, MrPercentile, MrZScore
from medcycle.volume import Array, Grid, Volume

__all__ = ["Prepared", "hounsfield_map", "mr_landmarks", "prepare_volume"]


AXES = {"axial": "RAS", "coronal": "RSA", "sagittal": "ASR"}
"""Where a prepared volume's axes point for each plane of its slices, the last across them."""

SLAB = 16
"""Slices that are resampled at once."""


@dataclass(frozen=True)
class Prepared:
    """A volume ready for a network.

    Args:
        image: float32 in [−1, 1], −1 outside the body; axes as `AXES` has them.
        body: booleans on the image's grid.
        intensity: the map that made it, and that takes it back.
    """

    image: Volume
    body: Volume
    intensity: IntensityMap


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
    spaced, body = _spaced(volume, modality, config)
    intensity = _intensity_map(spaced, body, modality, config, standard)
    image = np.where(body.array, intensity.forward(spaced.array), np.float32(-1))
    return Prepared(spaced.with_array(image), body, intensity)


def mr_landmarks(volume: Volume, config: DataConfig) -> tuple[float, ...]:
    """The landmarks of an MR's signal in the body, as `MrLandmarks.standard_of` takes them; errors as above."""
    spaced, body = _spaced(volume, "mr", config)
    return MrLandmarks.landmarks_of(spaced.array, body.array, config.mr_percentile)


def _spaced(volume: Volume, modality: Modality, config: DataConfig) -> tuple[Volume, Volume]:
    """The volume of the wanted axes and spacing and without a receive field if that is wanted; and its body."""
    axes = AXES[config.plane]
    width_of = dict(zip("RAS", config.spacing, strict=True))
    transforms = Compose(
        [
            Orientationd("image", axcodes=axes, labels=None),
            Resampled("image", spacing=tuple(width_of[axis] for axis in axes)),
        ]
    )
    spaced = from_metatensor(transforms({"image": to_metatensor(volume)})["image"])
    body = body_mask(spaced, modality)
    if modality == "mr" and config.bias_correction and body.array.any():
        spaced = correct_bias(spaced, body)
    return spaced, body


class Resampled(MapTransform):
    """Onto another spacing, with a blur along the axes that become coarser, so that fine structure does not alias.

    The Gaussian turns the point spread of the finer grid into that of the coarser one: its standard deviation, in
    voxels, is √(f² − 1) / 2.355 for a coarsening by f (both taken as Gaussians of one voxel's full width at half
    maximum; Cardoso et al. 2015, "Scale factor point spread function matching"). Then it is linear between voxels, the
    border's value beyond them, on a grid of the same centre that covers the field of view. MONAI's `Spacingd` would
    need coordinates of several times the volume's size; this goes slab by slab.

    Args:
        keys: the dictionary's entries; tensors of shape (1, i, j, k) with an affine.
        spacing: the new spacing, mm; None where an axis is kept.
    """

    def __init__(self, keys: str, spacing: Sequence[float | None]) -> None:
        super().__init__(keys)
        self.spacing = spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample every entry of `keys`."""
        made = dict(data)
        for key in self.key_iterator(made):
            made[key] = self._resampled(made[key])
        return made

    def _resampled(self, image: MetaTensor) -> MetaTensor:
        affine = np.asarray(image.affine, dtype=np.float64)
        factors = np.array([(new or old) / old for new, old in zip(self.spacing, image.pixdim, strict=True)], float)
        factors[np.isclose(factors, 1, rtol=1e-4)] = 1
        if (factors == 1).all():
            return image
        array = image.numpy()[0]
        sizes = [max(1, int(np.ceil(n / factor - 1e-3))) for n, factor in zip(array.shape, factors, strict=True)]
        start = [(n - 1 - (m - 1) * f) / 2 for n, m, f in zip(array.shape, sizes, factors, strict=True)]
        wanted = affine @ np.diag([*factors, 1.0])
        wanted[:3, 3] = affine[:3] @ [*start, 1.0]
        planes = np.empty((*sizes[:2], array.shape[2]), dtype=np.float32)
        for first in range(0, array.shape[2], SLAB):
            slab = np.s_[:, :, first : first + SLAB]
            planes[slab] = _sampled(array[slab], (*factors[:2], 1.0), (*start[:2], 0.0), sizes[:2])
        made = _sampled(planes, (1.0, 1.0, factors[2]), (0.0, 0.0, start[2]), sizes)
        return MetaTensor(torch.from_numpy(made[None]), affine=torch.from_numpy(wanted))


def _sampled(array: Array, factors: Sequence[float], start: Sequence[float], sizes: Sequence[int]) -> Array:
    """Blurred as the factors ask, then linear at `start` + n · `factors` along each axis; `sizes` of the first axes."""
    if np.all(np.equal(factors, 1)):
        return array
    sigma = np.sqrt(np.maximum(np.square(factors) - 1, 0)) / 2.355
    blurred = ndimage.gaussian_filter(array, sigma, mode="nearest")
    shape = (*sizes, *array.shape[len(sizes) :])
    return cast(Array, ndimage.affine_transform(blurred, factors, start, shape, order=1, mode="nearest"))


def hounsfield_map(config: DataConfig) -> IntensityMap:
    """The map of CT that the configuration asks for."""
    if config.soft_tissue is None:
        return HounsfieldWindow(*config.hu_window)
    return HounsfieldCurve(*config.hu_window, *config.soft_tissue, config.soft_tissue_share)


def to_metatensor(volume: Volume) -> MetaTensor:
    """MONAI's image type, with a channel in front; float32."""
    array = np.ascontiguousarray(volume.array[None], dtype=np.float32)
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
