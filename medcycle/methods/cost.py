"""What a training step takes, counted without computing it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from medcycle.config import Config
from medcycle.methods.base import Batch, Pair
from medcycle.methods.build import build_method

__all__ = ["step_memory"]

BYTES_A_PARAMETER = 20
"""Weight, gradient, two moments of Adam and the running average, in float32."""

HALF_PRECISION_SHARE = 0.75
"""of the activations' float32 bytes under autocast, which leaves some in float32: 0.77 measured in 2D, 0.52 in 3D."""


def step_memory(config: Config, *, half_precision: bool = True) -> int:
    """Bytes that a training step holds at once: parameters, and what the generators' losses keep for the gradient.

    The step runs on PyTorch's meta device, which knows sizes and computes nothing. Convolutions' workspace and the
    allocator's rounding come on top. In float32 the peak of a process on a CPU grew by 0.98 to 1.02 of it.

    Args:
        config: networks, method, patch and batch size.
        half_precision: whether activations are of 16 bits, as with bf16 or fp16 autocast.
    """
    method = build_method(config).to("meta")  # some of MONAI's networks can't be made there
    with torch.device("meta"):
        shape = (config.training.batch_size, config.data.slices, *config.data.patch_size)
        images = [torch.empty(shape) for _ in range(8)]
        batch = Batch(images[0], images[1], Pair(*images[2:5]), Pair(*images[5:]))
    parameters = {id(weight) for weight in method.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if id(tensor) not in parameters:
            kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, _as_it_is):
        method.generator_losses(batch, method(batch))
    activations = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    weights = sum(weight.numel() for weight in method.parameters())
    return weights * BYTES_A_PARAMETER + int(activations * (HALF_PRECISION_SHARE if half_precision else 1))


def _as_it_is(packed: Any) -> Any:
    return packed
