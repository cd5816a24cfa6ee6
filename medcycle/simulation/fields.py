"""Random numbers, fields and curves that the other modules draw from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Interval",
    "affine_grid",
    "chosen",
    "each",
    "interpolate",
    "is_thin",
    "pool",
    "quantiles",
    "smooth_noise",
    "threshold",
    "uniform",
]

Interval = tuple[float, float]

DEPTH = 16
"""Slices from which on a stack is a volume."""


def each(values: Tensor, like: Tensor) -> Tensor:
    """One value an image, to be broadcast over it: shape (batch,) to (batch, 1, ..., 1)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def uniform(like: Tensor, ends: Interval, generator: torch.Generator) -> Tensor:
    """A uniformly distributed value an image, to be broadcast over it."""
    drawn = torch.rand(len(like), generator=generator, device=like.device)
    return each(ends[0] + (ends[1] - ends[0]) * drawn, like)


def chosen(like: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The numbers of a random part of the images, each one chosen with probability `share`."""
    return torch.nonzero(torch.rand(len(like), generator=generator, device=like.device) < share).flatten()


def affine_grid(matrices: Tensor, sizes: Sequence[int]) -> Tensor:
    """As torch's own without aligned corners, in 2D, and on a CPU several times faster.

    Args:
        matrices: shape (batch, 2, 3).
        sizes: height and width.

    Returns:
        Shape (batch, 2, height, width): the coordinates one after the other.
    """
    rows, columns = (torch.arange(1 - size, size, 2, device=matrices.device) / size for size in sizes)
    along_x, along_y, shift = matrices[:, :, None].unbind(-1)
    return (along_x * columns)[:, :, None] + (along_y * rows + shift)[..., None]


def smooth_noise(like: Tensor, scale: Interval, generator: torch.Generator, *, channels: int = 1) -> Tensor:
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
    smooth.sub_(smooth.mean())
    # its norm, as `std` takes three times as long on a CPU
    smooth.mul_((smooth.numel() ** 0.5 / torch.linalg.vector_norm(smooth)).clamp_max(1e6))
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
    result = each(heights[:, 0], values).expand_as(values).clone()
    widths, rises = nodes.diff(), heights.diff()
    for left, width, rise in zip(nodes.unbind(1), widths.unbind(1), rises.unbind(1), strict=False):
        part = (values - each(left, values)).div_(each(width, values)).clamp_(0, 1)
        result.addcmul_(part, each(rise, values))
    return result


def quantiles(images: Tensor, body: Tensor, levels: Sequence[float]) -> Tensor:
    """Quantiles of every second voxel in the body, along the first two axes.

    Args:
        images: not negative, shape (batch, 1, *sizes).
        body: booleans of the same shape.
        levels: between 0 and 1; the lower, the longer it takes.

    Returns:
        Shape (batch, levels); 1 where there is no body.
    """
    step = (slice(None), slice(None), slice(None, None, 2), slice(None, None, 2))
    images, body = images[step].flatten(1), body[step].flatten(1)
    last = body.sum(1, keepdim=True) - 1
    places = (last * (1 - torch.tensor(levels, device=images.device))).clamp_min(0)
    # from the brightest down to the darkest that is asked for: sorting all takes several times as long
    count = min(images.shape[1], math.ceil(places.max()) + 1)
    ranked = torch.where(body, images, 0.0).topk(count, dim=1).values
    brighter, darker = (ranked.gather(1, place.long()) for place in (places.floor(), places.ceil()))
    return torch.where(last < 0, 1.0, torch.lerp(brighter, darker, places.frac()))


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
