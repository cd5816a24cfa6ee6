"""Prepared volumes through a network, slice by slice or window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from monai.inferers import Inferer, SliceInferer, SlidingWindowInferer
from torch import Tensor

from medcycle.config import Config
from medcycle.data.stacks import ACROSS, neighbours
from medcycle.networks.resnet import DOWNSAMPLING
from medcycle.volume import Array

__all__ = ["best_device", "translate_array"]

Floats = npt.NDArray[np.float32]
Slices = tuple[slice, ...]


def best_device() -> torch.device:
    """The accelerator, if there is one."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def translate_array(
    image: Array,
    body: Array,
    config: Config,
    predict: Callable[[Tensor], Tensor],
    *,
    device: torch.device,
    batch_size: int = 8,
) -> Floats:
    """The translation of a prepared image; with `data.plane: all` the mean of that of its slices in each plane.

    Args:
        image: values in [−1, 1], [i, j, k], slices along k.
        body: booleans of the same shape.
        config: that of the training.
        predict: gives of images of the shape (batch, slices, *sizes) their translations.
        device: what `predict` computes on.
        batch_size: slices or windows that go through `predict` together.

    Returns:
        Values in [−1, 1] of the same shape; −1 away from the body.
    """
    planes = range(3) if config.data.plane == "all" else (ACROSS,)
    output = np.zeros(image.shape, dtype=np.float32)
    for axis in planes:
        turned, shown = (np.moveaxis(part, axis, ACROSS) for part in (image, body))
        made = _across(turned, shown, config, predict, device, batch_size)
        output += np.moveaxis(made, ACROSS, axis) / len(planes)
    return output


def _across(
    image: Array,
    body: Array,
    config: Config,
    predict: Callable[[Tensor], Tensor],
    device: torch.device,
    batch_size: int,
) -> Floats:
    """2D slices are those across the last axis."""
    sizes, taken, place = _frame(body, config.data.patch_size)
    framed = torch.full((1, 1, *sizes), -1.0)
    framed[0, 0][place] = torch.from_numpy(np.ascontiguousarray(image[taken], dtype=np.float32))
    inferer = _inferer(sizes, config, batch_size)
    seen = [neighbours(position, config.data.slices, sizes[2]) for position in range(sizes[2])]
    stacked = torch.cat([framed[..., list(row)] for row in zip(*seen, strict=True)], dim=1)
    with torch.no_grad():  # in inference mode, networks that are spread over devices could not be gathered
        made = cast(Tensor, inferer(stacked.to(device), predict))
    output = np.full(image.shape, -1, dtype=np.float32)
    output[taken] = made[0, config.data.slices // 2][place].float().cpu().numpy()
    return output


def _frame(body: Array, patch_size: Sequence[int]) -> tuple[tuple[int, ...], Slices, Slices]:
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
