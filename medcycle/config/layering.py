"""Values from several places, one above the other: a base, a file, what is set by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from medcycle.config.sections import KINDS, Config

__all__ = ["GENERATED", "Layered"]

DEFAULTS = -1
"""The layer of what nobody has set."""

GENERATED = -2
"""That of what nobody has set by hand, as a plan, or what a run has stored: no key in it is a mistake of the user."""


class Layered:
    """Values of a configuration, and the layer that each key comes from.

    Attributes:
        values: sections and their keys.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._layers: dict[str, int] = {}

    def lay(self, values: Mapping[str, Any], layer: int) -> None:
        """Put values above those that are there; other keys of their sections stay."""
        for section, given in values.items():
            if isinstance(given, Mapping) and isinstance(self.values.get(section), dict):
                self.values[section].update(deepcopy(dict(given)))
            else:
                self.values[section] = deepcopy(given)
            if isinstance(given, Mapping):
                self._layers |= {f"{section}.{key}": layer for key in given}

    def set(self, section: str, value: Any, layer: int) -> None:
        """Put a value in place of a whole section."""
        self.values.pop(section, None)
        self.lay({section: value}, layer)

    def drop(self, key: str) -> None:
        """Leave out a dotted key."""
        section, _, name = key.partition(".")
        del self.values[section][name]

    def is_below(self, key: str, others: Iterable[str]) -> bool:
        """Whether a dotted key is from a lower layer than the highest of some others."""
        return self._layer(key) < max(DEFAULTS, *map(self._layer, others))

    def drop_other_kinds(self) -> None:
        """Leave out what the method or the network doesn't have but another one has, if it is from below its name."""
        for key in [*self._of_other_kinds()]:
            if self.is_below(key, [f"{key.partition('.')[0]}.name"]):
                self.drop(key)

    def _of_other_kinds(self) -> Iterator[str]:
        for section, kinds in KINDS.items():
            values = self.values.get(section)
            if not isinstance(values, dict):
                continue
            kind = kinds.get(str(values.get("name", Config.model_fields[section].default.name)))
            own = kind.model_fields if kind else values
            for key in [*values]:
                if key not in own and any(key in other.model_fields for other in kinds.values()):
                    yield f"{section}.{key}"

    def _layer(self, key: str) -> int:
        section, _, name = key.partition(".")
        values = self.values.get(section)
        return self._layers[key] if isinstance(values, dict) and name in values else DEFAULTS
