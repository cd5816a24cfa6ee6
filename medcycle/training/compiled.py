"""Networks compiled by `torch.compile`, or as they are where that can't be done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

__all__ = ["compile_networks"]

log = logging.getLogger(__name__)


def compile_networks(networks: Iterable[nn.Module]) -> None:
    """Compile what a call of each network does, in place: parameters, their names and checkpoints stay as they are.

    Compilation comes with the first call, and again for another size. It needs a C++ compiler on a processor, and
    Triton on a GPU; where it fails, a warning says so, once a network, and the network goes on uncompiled.
    """
    for network in networks:
        network._compiled_call_impl = _Compiled(network)


class _Compiled:
    """A network's call, compiled until that fails."""

    def __init__(self, network: nn.Module) -> None:
        self.plain: Callable[..., Any] = network._call_impl
        self.call: Callable[..., Any] = torch.compile(network._call_impl, dynamic=False)
        self.title = type(network).__name__

    def __call__(self, *given: Any, **named: Any) -> Any:
        if self.call is self.plain:
            return self.plain(*given, **named)
        try:
            return self.call(*given, **named)
        except Exception as error:  # noqa: BLE001 - of the compiler, or what the network itself raises once more below
            log.warning("training.compile: %s stays uncompiled (%s)", self.title, " ".join(str(error).split())[:200])
            self.call = self.plain
            return self.plain(*given, **named)
