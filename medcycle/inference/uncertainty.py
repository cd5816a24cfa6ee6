"""From how far passes are apart to how large errors are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.optimize import isotonic_regression

from medcycle.evaluation.surfaces import depths
from medcycle.volume import Array, Grid

__all__ = ["AROUND", "CLASSES", "Calibration", "Curve", "classes_of", "smoothed"]

Floats = npt.NDArray[np.float32]

QUANTILES = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1)
"""of the deviations, between which errors are averaged: more of them where deviations are large."""

TENTHS = tuple(np.linspace(0, 1, 11).tolist())
"""The same, of the deviations of one class."""

AROUND = 4.0
"""How far (mm) from the body's outline voxels belong to the skin layer, inside, and have an expected error, outside."""

DEPTHS = (-AROUND, -AROUND / 2, 0.0, AROUND / 2, AROUND)
"""mm; the layers at the outline lie between them."""

HOUNSFIELD = (-400.0, 250.0, 1000.0)
"""HU of the synthetic CT between air, soft tissue, bone and dense bone."""

CLASSES = (
    "outside_2_to_4_mm",
    "outside_0_to_2_mm",
    "skin_0_to_2_mm",
    "skin_2_to_4_mm",
    "air",
    "soft_tissue",
    "bone",
    "dense_bone",
)
"""What is calibrated by itself: layers at the body's outline, and tissues deeper in the body."""

SMOOTHING = 1.0
"""Standard deviation, in pixels of a slice, of the Gaussian that deviations are averaged with: where the network is
unsure of an edge, errors reach farther than the voxels that the passes disagree on."""

SLAB = 16
"""Slices whose errors are looked up at once."""

SMALLEST = 1e-4
"""HU², in place of a mean square error of 0."""

LEAST = 1000
"""Voxels of a class, with fewer of which it has no curve of its own."""


@dataclass(frozen=True)
class Curve:
    """The root mean square error that goes with a standard deviation over passes, HU.

    A curve and not a factor: errors rise much slower than deviations (Laves et al. 2020, "Well-calibrated regression
    uncertainty in medical imaging with deep learning", scale by one factor).

    Args:
        deviation: rising, HU.
        error: not falling, HU, of each of them.
    """

    deviation: tuple[float, ...]
    error: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        deviations: Floats,
        errors: Floats,
        scans: Array | None = None,
        quantiles: tuple[float, ...] = QUANTILES,
    ) -> Self:
        """Of voxels where the truth is known: isotonic regression on the mean square errors of groups of voxels.

        That of a group is the geometric mean of those of the scans, weighted by their voxels in the group: typical of
        a scan, so that one failed scan doesn't dominate. It lies below the mean square error of all voxels together.

        Args:
            deviations: over passes, HU, shape (voxels,), at least one.
            errors: what is wrong with the result, HU, of the same shape.
            scans: the number of the scan that a voxel is of, of the same shape; all are of one by default.
            quantiles: of the deviations; the groups lie between them.
        """
        of = np.zeros(len(deviations), dtype=np.int64) if scans is None else scans
        order = np.argsort(deviations)
        ends = np.unique((np.array(quantiles) * len(order)).astype(int))
        parts = [order[start:end] for start, end in itertools.pairwise(ends)]
        means = np.array([deviations[part].mean(dtype=np.float64) for part in parts]).round(3)
        squares = np.array([_usual_square(errors[part], of[part]) for part in parts])
        means, group = np.unique(means, return_inverse=True)
        counts = np.bincount(group, [len(part) for part in parts])
        squares = np.bincount(group, squares * [len(part) for part in parts]) / counts
        rising = np.sqrt(isotonic_regression(squares, weights=counts).x)
        return cls(tuple(means.tolist()), tuple(rising.round(2).tolist()))

    def __call__(self, deviations: Floats) -> Floats:
        """Errors to be expected; beyond the largest deviation that was fitted, they rise in proportion."""
        beyond = np.maximum(deviations / np.float32(max(self.deviation[-1], 1e-6)), 1)
        return cast(Floats, (np.interp(deviations, self.deviation, self.error) * beyond).astype(np.float32))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"deviation": list(self.deviation), "error": list(self.error)}


@dataclass(frozen=True)
class Calibration(Curve):
    """Expected errors of a model: a curve for each class of voxels, and one for all of the body.

    The class of a voxel is that of the synthetic CT, since the true one is not known; see `classes_of`. Calibrations
    of older versions have the curve of the whole body alone.

    Args:
        classes: by the names of `CLASSES`, those that there were enough voxels of.
    """

    classes: Mapping[str, Curve] = field(default_factory=dict)

    @property
    def by_class(self) -> bool:
        """Whether there are curves of classes, which count a pass with slices in reverse order; older ones don't."""
        return bool(self.classes)

    @property
    def knows_outside(self) -> bool:
        """Whether errors around the body are known."""
        return any(name.startswith("outside") for name in self.classes)

    @classmethod
    def fit_classes(cls, deviations: Floats, errors: Floats, classes: Array, scans: Array | None = None) -> Self:
        """Of voxels where the truth is known.

        Args:
            deviations: over passes, `smoothed`, HU, shape (voxels,); some of them in the body.
            errors: what is wrong with the result, HU, of the same shape.
            classes: those of `classes_of`, of the same shape; negative ones don't count.
            scans: as of `fit`.
        """
        of = np.zeros(len(deviations), dtype=np.int64) if scans is None else scans
        inside = classes >= CLASSES.index("skin_0_to_2_mm")
        whole = cls.fit(deviations[inside], errors[inside], of[inside])
        curves = {}
        for number, name in enumerate(CLASSES):
            own = classes == number
            if np.count_nonzero(own) >= LEAST:
                curves[name] = Curve.fit(deviations[own], errors[own], of[own], TENTHS)
        return cls(whole.deviation, whole.error, curves)

    def of_volume(self, hounsfield: Floats, deviations: Floats, body: Array, grid: Grid) -> Floats:
        """Errors to be expected of a synthetic CT, HU.

        Args:
            hounsfield: the synthetic CT, HU, on the grid of the prepared source, slices along the last axis.
            deviations: over passes, HU, of the same shape.
            body: boolean mask of the body in the source, of the same shape.
            grid: where the voxels are.

        Returns:
            Of the same shape. By class it is not 0 up to `AROUND` mm outside the body, if that is known.
        """
        if not self.by_class:
            return self(deviations)
        depth, made = depths(body, grid), np.empty(body.shape, dtype=np.float32)
        for first in range(0, body.shape[2], SLAB):
            slab = np.s_[:, :, first : first + SLAB]
            made[slab] = self.expected(smoothed(deviations[slab]), classes_of(hounsfield[slab], depth[slab]))
        return made

    def expected(self, deviations: Floats, classes: Array) -> Floats:
        """Errors to be expected, HU.

        Args:
            deviations: over passes, `smoothed`, HU, any shape.
            classes: those of `classes_of`, of the same shape.

        Returns:
            Of the same shape; 0 far outside the body, and outside it if nothing is known of it.
        """
        made = np.zeros(deviations.shape, dtype=np.float32)
        for number, name in enumerate(CLASSES):
            own = classes == number
            outside = name.startswith("outside")
            if not own.any() or (outside and name not in self.classes):
                continue
            made[own] = self.classes.get(name, self)(deviations[own])
        return made

    def to_dict(self) -> dict[str, Any]:
        """Plain values, from which `of` makes it again."""
        values = super().to_dict()
        if self.classes:
            values["classes"] = {name: curve.to_dict() for name, curve in self.classes.items()}
        return values

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Calibration:
        """What `to_dict` described."""
        curves = {name: Curve(tuple(one["deviation"]), tuple(one["error"])) for name, one in _classes(values).items()}
        return cls(tuple(values["deviation"]), tuple(values["error"]), curves)


def _usual_square(errors: Floats, scans: Array) -> float:
    """The geometric mean over scans of their mean square errors, HU², weighted by how many voxels they have."""
    numbers, own, counts = np.unique(scans, return_inverse=True, return_counts=True)
    means = np.bincount(own, np.square(errors, dtype=np.float64), len(numbers)) / counts
    return float(np.exp(np.average(np.log(np.maximum(means, SMALLEST)), weights=counts)))


def _classes(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return values.get("classes") or {}


def smoothed(deviations: Floats) -> Floats:
    """Standard deviations of an image as root mean squares over neighbouring pixels of its slices.

    Args:
        deviations: HU, slices along the last axis.
    """
    squares = ndimage.gaussian_filter(np.square(deviations), (SMOOTHING, SMOOTHING, 0))
    return cast(Floats, np.sqrt(np.maximum(squares, 0)))


def classes_of(hounsfield: Floats, depth: Floats) -> npt.NDArray[np.int8]:
    """The class of each voxel of a synthetic CT.

    Args:
        hounsfield: the synthetic CT, HU.
        depth: below the body's outline in the source, mm, negative outside it; of the same shape.

    Returns:
        Places in `CLASSES`, of the same shape; −1 for voxels farther outside than `AROUND`.
    """
    layers = len(DEPTHS) - 1
    layer = np.digitize(depth, DEPTHS) - 1  # -1: far outside; 4: deeper in the body
    tissue = layers + np.digitize(hounsfield, HOUNSFIELD)
    return np.where(layer < layers, layer, tissue).astype(np.int8)
