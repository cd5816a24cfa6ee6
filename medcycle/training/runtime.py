"""Devices, precision, and processes that train together, by Lightning Fabric."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from medcycle.config import TrainingConfig
from medcycle.errors import UsageError
from medcycle.inference import Precision, best_precision
from medcycle.tuning import keep_freed_memory

__all__ = ["Averager", "largest", "make_fabric", "of_all", "precision_for"]

LONGEST_WAIT = timedelta(days=1)
"""Preparing a large cohort, for which the other processes wait, may take hours."""

T = TypeVar("T")


def make_fabric(config: TrainingConfig) -> Fabric:
    """Fabric on the devices and in the precision that the configuration asks for, launched.

    Raises:
        UsageError: as `precision_for` does.
    """
    precision = precision_for(config)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    keep_freed_memory()
    torch.set_float32_matmul_precision("high")  # TF32 where a GPU has it, for what autocast leaves in float32
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The `srun` command is available")  # on a login node, say
        devices, nodes = _told_by_launcher() or (config.devices, 1)
        if "SLURM_NTASKS" in os.environ:  # which Lightning refuses by itself
            os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(devices))
        several = DDPStrategy(timeout=LONGEST_WAIT) if devices * nodes > 1 else "auto"
        fabric = Fabric(
            accelerator=config.accelerator, strategy=several, devices=devices, num_nodes=nodes, precision=precision
        )
    fabric.launch()
    return fabric


def _told_by_launcher() -> tuple[int, int] | None:
    """Processes a node, and nodes, where torchrun or Slurm has started them; None where there is this one alone."""
    if "LOCAL_WORLD_SIZE" in os.environ:
        return int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    if SLURMEnvironment.detect() and "SLURM_STEP_ID" in os.environ:  # by srun, and not just in a job's script
        nodes = int(os.environ.get("SLURM_NNODES", "1"))
        return int(os.environ["SLURM_NTASKS"]) // nodes, nodes
    return None


def of_all(fabric: Fabric, value: T) -> list[T]:
    """What each process has, in the order of their ranks; pickled on the way."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def largest(fabric: Fabric, values: list[float]) -> list[float]:
    """The largest that any process has, of each value."""
    if fabric.world_size == 1:
        return values
    found = torch.tensor(values, device=fabric.device)
    torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
    return cast(list[float], found.tolist())


class Averager:
    """Gives tensors the mean that they have over all processes, in place and in one message.

    Args:
        fabric: says how many processes there are.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.processes = fabric.world_size
        self._message = torch.empty(0)

    def __call__(self, tensors: Sequence[Tensor]) -> None:
        """Average tensors of one kind and device, the same in all processes."""
        if self.processes == 1 or not tensors:
            return
        sizes = [tensor.numel() for tensor in tensors]
        message = self._room(sum(sizes), tensors[0])
        torch.cat([tensor.detach().flatten() for tensor in tensors], out=message)
        torch.distributed.all_reduce(message)
        for tensor, total in zip(tensors, torch.split(message, sizes), strict=True):
            torch.div(total.view_as(tensor), self.processes, out=tensor.detach())

    def _room(self, size: int, like: Tensor) -> Tensor:
        """Kept from message to message: a processor takes longer to find new memory than to copy."""
        if len(self._message) < size or self._message.device != like.device or self._message.dtype != like.dtype:
            self._message = like.new_empty(size)
        return self._message[:size]


def precision_for(config: TrainingConfig) -> Precision:
    """The precision that the configuration asks for, on the device that it asks for.

    Raises:
        UsageError: if the machine has no such device.
    """
    kind = config.accelerator
    if kind not in {"auto", "cpu"} and not torch.get_device_module(kind).is_available():
        raise UsageError(f"training.accelerator {kind}: PyTorch finds no such device here; use auto")
    return best_precision(kind) if config.precision == "auto" else config.precision
