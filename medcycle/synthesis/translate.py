"""Whole volumes through a trained generator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import numpy as np
from torch import Tensor

from medcycle.body import OUTSIDE, Modality
from medcycle.data.prepare import prepare_volume
from medcycle.errors import DataError, UsageError
from medcycle.inference import best_device, translate_array
from medcycle.intensity import IntensityMap
from medcycle.methods.base import Method
from medcycle.methods.saved import SavedMethod
from medcycle.resample import resample_mask, resample_to
from medcycle.volume import Volume

__all__ = ["SOURCE_OF", "Synthesis", "require_direction", "synthesize"]

SOURCE_OF: dict[Modality, Modality] = {"ct": "mr", "mr": "ct"}
"""What a modality is made from."""


@dataclass(frozen=True)
class Synthesis:
    """A synthetic volume.

    Args:
        volume: float32 on the source's grid; HU for CT, arbitrary units for MR.
        body: booleans, where the source's body was found; outside of it the volume is `OUTSIDE`.
        intensity: the map that brought the source to [−1, 1].
        style: the style of the output, where one was given.
    """

    volume: Volume
    body: Volume
    intensity: IntensityMap
    style: tuple[float, ...] | None = None


def synthesize(
    volume: Volume,
    saved: SavedMethod,
    to: Literal["ct", "mr"],
    *,
    batch_size: int = 8,
    style: tuple[float, ...] | None = None,
) -> Synthesis:
    """Translate one volume, slice by slice (2D) or by overlapping windows (3D), in float32.

    With `data.plane: all` the slices of each plane are translated, and the three results averaged.

    Args:
        volume: MR signal, or HU if `to` is `mr`; any orientation and spacing.
        saved: the trained method.
        to: the modality to make.
        batch_size: slices or windows that go through the network together.
        style: of the output, of a method that has styles; None for its own.

    Raises:
        UsageError: if the method does not translate to that modality.
        DataError: if no body is found in the volume.
    """
    require_direction(saved, to)
    prepared = prepare_volume(volume, SOURCE_OF[to], saved.config.data, saved.intensity["mr"].corners[1])
    if not prepared.body.array.any():
        raise DataError("no body found; check that the volume shows a patient")
    device = best_device()
    method = saved.method.to(device).eval()
    predict = partial(method.translate, reverse=to == "mr")
    if style:
        predict = partial(_in_style, method, style, reverse=to == "mr")
    image, shown = prepared.image.array, prepared.body.array
    output = translate_array(image, shown, saved.config, predict, device=device, batch_size=batch_size)
    values = prepared.image.with_array(saved.intensity[to].inverse(output))
    on_source = resample_to(values, volume.grid, background=OUTSIDE[to])
    body = resample_mask(prepared.body, volume.grid)
    finished = np.where(body.array, on_source.array, np.float32(OUTSIDE[to]))
    return Synthesis(volume.with_array(finished), body, prepared.intensity, style)


def require_direction(saved: SavedMethod, to: Literal["ct", "mr"]) -> None:
    """Raise `UsageError` unless the method translates to that modality."""
    if to == "mr" and not saved.method.two_way:
        raise UsageError(f"method.name {saved.config.method.name} makes CT only; leave out --to mr")


def _in_style(method: Method, style: tuple[float, ...], images: Tensor, *, reverse: bool) -> Tensor:
    repeated = images.new_tensor(style).expand(len(images), -1)
    return cast(Tensor, cast(Any, method).translate(images, reverse=reverse, style=repeated))
