"""Signed distances (mm, negative inside), smooth unions and random fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from medcycle.phantom.tissue import Tissue

__all__ = [
    "Capsule",
    "Ellipsoid",
    "Field",
    "Point",
    "Shape",
    "Waves",
    "capsule",
    "ellipsoid",
    "logistic",
    "smooth_maximum",
    "smooth_minimum",
]

Field = npt.NDArray[Any]
"""One float32 value a voxel of a block."""

Point = tuple[float, float, float]


class Waves:
    """A stationary random field of unit variance: a sum of plane waves of one length (mm) in random directions."""

    def __init__(self, rng: np.random.Generator, wavelength: float, count: int) -> None:
        directions = rng.normal(size=(count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        self.vectors = (2 * np.pi / wavelength * directions).astype(np.float32)
        self.phases = rng.uniform(0, 2 * np.pi, count).astype(np.float32)

    def at(self, x: Field, y: Field, z: Field) -> Field:
        """The field's values at positions, mm."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for (a, b, c), phase in zip(self.vectors, self.phases, strict=True):
            total += np.cos(a * x + b * y + (c * z + phase))
        return total * np.float32(np.sqrt(2 / len(self.phases)))


class Ellipsoid(NamedTuple):
    """An ellipsoid along the axes of head space."""

    tissue: Tissue
    centre: Point
    radii: Point

    @property
    def bounds(self) -> tuple[Point, float]:
        """Centre and radius of a ball around it."""
        return self.centre, max(self.radii)

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        """Signed distance of positions, mm."""
        return ellipsoid(x, y, z, self.centre, self.radii)

    def changed(self, side: int, scale: Sequence[float], shift: npt.NDArray[np.float64]) -> Ellipsoid:
        """On the left or right (`side` is −1 or 1), each radius scaled, moved by `shift`."""
        a, b, c = (float(r * s) for r, s in zip(self.radii, scale, strict=True))
        return Ellipsoid(self.tissue, _moved(self.centre, side, shift), (a, b, c))


class Capsule(NamedTuple):
    """A tube with round ends whose radius runs from the first of `radii` at `start` to the second at `end`."""

    tissue: Tissue
    start: Point
    end: Point
    radii: tuple[float, float]

    @property
    def bounds(self) -> tuple[Point, float]:
        """Centre and radius of a ball around it."""
        a, b = np.array(self.start), np.array(self.end)
        x, y, z = (a + b) / 2
        return (x, y, z), float(np.linalg.norm(b - a) / 2 + max(self.radii))

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        """Signed distance of positions, mm."""
        return capsule(x, y, z, self.start, self.end, self.radii)

    def changed(self, side: int, scale: Sequence[float], shift: npt.NDArray[np.float64]) -> Capsule:
        """On the left or right (`side` is −1 or 1), each radius scaled, moved by `shift`."""
        a, b = (float(r * s) for r, s in zip(self.radii, scale, strict=True))
        return Capsule(self.tissue, _moved(self.start, side, shift), _moved(self.end, side, shift), (a, b))


Shape = Ellipsoid | Capsule


def ellipsoid(x: Field, y: Field, z: Field, centre: Point, radii: Point) -> Field:
    """Distance to an ellipsoid, first order around its surface: k (k − 1) / |∇k²/2| with k = |p / radii|."""
    u, v, w = ((q - c) / r for q, c, r in zip((x, y, z), centre, radii, strict=True))
    level = np.sqrt(u * u + v * v + w * w)
    gradient = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2)
    result: Field = level * (level - 1) / (gradient + np.float32(1e-6))
    return result


def capsule(x: Field, y: Field, z: Field, start: Point, end: Point, radii: tuple[float, float]) -> Field:
    """Distance to a tube whose radius runs from the first of `radii` at `start` to the second at `end`."""
    axis = [e - s for s, e in zip(start, end, strict=True)]
    x, y, z = x - start[0], y - start[1], z - start[2]
    length2 = sum(a * a for a in axis)
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / length2, 0, 1)
    off2 = (x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2
    result: Field = np.sqrt(off2) - (radii[0] + (radii[1] - radii[0]) * along)
    return result


def smooth_minimum(a: Field, b: Field, width: float) -> Field:
    """The union of two solids with a fillet of about `width` mm (the polynomial form of I. Quilez)."""
    h = np.maximum(width - np.abs(a - b), 0) / width
    result: Field = np.minimum(a, b) - h * h * (width / 4)
    return result


def smooth_maximum(a: Field, b: Field, width: float) -> Field:
    """The intersection of two solids with a rounding of about `width` mm."""
    return -smooth_minimum(-a, -b, width)


def logistic(x: Field) -> Field:
    """A smooth step from 0 to 1 around 0."""
    result: Field = 1 / (1 + np.exp(-np.clip(x, -30, 30)))
    return result


def _moved(point: Point, side: int, shift: npt.NDArray[np.float64]) -> Point:
    x, y, z = np.multiply(point, (side, 1, 1)) + shift
    return float(x), float(y), float(z)
