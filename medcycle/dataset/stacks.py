"""Prepared volumes as stacks of slices across one of their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from medcycle.dataset.store import StoredCase
from medcycle.errors import DataError
from medcycle.patch_geometry import ACROSS, AXES, Plane, neighbours
from medcycle.volume import Array

__all__ = ["SliceStack", "neighbours", "stacks_of"]


@dataclass(frozen=True)
class SliceStack:
    """A case as slices across an axis.

    Args:
        case: the case.
        axis: the axis.
        positions: the numbers of the slices that show enough of a body.
        sided: whether the slices' first axis is right to left.
    """

    case: StoredCase
    axis: int
    positions: list[int]
    sided: bool

    @cached_property
    def image(self) -> Array:
        """As of `StoredCase`, the slices along the last axis."""
        return np.moveaxis(self.case.image, self.axis, ACROSS)

    @cached_property
    def body(self) -> Array:
        """Booleans of the image's shape."""
        return np.moveaxis(self.case.body, self.axis, ACROSS)

    @property
    def spacing(self) -> float:
        """From slice to slice, mm."""
        return float(np.linalg.norm(np.array(self.case.record.affine)[:3, self.axis]))

    def chances(self, bone_air_sampling: float) -> npt.NDArray[np.float32]:
        """The chance that a slice up to each of the positions is drawn: rising, 1 at the end.

        Args:
            bone_air_sampling: how far slices of a CT are drawn by how much bone and air they show, where that is known.
        """
        weights = np.ones(len(self.positions))
        if self.axis == ACROSS and self.case.record.detail:
            detail = np.array(self.case.record.detail)[self.positions] + 1e-6
            weights = (1 - bone_air_sampling) + bone_air_sampling * detail / detail.mean()
        chances = np.cumsum(weights)
        return np.asarray(chances / chances[-1], dtype=np.float32)


def stacks_of(cases: Sequence[StoredCase], plane: Plane, min_body_fraction: float) -> list[SliceStack]:
    """The stacks that are trained on: of each case one, or of all planes three.

    Args:
        cases: prepared volumes.
        plane: that of the slices.
        min_body_fraction: slices with less of their area in the body than this are left out.

    Raises:
        DataError: if no slice shows enough of a body.
    """
    stacks = []
    for case in cases:
        for axis in (0, 1, 2) if plane == "all" else (ACROSS,):
            fractions = np.asarray(case.record.body_fraction)
            if axis != ACROSS:
                fractions = np.asarray(case.body).mean(axis=tuple({0, 1, 2} - {axis}))
            positions = np.flatnonzero(fractions > min_body_fraction).tolist()
            sided = axis != AXES[plane].index("R")
            if positions:
                stacks.append(SliceStack(case, axis, positions, sided))
    if not stacks:
        raise DataError(
            f"no slice has more than {min_body_fraction:.0%} of its area in the body; "
            "lower data.min_body_fraction, or check the volumes"
        )
    return stacks
