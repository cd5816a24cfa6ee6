"""What makes PyTorch faster on a processor, and the switch that turns it off.

With `MEDCYCLE_PLAIN=1` in the environment, networks have PyTorch's own convolutions, and memory is handed out as the C
library does by itself. Weights have the same names and shapes either way; results differ by rounding.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SETTING", "convolution", "is_plain", "keep_freed_memory"]

SETTING = "MEDCYCLE_PLAIN"

WIDE, FEW = 5, 4
"""Taps from which on a kernel is wide, and channels up to which it has few."""

MIB = 2**20
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of glibc's malloc.h."""


def is_plain() -> bool:
    """Whether the environment asks for PyTorch as it is."""
    return os.environ.get(SETTING, "") not in ("", "0")


def convolution(spatial_dims: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    """The layer that networks are made of, in 2D or 3D."""
    if is_plain():
        return nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    return _Conv2d if spatial_dims == 2 else _Conv3d


class _Conv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return _convolved(self, input) if _is_faster(self, input) else super().forward(input)


class _Conv3d(nn.Conv3d):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return _convolved(self, input) if _is_faster(self, input) else super().forward(input)


def _is_faster(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> bool:
    """Whether `_convolved` may be faster than PyTorch's own.

    `torch.export` gets PyTorch's own: what it writes is to run on any device.
    """
    return not torch.compiler.is_exporting() and (layer.padding_mode != "zeros" or _is_thin(layer, x))


def _is_thin(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> bool:
    """Whether a wide kernel, if it has few channels, is better taken apart, as it is on a processor."""
    return x.device.type == "cpu" and layer.kernel_size[-1] >= WIDE and not any(step > 1 for step in layer.stride)


def _convolved(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
    """A convolution with the parameters and results of PyTorch's, to rounding.

    Borders are mirrored in the precision of the convolution: autocast would take float32, and back. Wide kernels of
    next to no channels leave a processor's matrix units idle; there, the taps along the last axis become channels.
    """
    weight, bias, taps = layer.weight, layer.bias, layer.kernel_size[-1]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = _padded(x, [size for size in reversed(cast(Sequence[int], layer.padding)) for _ in range(2)], mode)
    convolve = functional.conv2d if len(layer.kernel_size) == 2 else functional.conv3d
    if _is_thin(layer, x) and layer.in_channels <= FEW:
        return convolve(_shifted(x, taps), _taps_in(weight), bias)
    if _is_thin(layer, x) and layer.out_channels <= FEW:
        return _sum_of_shifted(convolve(x, _taps_out(weight)), layer.out_channels, bias)
    return convolve(x, weight, bias, layer.stride)


def _padded(x: Tensor, ends: Sequence[int], mode: str) -> Tensor:
    kind = x.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return functional.pad(x, ends, mode=mode)
    with torch.autocast(kind, enabled=False):
        return functional.pad(x.to(torch.get_autocast_dtype(kind)), ends, mode=mode)


def _shifted(x: Tensor, taps: int) -> Tensor:
    """Every shift along the last axis as channels, shape (batch, taps × channels, ...); the axis ends where all do."""
    size = x.shape[-1] - taps + 1
    return torch.cat([x.narrow(-1, tap, size) for tap in range(taps)], dim=1)


def _taps_in(weight: Tensor) -> Tensor:
    """A kernel whose taps along the last axis are channels of its input."""
    return weight.movedim(-1, 1).flatten(1, 2)[..., None]


def _taps_out(weight: Tensor) -> Tensor:
    """A kernel whose taps along the last axis are channels of its output."""
    return weight.movedim(-1, 0).flatten(0, 1)[..., None]


def _sum_of_shifted(x: Tensor, channels: int, bias: Tensor | None) -> Tensor:
    """What the taps of `_taps_out` make, each at its place, added up in float32 at least."""
    taps, kind = x.shape[1] // channels, torch.promote_types(x.dtype, torch.float32)
    size = x.shape[-1] - taps + 1
    parts = [x.narrow(1, tap * channels, channels).narrow(-1, tap, size).to(kind) for tap in range(taps)]
    total = functools.reduce(torch.add, parts)
    if bias is not None:
        total = total + bias.to(kind).view(-1, *[1] * (x.ndim - 2))
    return total.to(x.dtype)


def keep_freed_memory() -> None:
    """Have glibc keep up to 512 MiB of freed memory for tensors to come; elsewhere, or if plain, nothing is done.

    Otherwise it gives the memory of every tensor of some MiB back, and the system must find and clear pages for the
    next one: on a virtual machine, a 3D U-Net takes 1.25 times as much of a processor's time for a window of 64 by 80
    by 48 voxels (see mallopt(3)). For this process, from now on.
    """
    if is_plain() or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries of Linux have none
        mallopt(MMAP_THRESHOLD, 32 * MIB)  # the largest that it takes
        mallopt(TRIM_THRESHOLD, 512 * MIB)
