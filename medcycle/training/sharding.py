"""Weights, gradients and what Adam knows of them, spread over the devices: PyTorch's fully sharded data parallel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

__all__ = ["is_spread", "shard", "spread_as", "spread_states", "whole"]

ENTRANCES = ("encode", "decode", "features", "displacement")
"""What methods call of networks beside the networks themselves."""


def shard(networks: Iterable[nn.Module], fabric: Fabric) -> None:
    """Leave each process a part of every weight of networks, which are the same in all; whole ones come with a call.

    A backward pass gives each process its part of the gradients' mean over all of them.
    """
    mesh = init_device_mesh(fabric.device.type, (fabric.world_size,))
    for network in networks:
        fully_shard(network, mesh=mesh)
        for name in ENTRANCES:
            if hasattr(network, name):
                register_fsdp_forward_method(network, name)


def is_spread(tensor: Tensor) -> bool:
    """Whether processes have parts of a tensor."""
    return isinstance(tensor, DTensor)


def whole(value: Any) -> Any:
    """The same with every tensor whole that was spread; all processes have to ask for it together.

    Args:
        value: tensors and plain values in dictionaries and lists.
    """
    match value:
        case DTensor():
            return value.full_tensor()
        case Mapping():
            return {name: whole(item) for name, item in value.items()}
        case list():
            return [whole(item) for item in value]
        case _:
            return value


def spread_as(state: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Whole tensors as a module's `load_state_dict` wants them: spread where its own are."""
    own = module.state_dict()
    return {name: _spread(tensor, own.get(name)) for name, tensor in state.items()}


def spread_states(state: Mapping[str, Any], weights: Sequence[Tensor]) -> dict[str, Any]:
    """An optimiser's state of whole tensors, spread as the weights are that it steps."""
    of_weights = {
        number: {name: _spread(value, weights[number]) for name, value in known.items()}
        for number, known in state["state"].items()
    }
    return {**state, "state": of_weights}


def _spread(value: Any, like: Tensor | None) -> Any:
    fits = isinstance(like, DTensor) and isinstance(value, Tensor) and value.shape == like.shape
    if not fits:
        return value
    assert isinstance(like, DTensor)
    with torch.no_grad():  # each process has the whole: nothing is sent
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
