"""What there is to compute on, and in which precision it is fastest."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from medcycle.errors import UsageError
from medcycle.processors import computes_in_bf16

__all__ = ["Precision", "autocast_on", "best_device", "best_precision", "devices_of"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def best_device() -> torch.device:
    """The accelerator, if there is one."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def devices_of(given: str) -> tuple[torch.device, ...]:
    """The devices meant by `auto`, all accelerators, or by names with commas between, as `cuda:0,cuda:1` or `cpu`.

    Raises:
        UsageError: if there is no such device.
    """
    if given == "auto":
        best = best_device()
        count = torch.accelerator.device_count() if best.type != "cpu" else 0
        return tuple(torch.device(best.type, number) for number in range(count)) or (best,)
    found = []
    for name in given.split(","):
        try:
            device = torch.device(name.strip())
            torch.empty(1, device=device).cpu()  # which `meta`, a device without memory, can't
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise UsageError(f"--device {name}: no such device here; use auto") from error
        found.append(device)
    return tuple(found)


def best_precision(accelerator: str) -> Precision:
    """bf16 autocast where the hardware computes in it, float32 elsewhere."""
    if accelerator in ("auto", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    if accelerator in ("auto", "mps") and torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if computes_in_bf16() else "32-true"


def autocast_on(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Computes in a precision on a device."""
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16-mixed" else torch.float16)
