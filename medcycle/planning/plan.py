"""What is planned for, and what a plan is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from medcycle.config import Choice, Config, DeviceKind, parse_planned
from medcycle.errors import UsageError
from medcycle.processors import available_processors

__all__ = ["BY_HAND", "INIT_FROM", "Choices", "Device", "Plan", "chosen_here"]

Choices = dict[str, tuple[Any, str]]
"""A dotted key of the configuration: its value, and why."""

INIT_FROM, BY_HAND = "same as in the model it is initialised from", "set by the user"
"""Why keys have values that were not planned."""


@dataclass(frozen=True)
class Device:
    """What is trained on: `memory` in bytes, and how many processors there are beside it."""

    kind: Literal["cpu", "cuda", "mps"]
    memory: int
    processors: int = field(default_factory=available_processors)

    @classmethod
    def here(cls, kind: DeviceKind | None = None) -> Device:
        """The first GPU, or else this computer's processor and memory; or the kind of device that is asked for.

        Raises:
            UsageError: if a GPU is asked for and there is none.
        """
        if kind != "cpu" and torch.cuda.is_available():
            return cls("cuda", torch.cuda.get_device_properties(0).total_memory)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if kind != "cpu" and torch.backends.mps.is_available():
            return cls("mps", memory)
        if kind == "gpu":
            raise UsageError("--device gpu: no GPU found; leave out --device, or give --device cpu")
        return cls("cpu", memory)

    def __str__(self) -> str:
        name = {"cpu": "CPU with", "cuda": "GPU with", "mps": "Apple GPU with"}[self.kind]
        return f"{name} {self.memory / 2**30:.0f} GiB"


def chosen_here(choice: Choice) -> Choice:
    """A choice with the kind of device that this machine has, which counts where none is chosen."""
    return replace(choice, seen="gpu" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Plan:
    """A configuration's keys that were chosen; all others keep their defaults.

    What was planned for another method or network than the one that is set by hand is left out.
    """

    choices: Choices

    def having(self, key: str, value: Any, why: str) -> Plan:
        """The same with another choice."""
        return Plan(self.choices | {key: (value, why)})

    def config(self) -> Config:
        """The whole configuration. Raises `ConfigError` if what was set by hand doesn't fit."""
        planned: dict[str, dict[str, Any]] = {}
        by_hand: dict[str, dict[str, Any]] = {}
        for name, (value, why) in self.choices.items():
            section, key = name.split(".")
            (by_hand if why == BY_HAND else planned).setdefault(section, {})[key] = value
        return parse_planned(planned, by_hand, "auto")

    def text(self) -> str:
        """YAML, a line a key, its reason behind it."""
        used = self.config().model_dump(mode="json")
        sections: dict[str, list[str]] = {}
        for name, (value, why) in self.choices.items():
            section, key = name.split(".")
            if why == BY_HAND or used[section].get(key) == value:
                sections.setdefault(section, []).append(f"  {key}: {json.dumps(value)}  # {why}")
        lines = [line for section, keys in sections.items() for line in (f"{section}:", *keys)]
        return "\n".join(["# Planned by medcycle for these scans and this device.", *lines]) + "\n"
