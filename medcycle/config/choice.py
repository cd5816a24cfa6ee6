"""What can be chosen of a recipe: its method, its dimensions and the device it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from medcycle.config.method import METHODS
from medcycle.errors import ConfigError
from medcycle.words import quoted

__all__ = ["CHOICES", "Choice", "DeviceKind"]

DeviceKind = Literal["cpu", "gpu"]

CHOICES: Mapping[str, tuple[Any, ...]] = {
    "method": tuple(METHODS),
    "dims": (2, 2.5, 3),
    "device": ("cpu", "gpu"),
}
"""The allowed values of each choice."""

NEIGHBOURS = 3
"""Slices that 2.5D takes at once, unless a file says more."""

ACCELERATORS: Mapping[Any, DeviceKind] = {"cpu": "cpu", "cuda": "gpu", "mps": "gpu"}
"""The device that each `training.accelerator` stands for; `auto` stands for none."""


@dataclass(frozen=True)
class Choice:
    """A choice of method, dimensions and device, as the options of `medcycle train` make it.

    Args:
        method: the name of a method; None for the recipe's own.
        dims: 2, 2.5 or 3; None for the recipe's own.
        device: `cpu` or `gpu`, which is also trained on; None where nobody has chosen.
        seen: the kind of device of this machine, which selects variants where `device` is None.

    Raises:
        ConfigError: if a value is not one of `CHOICES`.
    """

    method: str | None = None
    dims: float | None = None
    device: DeviceKind | None = None
    seen: DeviceKind | None = None

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise ConfigError(
                    f"{name}: {quoted(value)} is not available; choose one of {', '.join(map(str, allowed))}"
                )

    @property
    def kind(self) -> DeviceKind | None:
        """The device that a recipe is for: the one chosen, or else the one seen."""
        return self.device or self.seen

    @property
    def flags(self) -> str:
        """What was chosen, as options of the command line."""
        chosen = {name: getattr(self, name) for name in CHOICES}
        return " ".join(f"--{name} {value}" for name, value in chosen.items() if value is not None)

    def filled(self, values: Mapping[str, Any]) -> Choice:
        """This choice, with what sections of a file say where it says nothing."""
        method = self.method or _value(values, "method.name")
        accelerator = _value(values, "training.accelerator")
        return replace(
            self,
            method=method if method in CHOICES["method"] else None,  # a wrong name is told when all is checked
            dims=self.dims or _dims_of(values),
            device=self.device or (ACCELERATORS.get(accelerator) if isinstance(accelerator, str) else None),
        )

    def sections(self, below: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The keys that this choice sets, by section.

        Args:
            below: the sections that they are set above.

        Raises:
            ConfigError: if they are of pictures and dimensions are chosen.
        """
        if self.dims and _value(below, "data.pictures"):
            raise ConfigError(f"--dims {self.dims:g} is for scans, and pictures have two dimensions; leave --dims out")
        chosen: dict[str, dict[str, Any]] = {}
        if self.method:
            chosen["method"] = {"name": self.method}
        if self.dims:
            chosen["network"] = {"spatial_dims": int(self.dims)}
            chosen["data"] = {"slices": self._slices(_value(below, "data.slices"))}
        if self.device == "cpu":
            chosen["training"] = {"accelerator": "cpu"}
        elif self.device and _value(below, "training.accelerator") == "cpu":
            chosen["training"] = {"accelerator": "auto"}
        # what is no section stays as it is, to be told when all is checked
        return {section: keys for section, keys in chosen.items() if isinstance(below.get(section, {}), Mapping)}

    def _slices(self, below: Any) -> int:
        if self.dims != 2.5:
            return 1
        return below if isinstance(below, int) and below > 1 else NEIGHBOURS


def _dims_of(values: Mapping[str, Any]) -> float | None:
    """2, 2.5 or 3, if sections say anything of it."""
    dims, slices = _value(values, "network.spatial_dims"), _value(values, "data.slices")
    if dims == 3:
        return 3
    if isinstance(slices, int) and slices > 1:
        return 2.5
    return None if dims is None and slices is None else 2


def _value(values: Mapping[str, Any], key: str) -> Any:
    """That of a dotted key; None if it is not there, or the section is none."""
    section, _, name = key.partition(".")
    found = values.get(section)
    return found.get(name) if isinstance(found, Mapping) else None
