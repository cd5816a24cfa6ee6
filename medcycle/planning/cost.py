"""What a training step takes, counted without computing it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from medcycle.batch import Batch, Pair
from medcycle.config import Config
from medcycle.errors import UsageError
from medcycle.methods.base import Losses, Method
from medcycle.methods.build import build_method, without_memory

__all__ = ["StepCost", "require_memory", "step_cost", "step_memory"]

BYTES_A_PARAMETER = 20
"""Weight, gradient, two moments of Adam and the running average, in float32."""

PLAINLY_FITTING, USUAL_FILTERS, USUAL_LAYERS = 2**33, 64, 100
"""bytes, and filters and layers of networks; steps that stay below them fit on any machine, and are not counted."""

HALF_PRECISION_SHARE = 0.75
"""of the activations' float32 bytes under autocast, which leaves some in float32: 0.77 measured in 2D, 0.52 in 3D."""


@dataclass(frozen=True)
class StepCost:
    """What a training step takes.

    Args:
        generators: their parameters.
        discriminators: their parameters.
        flop: floating-point operations of a whole step, forward and backward, multiplications and additions counted.
        memory: bytes that are held at once, see `step_memory`.
    """

    generators: int
    discriminators: int
    flop: int
    memory: int


def step_cost(config: Config) -> StepCost:
    """Parameters, operations and memory of a step with all losses, the warm start over; nothing is computed.

    Operations are those of convolutions and matrix products, as PyTorch's `FlopCounterMode` counts them.
    """
    method, batch = _on_meta(config)
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        method.discriminators.requires_grad_(False)
        outputs = method(batch)
        _descend(method.generator_losses(batch, outputs))
        method.discriminators.requires_grad_(True)
        fakes = {name: fake.detach() for name, fake in method.fakes(outputs).items()}
        _descend(method.discriminator_losses(batch, fakes))
    generators, discriminators = (
        sum(weight.numel() for weight in part.parameters()) for part in (method.generators, method.discriminators)
    )
    return StepCost(generators, discriminators, counter.get_total_flops(), step_memory(config))


def step_memory(config: Config, *, half_precision: bool = True) -> int:
    """Bytes that a training step holds at once: parameters, and what the generators' losses keep for the gradient.

    The step runs on PyTorch's meta device, which knows sizes and computes nothing. Convolutions' workspace and the
    allocator's rounding come on top. In float32 the peak of a process on a CPU grew by 0.98 to 1.02 of it.

    Args:
        config: networks, method, patch and batch size.
        half_precision: whether activations are of 16 bits, as with bf16 or fp16 autocast.
    """
    method, batch = _on_meta(config)
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


def require_memory(config: Config, memory: int) -> None:
    """Raise `UsageError` if a training step needs more memory than there is, or can't be made at all of these sizes.

    Args:
        config: networks, method, patch and batch size.
        memory: bytes that the device has in all.
    """
    network, patch = config.network, math.prod(config.data.patch_size)
    images, filters = config.training.batch_size * config.data.slices, getattr(network, "filters", USUAL_FILTERS + 1)
    if filters <= USUAL_FILTERS and 4 * images * patch * filters <= PLAINLY_FITTING / USUAL_LAYERS:
        return
    try:
        needed = step_memory(config)
    except (RuntimeError, ValueError) as error:  # of a network of MONAI, which takes other sizes
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"network.name {network.name} can't be trained on patches of {list(config.data.patch_size)} ({reason}); "
            "change network.arguments or network.multiple"
        ) from error
    if needed > memory:
        raise UsageError(
            f"a training step needs about {needed / 2**30:.0f} GiB, and the device has {memory / 2**30:.0f}; lower "
            "network.filters, data.patch_size or training.batch_size"
        )


def _on_meta(config: Config) -> tuple[Method, Batch]:
    """The method and a batch of a step, without their data."""
    with without_memory():
        method = build_method(config)
    shape = (config.training.batch_size, config.data.slices, *config.data.patch_size)
    images = [torch.empty(shape, device="meta") for _ in range(8)]
    return method, Batch(images[0], images[1], Pair(*images[2:5]), Pair(*images[5:8]))


def _descend(losses: Losses) -> None:
    if losses:
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]


def _as_it_is(packed: Any) -> Any:
    return packed
