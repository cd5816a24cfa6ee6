"""Whole volumes through a trained generator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import numpy as np
import torch
from monai.inferers import Inferer, SliceInferer, SlidingWindowInferer
from torch import Tensor
from torch.nn.functional import pad

from medcycle.body import Modality
from medcycle.config import Config
from medcycle.data.prepare import prepare_volume
from medcycle.errors import DataError
from medcycle.intensity import IntensityMap
from medcycle.methods.base import Method
from medcycle.methods.saved import SavedMethod
from medcycle.networks.resnet import DOWNSAMPLING
from medcycle.resample import resample_to
from medcycle.volume import Volume

__all__ = ["OUTSIDE", "SOURCE_OF", "Synthesis", "synthesize"]

SOURCE_OF: dict[Modality, Modality] = {"ct": "mr", "mr": "ct"}
"""What a modality is made from."""

OUTSIDE: dict[Modality, float] = {"ct": -1024.0, "mr": 0.0}
"""The value, in real units, of what lies outside the body."""

MIN_PLANE = 32
"""Smaller planes are padded to this: mirrored borders need room at a quarter of the resolution."""


@dataclass(frozen=True)
class Synthesis:
    """A synthetic volume.

    Args:
        volume: float32 on the source's grid; HU for CT, arbitrary units for MR.
        body: booleans, where the source's body was found; outside of it the volume is `OUTSIDE`.
        intensity: the map that brought the source to [−1, 1].
    """

    volume: Volume
    body: Volume
    intensity: IntensityMap


def synthesize(volume: Volume, saved: SavedMethod, to: Literal["ct", "mr"], *, batch_size: int = 8) -> Synthesis:
    """Translate one volume, slice by slice (2D) or by overlapping windows (3D), in float32.

    Args:
        volume: MR signal, or HU if `to` is `mr`; any orientation and spacing.
        saved: the trained method.
        to: the modality to make.
        batch_size: slices or windows that go through the network together.

    Raises:
        DataError: if no body is found in the volume.
    """
    prepared = prepare_volume(volume, SOURCE_OF[to], saved.config.data)
    if not prepared.body.array.any():
        raise DataError("no body found; check that the volume shows a patient")
    output = _infer(prepared.image.array, saved.method, saved.config, reverse=to == "mr", batch_size=batch_size)
    values = prepared.image.with_array(saved.intensity[to].inverse(output))
    on_source = resample_to(values, volume.grid, background=OUTSIDE[to])
    inside = resample_to(prepared.body.with_array(prepared.body.array.astype(np.float32)), volume.grid, background=0.0)
    body = volume.with_array(inside.array > 0.5)
    finished = np.where(body.array, on_source.array, np.float32(OUTSIDE[to]))
    return Synthesis(volume.with_array(finished), body, prepared.intensity)


def _infer(
    image: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    method: Method,
    config: Config,
    *,
    reverse: bool,
    batch_size: int,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    method = method.to(device).eval()
    tensor, crop = _pad(torch.from_numpy(np.ascontiguousarray(image))[None, None], config)
    inferer = _inferer(tuple(tensor.shape[2:]), config, batch_size)
    with torch.inference_mode():
        output = cast(Tensor, inferer(tensor.to(device), partial(method.translate, reverse=reverse)))
    return cast("np.ndarray[tuple[int, ...], np.dtype[np.float32]]", output[0, 0].float().cpu().numpy()[crop])


def _pad(tensor: Tensor, config: Config) -> tuple[Tensor, tuple[slice, ...]]:
    """Background added at the far ends, so that the network's sizes fit, and the slices that cut it off again."""
    sizes = tensor.shape[2:]
    padded = [
        max(MIN_PLANE, -(-size // DOWNSAMPLING) * DOWNSAMPLING) if axis < config.network.spatial_dims else size
        for axis, size in enumerate(sizes)
    ]
    margins = [amount for size, new in zip(sizes, padded, strict=True) for amount in (new - size, 0)][::-1]
    return pad(tensor, margins, value=-1.0), tuple(slice(0, size) for size in sizes)


def _inferer(sizes: tuple[int, ...], config: Config, batch_size: int) -> Inferer:
    if config.network.spatial_dims == 2:
        return SliceInferer(roi_size=sizes[:2], spatial_dim=2, sw_batch_size=batch_size, cval=-1.0)
    return SlidingWindowInferer(
        roi_size=config.data.patch_size, sw_batch_size=batch_size, overlap=0.5, mode="gaussian", cval=-1.0
    )
