"""What is planned for, and what a plan is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Literal

import torch

from medcycle.config import Config, parse_config

__all__ = ["Choices", "Device", "Plan"]

Choices = dict[str, tuple[Any, str]]
"""A dotted key of the configuration: its value, and why."""


@dataclass(frozen=True)
class Device:
    """What is trained on: `memory` in bytes, and how many processors there are beside it."""

    kind: Literal["cpu", "cuda", "mps"]
    memory: int
    processors: int = os.cpu_count() or 1

    @classmethod
    def here(cls) -> Device:
        """The first GPU, or else this computer's processor and memory."""
        if torch.cuda.is_available():
            return cls("cuda", torch.cuda.get_device_properties(0).total_memory)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls("mps" if torch.backends.mps.is_available() else "cpu", memory)

    def __str__(self) -> str:
        name = {"cpu": "processor with", "cuda": "GPU of", "mps": "Apple GPU of"}[self.kind]
        return f"{name} {self.memory / 2**30:.0f} GiB"


@dataclass(frozen=True)
class Plan:
    """A configuration's keys that were chosen; all others keep their defaults."""

    choices: Choices

    def config(self) -> Config:
        """The whole configuration. Raises `ConfigError` if what was set by hand doesn't fit."""
        return parse_config(self._sections(), "auto")

    def text(self) -> str:
        """YAML, a line a key, its reason behind it."""
        lines = ["# Planned by medcycle for the scans and the device it found."]
        for section, values in self._sections().items():
            lines.append(f"{section}:")
            for key, value in values.items():
                lines.append(f"  {key}: {json.dumps(value)}  # {self.choices[f'{section}.{key}'][1]}")
        return "\n".join(lines) + "\n"

    def _sections(self) -> dict[str, dict[str, Any]]:
        sections: dict[str, dict[str, Any]] = {}
        for name, (value, _) in self.choices.items():
            section, key = name.split(".")
            sections.setdefault(section, {})[key] = value
        return sections
