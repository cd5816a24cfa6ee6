"""Invertible intensity maps between real units and the networks' [−1, 1].

Each map is a frozen value with `forward` and `inverse`, and goes into a checkpoint as the plain dictionary of
`to_dict`, from which `map_from_dict` makes it again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from medcycle.errors import DataError
from medcycle.volume import Array

__all__ = ["HounsfieldWindow", "IntensityMap", "MrPercentile", "map_from_dict"]

Floats = npt.NDArray[np.float32]


class IntensityMap(Protocol):
    """A map from real units to [−1, 1] and back."""

    @property
    def background(self) -> float:
        """The value, in real units, of what lies outside the body: maps to −1."""
        ...

    def forward(self, values: Array) -> Floats:
        """Real units to [−1, 1]; what lies beyond the map's range is clipped."""
        ...

    def inverse(self, values: Array) -> Floats:
        """[−1, 1] to real units."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `map_from_dict` makes the map again."""
        ...


@dataclass(frozen=True)
class _Linear:
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.high > self.low):
            raise DataError(f"an intensity range needs low < high, not {self.low} to {self.high}")

    @property
    def background(self) -> float:
        """The value, in real units, of what lies outside the body: maps to −1."""
        return self.low

    def forward(self, values: Array) -> Floats:
        """Real units to [−1, 1]; what lies beyond the range is clipped."""
        scaled = (values.astype(np.float32) - np.float32(self.low)) * np.float32(2 / (self.high - self.low))
        return cast(Floats, np.clip(scaled - np.float32(1), -1, 1))

    def inverse(self, values: Array) -> Floats:
        """[−1, 1] to real units; what lies beyond [−1, 1] is clipped."""
        clipped = np.clip(values.astype(np.float32), -1, 1)
        return cast(Floats, (clipped + 1) * np.float32((self.high - self.low) / 2) + np.float32(self.low))

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `map_from_dict` makes the map again."""
        return {"kind": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class HounsfieldWindow(_Linear):
    """A linear window of Hounsfield units, `low` to `high`.

    >>> window = HounsfieldWindow(-1024, 3000)
    >>> float(window.inverse(window.forward(np.array([40.0])))[0])
    40.0
    """


@dataclass(frozen=True)
class MrPercentile(_Linear):
    """A linear map of MR signal (arbitrary units) from `low` = 0 signal to `high` = an upper percentile in the body."""

    @classmethod
    def fit(cls, values: Array, mask: Array, percentile: float = 99.5) -> MrPercentile:
        """Fit to one MR volume.

        Args:
            values: signal, any shape.
            mask: boolean body mask of the same shape.
            percentile: the percentile of the signal in the body that maps to +1, in (0, 100].

        Raises:
            DataError: if the body is empty or its signal constant.
        """
        inside = values[mask]
        if inside.size == 0:
            raise DataError("no body found in the MR: the mask is empty; check that the volume shows a patient")
        low, high = min(0.0, float(inside.min())), float(np.percentile(inside, percentile))
        if not high > low:
            raise DataError(f"the MR's signal in the body is constant ({high:g}); check the export")
        return cls(low, high)


MAPS = {kind.__name__: kind for kind in (HounsfieldWindow, MrPercentile)}


def map_from_dict(values: dict[str, Any]) -> IntensityMap:
    """Make the map that `to_dict` described.

    Raises:
        DataError: if the kind is unknown.
    """
    kind = MAPS.get(values["kind"])
    if kind is None:
        raise DataError(f"unknown intensity map {values['kind']!r}; known: {', '.join(MAPS)}")
    return kind(**{name: value for name, value in values.items() if name != "kind"})
