"""Invertible intensity maps between real units and the networks' [−1, 1].

Each map is a frozen value with `forward` and `inverse`, and goes into a checkpoint as the plain dictionary of
`to_dict`, from which `map_from_dict` makes it again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

from medcycle.errors import DataError
from medcycle.volume import Array

__all__ = ["HounsfieldCurve", "HounsfieldWindow", "IntensityMap", "MrPercentile", "MrZScore", "map_from_dict"]

Floats = npt.NDArray[np.float32]


class IntensityMap(Protocol):
    """A map from real units to [−1, 1] and back."""

    def forward(self, values: Array) -> Floats:
        """Real units to [−1, 1]; what lies beyond the map's range is clipped."""
        ...

    def inverse(self, values: Array) -> Floats:
        """[−1, 1] to real units."""
        ...

    @property
    def corners(self) -> tuple[list[float], list[float]]:
        """Where the map bends, ends included: real units, and their values in [−1, 1]."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `map_from_dict` makes the map again."""
        ...


@dataclass(frozen=True)
class _Linear:
    low: float
    high: float
    bottom: float = -1.0

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.high > self.low):
            raise DataError(f"an intensity range needs low < high, not {self.low} to {self.high}")
        if not -1 <= self.bottom < 1:
            raise DataError(f"an intensity range starts in [-1, 1), not at {self.bottom}")

    @property
    def _gain(self) -> float:
        return (1 - self.bottom) / (self.high - self.low)

    def forward(self, values: Array) -> Floats:
        """Real units to [`bottom`, 1]; what lies beyond the range is clipped."""
        scaled = (values.astype(np.float32) - np.float32(self.low)) * np.float32(self._gain)
        return cast(Floats, np.clip(scaled + np.float32(self.bottom), self.bottom, 1))

    def inverse(self, values: Array) -> Floats:
        """[`bottom`, 1] to real units; what lies beyond is clipped."""
        clipped = np.clip(values.astype(np.float32), self.bottom, 1)
        return cast(Floats, (clipped - np.float32(self.bottom)) / np.float32(self._gain) + np.float32(self.low))

    @property
    def corners(self) -> tuple[list[float], list[float]]:
        """The map's ends: real units, and their values in [−1, 1]."""
        return [self.low, self.high], [self.bottom, 1]

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
class HounsfieldCurve:
    """A window of Hounsfield units in which soft tissue gets more than its share of [−1, 1].

    Piecewise linear with four corners: `low`, the two ends of soft tissue, and `high`. Soft tissue takes `share` of the
    range; air and bone divide the rest in proportion to their widths in HU.

    Args:
        low: HU that maps to −1.
        high: HU that maps to 1.
        soft_low: lower end of soft tissue, HU, above `low`.
        soft_high: its upper end, HU, below `high`.
        share: its part of [−1, 1], in (0, 1).

    >>> curve = HounsfieldCurve(-1000, 1800, -200, 200, share=0.5)
    >>> curve.forward(np.array([-1000, -200, 200, 1800])).round(3).tolist()
    [-1.0, -0.667, 0.333, 1.0]
    """

    low: float
    high: float
    soft_low: float
    soft_high: float
    share: float

    def __post_init__(self) -> None:
        if not self.low < self.soft_low < self.soft_high < self.high or not 0 < self.share < 1:
            raise DataError(f"a HU curve needs low < soft_low < soft_high < high and a share in (0, 1), not {self}")

    def forward(self, values: Array) -> Floats:
        """Real units to [−1, 1]; what lies beyond the window is clipped."""
        return np.interp(values, *self.corners).astype(np.float32)

    def inverse(self, values: Array) -> Floats:
        """[−1, 1] to real units; what lies beyond [−1, 1] is clipped."""
        hounsfield, mapped = self.corners
        return np.interp(values, mapped, hounsfield).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `map_from_dict` makes the map again."""
        return {"kind": type(self).__name__, **asdict(self)}

    @property
    def corners(self) -> tuple[list[float], list[float]]:
        """Where the map bends, ends included: real units, and their values in [−1, 1]."""
        air, bone = self.soft_low - self.low, self.high - self.soft_high
        first = -1 + 2 * (1 - self.share) * air / (air + bone)
        return [self.low, self.soft_low, self.soft_high, self.high], [-1, first, first + 2 * self.share, 1]


@dataclass(frozen=True)
class MrPercentile(_Linear):
    """A linear map of MR signal (arbitrary units): `low`, no signal, to `bottom`; `high`, a high percentile, to 1.

    `bottom` lies above −1, which is left to what is outside the body: a network can tell bone, which gives no signal
    but is part of the head, from the air around it.
    """

    bottom: float = -0.8

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
        inside = _signal_in(values, mask)
        low, high = min(0.0, float(inside.min())), float(np.percentile(inside, percentile))
        if not high > low:
            raise DataError(f"the MR's signal in the body is constant ({high:g}); check the export")
        return cls(low, high)


@dataclass(frozen=True)
class MrZScore(_Linear):
    """A linear map of MR signal that brings mean ± `SPREAD` standard deviations in the body to [`bottom`, 1]."""

    bottom: float = -0.8

    SPREAD: ClassVar[float] = 3.0

    @classmethod
    def fit(cls, values: Array, mask: Array) -> MrZScore:
        """Fit to one MR volume; arguments and errors as of `MrPercentile.fit`."""
        inside = _signal_in(values, mask)
        mean, spread = float(inside.mean(dtype=np.float64)), float(inside.std(dtype=np.float64))
        if not spread > 0:
            raise DataError(f"the MR's signal in the body is constant ({mean:g}); check the export")
        return cls(mean - cls.SPREAD * spread, mean + cls.SPREAD * spread)


def _signal_in(values: Array, mask: Array) -> Array:
    inside = values[mask]
    if inside.size == 0:
        raise DataError("no body found in the MR: the mask is empty; check that the volume shows a patient")
    return inside


MAPS: dict[str, type[IntensityMap]] = {
    kind.__name__: kind for kind in (HounsfieldCurve, HounsfieldWindow, MrPercentile, MrZScore)
}


def map_from_dict(values: dict[str, Any]) -> IntensityMap:
    """Make the map that `to_dict` described.

    Raises:
        DataError: if the kind is unknown.
    """
    kind = MAPS.get(values["kind"])
    if kind is None:
        raise DataError(f"unknown intensity map {values['kind']!r}; known: {', '.join(MAPS)}")
    return kind(**{name: value for name, value in values.items() if name != "kind"})
