"""From how far passes are apart to how large errors are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

__all__ = ["Calibration"]

Floats = npt.NDArray[np.float32]

QUANTILES = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1)
"""of the deviations, between which errors are averaged: more of them where deviations are large."""


@dataclass(frozen=True)
class Calibration:
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
    def fit(cls, deviations: Floats, errors: Floats) -> Calibration:
        """Of voxels where the truth is known.

        Args:
            deviations: over passes, HU, shape (voxels,), at least one.
            errors: what is wrong with the result, HU, of the same shape.
        """
        order = np.argsort(deviations)
        ends = np.unique((np.array(QUANTILES) * len(order)).astype(int))
        parts = [order[start:end] for start, end in itertools.pairwise(ends)]
        means = np.array([deviations[part].mean(dtype=np.float64) for part in parts])
        found = np.sqrt([np.square(errors[part], dtype=np.float64).mean() for part in parts])
        means, first = np.unique(means, return_index=True)
        rising = np.maximum.accumulate(found[first])
        return cls(tuple(means.round(3).tolist()), tuple(rising.round(2).tolist()))

    def __call__(self, deviations: Floats) -> Floats:
        """Errors to be expected; beyond the largest deviation that was fitted, they rise in proportion."""
        beyond = np.maximum(deviations / np.float32(max(self.deviation[-1], 1e-6)), 1)
        return cast(Floats, (np.interp(deviations, self.deviation, self.error) * beyond).astype(np.float32))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, from which `of` makes it again."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def of(cls, values: Mapping[str, Sequence[float]]) -> Calibration:
        """What `to_dict` described."""
        return cls(tuple(values["deviation"]), tuple(values["error"]))
