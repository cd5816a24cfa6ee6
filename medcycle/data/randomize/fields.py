"""Random numbers, fields and curves that the other modules draw from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Range", "chosen", "each", "interpolate", "is_thin", "pool", "smooth_noise", "threshold", "uniform"]

Range = tuple[float, float]

DEPTH = 16
"""Slices from which on a stack is a volume."""


def each(values: Tensor, like: Tensor) -> Tensor:
    """One value an image, to be broadcast over it: shape (batch,) to (batch, 1, ..., 1)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def uniform(like: Tensor, ends: Range, generator: torch.Generator) -> Tensor:
    """A uniformly distributed value an image, to be broadcast over it."""
    drawn = torch.rand(len(like), generator=generator, device=like.device)
    return each(ends[0] + (ends[1] - ends[0]) * drawn, like)


def chosen(like: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The numbers of a random part of the images, each one chosen with probability `share`."""
    return torch.nonzero(torch.rand(len(like), generator=generator, device=like.device) < share).flatten()


def smooth_noise(like: Tensor, scale: Range, generator: torch.Generator, *, channels: int = 1) -> Tensor:
    """Noise of mean 0 and variance 1 whose grain has a random size, the same in all images of the batch.

    Args:
        like: gives batch, sizes and device. Along a last axis of 3D images that is shorter than `DEPTH`, as of
            sub-slices, the noise is constant and of size 1.
        scale: range of the grain, voxels.
        generator: of the device.
        channels: how many fields an image.
    """
    sizes = like.shape[2:4] if is_thin(like) else like.shape[2:]
    drawn = torch.rand(1, generator=generator, device=like.device).item()
    grain = math.exp(math.log(scale[0]) + drawn * math.log(scale[1] / scale[0]))
    coarse = [max(2, math.ceil(size / grain)) for size in sizes]
    noise = torch.randn(len(like), channels, *coarse, generator=generator, device=like.device)
    smooth = functional.interpolate(noise, sizes, mode="bilinear" if len(sizes) == 2 else "trilinear")
    smooth = (smooth - smooth.mean()) / smooth.std().clamp_min(1e-6)
    return smooth.reshape(*smooth.shape, *[1] * (like.ndim - smooth.ndim))


def is_thin(like: Tensor) -> bool:
    """Whether images are stacks of a few slices, and not volumes."""
    return like.ndim == 5 and like.shape[-1] < DEPTH


def threshold(share: float) -> float:
    """What a standard normal variable exceeds with this probability."""
    return math.sqrt(2) * torch.erfinv(torch.tensor(1 - 2 * share)).item()


def interpolate(values: Tensor, nodes: Tensor, heights: Tensor) -> Tensor:
    """Piecewise linear curves, one an image, constant beyond their ends.

    Args:
        values: shape (batch, 1, *sizes).
        nodes: rising abscissae, shape (batch, points).
        heights: ordinates, shape (batch, points).
    """
    result = each(heights[:, 0], values).expand_as(values)
    for number in range(nodes.shape[1] - 1):
        left, right = nodes[:, number], nodes[:, number + 1]
        slope = (heights[:, number + 1] - heights[:, number]) / (right - left)
        steps = values.clamp(each(left, values), each(right, values)) - each(left, values)
        result = result + each(slope, values) * steps
    return result


def pool(values: Tensor, widths: Sequence[int], kind: Literal["least", "largest", "mean"]) -> Tensor:
    """The least, largest or mean value about every voxel, within `widths` voxels (odd) along each axis."""
    if kind == "mean":
        for axis, width in enumerate(widths, start=2):
            values = _moving_mean(values, axis, width)
        return values
    better = torch.minimum if kind == "least" else torch.maximum
    for axis, width in enumerate(widths, start=2):  # axis by axis: on a CPU several times faster than torch's own
        for _ in range(width // 2):
            inner, result = values.shape[axis] - 1, values.clone()
            for at, beside in ((1, 0), (0, 1)):
                place = result.narrow(axis, at, inner)
                better(place, values.narrow(axis, beside, inner), out=place)
            values = result
    return values


def _moving_mean(values: Tensor, axis: int, width: int) -> Tensor:
    """The mean of `width` neighbours along an axis, the outermost ones counted again beyond the ends."""
    first, last = (values.narrow(axis, place, 1) for place in (0, values.shape[axis] - 1))
    total = values.clone()
    for step in range(1, width // 2 + 1):
        inner = values.shape[axis] - step
        total.narrow(axis, step, inner).add_(values.narrow(axis, 0, inner))
        total.narrow(axis, 0, inner).add_(values.narrow(axis, step, inner))
        total.narrow(axis, 0, step).add_(first)
        total.narrow(axis, inner, step).add_(last)
    return total.div_(width) if width > 1 else values
