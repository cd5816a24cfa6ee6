"""From a volume in real units to one in [−1, 1], RAS, of the trained spacing, with nothing outside the body."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, MapTransform, Orientationd, Spacingd
from scipy import ndimage

from medcycle.body import Modality, body_mask
from medcycle.config import DataConfig
from medcycle.data.bias import correct_bias
from medcycle.intensity import HounsfieldCurve, HounsfieldWindow, IntensityMap, MrPercentile, MrZScore
from medcycle.volume import Grid, Volume

__all__ = ["Prepared", "hounsfield_map", "prepare_volume"]


@dataclass(frozen=True)
class Prepared:
    """A volume ready for a network.

    Args:
        image: float32 in [−1, 1], −1 outside the body; RAS.
        body: booleans on the image's grid.
        intensity: the map that made it, and that takes it back.
    """

    image: Volume
    body: Volume
    intensity: IntensityMap


def prepare_volume(volume: Volume, modality: Modality, config: DataConfig) -> Prepared:
    """Orient, space, find the body, map intensities.

    Args:
        volume: HU for CT, signal for MR; any orientation and spacing.
        modality: which of the two it is.
        config: spacing and intensity settings.

    Raises:
        DataError: if no body is found in an MR, or its signal is constant.
    """
    transforms = Compose(
        [
            Orientationd("image", axcodes="RAS", labels=None),
            AntiAliasd("image", spacing=config.spacing),
            Spacingd("image", pixdim=[s or -1.0 for s in config.spacing], padding_mode="border", dtype=np.float32),
        ]
    )
    spaced = from_metatensor(transforms({"image": to_metatensor(volume)})["image"])
    body = body_mask(spaced, modality)
    if modality == "mr" and config.bias_correction and body.array.any():
        spaced = correct_bias(spaced, body)
    intensity = _intensity_map(spaced, body, modality, config)
    image = np.where(body.array, intensity.forward(spaced.array), np.float32(-1))
    return Prepared(spaced.with_array(image), body, intensity)


class AntiAliasd(MapTransform):
    """Blur along the axes that a following `Spacingd` makes coarser, so that fine structure does not alias.

    The Gaussian turns the point spread of the finer grid into that of the coarser one: its standard deviation, in
    voxels, is √(f² − 1) / 2.355 for a coarsening by f (both taken as Gaussians of one voxel's full width at half
    maximum; Cardoso et al. 2015, "Scale factor point spread function matching").

    Args:
        keys: the dictionary's entries to blur; tensors of shape (1, i, j, k) with an affine.
        spacing: the coming spacing, mm; None where an axis is kept.
    """

    def __init__(self, keys: str, spacing: tuple[float | None, float | None, float | None]) -> None:
        super().__init__(keys)
        self.spacing = spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Blur every entry of `keys`."""
        blurred = dict(data)
        for key in self.key_iterator(blurred):
            image = blurred[key]
            factors = np.array([(new or old) / old for new, old in zip(self.spacing, image.pixdim, strict=True)])
            sigma = np.sqrt(np.maximum(factors**2 - 1, 0)) / 2.355
            array = ndimage.gaussian_filter(image.numpy(), [0.0, *sigma], mode="nearest")
            blurred[key] = MetaTensor(torch.from_numpy(array), affine=image.affine)
        return blurred


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


def _intensity_map(volume: Volume, body: Volume, modality: Modality, config: DataConfig) -> IntensityMap:
    if modality == "ct":
        return hounsfield_map(config)
    if config.mr_normalisation == "z-score":
        return MrZScore.fit(volume.array, body.array)
    return MrPercentile.fit(volume.array, body.array, config.mr_percentile)
