"""Devices and precision, by Lightning Fabric."""

from __future__ import annotations

import logging
from typing import Literal

import torch
from lightning_fabric import Fabric

from medcycle.config import TrainingConfig
from medcycle.errors import UsageError

__all__ = ["best_precision", "make_fabric", "precision_for"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def make_fabric(config: TrainingConfig) -> Fabric:
    """Fabric on the devices and in the precision that the configuration asks for, launched.

    Raises:
        UsageError: as `precision_for` does.
    """
    precision = precision_for(config)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(accelerator=config.accelerator, devices=config.devices, precision=precision)
    fabric.launch()
    return fabric


def precision_for(config: TrainingConfig) -> Precision:
    """The precision that the configuration asks for, on the device that it asks for.

    Raises:
        UsageError: if the machine has no such device, or losses are scaled (16-mixed) and each network has its own
            optimiser.
    """
    kind = config.accelerator
    if kind not in {"auto", "cpu"} and not torch.get_device_module(kind).is_available():
        raise UsageError(f"training.accelerator {kind}: PyTorch finds no such device here; auto takes what there is")
    precision = best_precision(kind) if config.precision == "auto" else config.precision
    if precision == "16-mixed" and config.optimizers == "separate":
        # Fabric lets a scaler change its mind after each optimiser, whose gradients come from one backward pass
        raise UsageError("training.optimizers separate doesn't go with precision 16-mixed; leave it joint")
    return precision


def best_precision(accelerator: str) -> Precision:
    """bf16 autocast where the hardware computes in it, float32 elsewhere."""
    if accelerator in ("auto", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    if accelerator in ("auto", "mps") and torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"
