"""Whole volumes through a trained generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from monai.inferers import Inferer, SliceInferer, SlidingWindowInferer
from torch import Tensor

from medcycle.body import OUTSIDE, Modality
from medcycle.config import Config
from medcycle.data.prepare import prepare_volume
from medcycle.data.stacks import ACROSS, neighbours
from medcycle.errors import DataError, UsageError
from medcycle.intensity import IntensityMap
from medcycle.methods.base import Method
from medcycle.methods.saved import SavedMethod
from medcycle.networks.resnet import DOWNSAMPLING
from medcycle.resample import resample_mask, resample_to
from medcycle.volume import Volume

__all__ = ["SOURCE_OF", "Synthesis", "require_direction", "synthesize"]

SOURCE_OF: dict[Modality, Modality] = {"ct": "mr", "mr": "ct"}
"""What a modality is made from."""

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Slices = tuple[slice, ...]


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
    predict = partial(saved.method.translate, reverse=to == "mr")
    if style:
        predict = partial(_in_style, saved.method, style, reverse=to == "mr")
    planes = range(3) if saved.config.data.plane == "all" else (ACROSS,)
    output = np.zeros(prepared.image.grid.shape, dtype=np.float32)
    for axis in planes:
        image, shown = (np.moveaxis(part.array, axis, ACROSS) for part in (prepared.image, prepared.body))
        made = _infer(image, shown, saved.method, saved.config, predict, batch_size=batch_size)
        output += np.moveaxis(made, ACROSS, axis) / len(planes)
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


def _infer(
    image: Floats, body: Mask, method: Method, config: Config, predict: Callable[[Tensor], Tensor], *, batch_size: int
) -> Floats:
    """The translation of a prepared image, 2D slices being those across its last axis; −1 away from the body."""
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    method = method.to(device).eval()
    sizes, taken, place = _frame(body, config.data.patch_size)
    framed = torch.full((1, 1, *sizes), -1.0)
    framed[0, 0][place] = torch.from_numpy(np.ascontiguousarray(image[taken]))
    inferer = _inferer(sizes, config, batch_size)
    seen = [neighbours(position, config.data.slices, sizes[2]) for position in range(sizes[2])]
    stacked = torch.cat([framed[..., list(row)] for row in zip(*seen, strict=True)], dim=1)
    with torch.inference_mode():
        made = cast(Tensor, inferer(stacked.to(device), predict))
    output = np.full(image.shape, -1, dtype=np.float32)
    output[taken] = made[0, config.data.slices // 2][place].float().cpu().numpy()
    return output


def _frame(body: Mask, patch_size: Sequence[int]) -> tuple[tuple[int, ...], Slices, Slices]:
    """The body with as much around it as training patches have: instance normalisation depends on that.

    Returns:
        The sizes to give the network, what of the volume goes there, and where in them it is put. The axes that the
        patch does not have stay whole.
    """
    sizes, taken, place = [], [], []
    for axis, length in enumerate(body.shape):
        start, size = 0, length
        if axis < len(patch_size):
            filled = np.flatnonzero(np.moveaxis(body, axis, 0).reshape(length, -1).any(axis=1))
            low, high = int(filled[0]), int(filled[-1]) + 1
            size = max(patch_size[axis], -(-(high - low) // DOWNSAMPLING) * DOWNSAMPLING)
            start = (low + high - size) // 2
        ends = max(start, 0), min(start + size, length)
        sizes.append(size)
        taken.append(slice(*ends))
        place.append(slice(ends[0] - start, ends[1] - start))
    return tuple(sizes), tuple(taken), tuple(place)


def _inferer(sizes: tuple[int, ...], config: Config, batch_size: int) -> Inferer:
    if config.network.spatial_dims == 2:
        return SliceInferer(roi_size=sizes[:2], spatial_dim=2, sw_batch_size=batch_size, cval=-1.0)
    return SlidingWindowInferer(
        roi_size=config.data.patch_size, sw_batch_size=batch_size, overlap=0.5, mode="gaussian", cval=-1.0
    )
