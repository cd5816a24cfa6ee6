"""Invertible intensity maps between real units and the networks' [−1, 1].

Each map is a frozen value with `forward` and `inverse`, and goes into a checkpoint as the plain dictionary of
`to_dict`, from which `map_from_dict` makes it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

from medcycle.errors import DataError
from medcycle.volume import Array

__all__ = [
    "HounsfieldCurve",
    "HounsfieldWindow",
    "IntensityMap",
    "MrLandmarks",
    "MrPercentile",
    "MrZScore",
    "map_from_dict",
    "typical_map",
]

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


@dataclass(frozen=True)
class MrLandmarks:
    """A piecewise linear map of MR signal that brings the deciles of a volume to those of a cohort.

    Histogram standardisation as of Nyúl and Udupa 1999 ("On standardizing the MR image intensity scale", Magn Reson Med
    42:1072), with the ends of `MrPercentile` and the nine deciles of the signal in the body as landmarks.

    Args:
        signal: the volume's landmarks, arbitrary units, rising.
        mapped: where they go in [−1, 1], rising; the same for all volumes of a cohort.
    """

    signal: tuple[float, ...]
    mapped: tuple[float, ...]

    DECILES: ClassVar[tuple[float, ...]] = tuple(range(10, 100, 10))

    def __post_init__(self) -> None:
        rising = all((np.diff(landmarks) > 0).all() for landmarks in (self.signal, self.mapped))
        if not (rising and len(self.signal) == len(self.mapped) > 1 and self.mapped[0] >= -1 and self.mapped[-1] <= 1):
            raise DataError(f"landmarks need two equally long rows of rising values, the second in [-1, 1], not {self}")

    @classmethod
    def landmarks_of(cls, values: Array, mask: Array, percentile: float = 99.5) -> tuple[float, ...]:
        """The landmarks of one MR volume; arguments and errors as of `MrPercentile.fit`."""
        ends = MrPercentile.fit(values, mask, percentile)
        deciles = np.clip(np.percentile(values[mask], cls.DECILES), ends.low, ends.high)
        # a volume of few grey values has the same decile several times
        apart = np.linspace(0, 1e-4, len(deciles) + 2) * (ends.high - ends.low)
        return tuple((np.array([ends.low, *deciles, ends.high]) + apart).tolist())

    @classmethod
    def standard_of(cls, cohort: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
        """Where the landmarks of a cohort's volumes go: the mean of what each one's `MrPercentile` makes of them."""
        bottom = MrPercentile.bottom
        scaled = [bottom + (1 - bottom) * (np.array(one) - one[0]) / (one[-1] - one[0]) for one in cohort]
        return tuple(np.mean(scaled, axis=0).tolist())

    def forward(self, values: Array) -> Floats:
        """Signal to [−1, 1]; what lies beyond the outer landmarks is clipped."""
        return np.interp(values, self.signal, self.mapped).astype(np.float32)

    def inverse(self, values: Array) -> Floats:
        """[−1, 1] to signal; what lies beyond the outer landmarks is clipped."""
        return np.interp(values, self.mapped, self.signal).astype(np.float32)

    @property
    def corners(self) -> tuple[list[float], list[float]]:
        """The landmarks: signal, and their values in [−1, 1]."""
        return list(self.signal), list(self.mapped)

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `map_from_dict` makes the map again."""
        return {"kind": type(self).__name__, "signal": list(self.signal), "mapped": list(self.mapped)}


def _signal_in(values: Array, mask: Array) -> Array:
    inside = values[mask]
    if inside.size == 0:
        raise DataError("no body found in the MR: the mask is empty; check that the volume shows a patient")
    return inside


MAPS: dict[str, type[IntensityMap]] = {
    kind.__name__: kind for kind in (HounsfieldCurve, HounsfieldWindow, MrLandmarks, MrPercentile, MrZScore)
}


def map_from_dict(values: dict[str, Any]) -> IntensityMap:
    """Make the map that `to_dict` described.

    Raises:
        DataError: if the kind is unknown.
    """
    kind = MAPS.get(values["kind"])
    if kind is None:
        raise DataError(f"unknown intensity map {values['kind']!r}; known: {', '.join(MAPS)}")
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    del arguments["kind"]
    return kind(**arguments)


def typical_map(maps: Sequence[IntensityMap]) -> IntensityMap:
    """The map whose real units are the medians of those of several maps of one kind."""
    plain = [item.to_dict() for item in maps]
    ends = ("signal",) if isinstance(maps[0], MrLandmarks) else ("low", "high")
    return map_from_dict(plain[0] | {end: np.median([item[end] for item in plain], axis=0).tolist() for end in ends})
