"""Several translations of one volume as one, and how far they are from each other."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import numpy.typing as npt

__all__ = ["Fusion"]

Floats = npt.NDArray[np.float32]

SLAB = 8
"""Planes of which a median is taken at once."""


class Fusion:
    """Takes results one after the other; of medians all are kept, on disk, until the block ends.

    Args:
        kind: whether voxels get the mean or the median.
        spread: whether their standard deviation is wanted.

    Attributes:
        counted: how many went into the mean or median.
    """

    def __init__(self, kind: Literal["mean", "median"], *, spread: bool) -> None:
        self.kind = kind
        self._spread = spread
        self._files: list[Path] = []
        self._folder = tempfile.TemporaryDirectory(prefix="medcycle-") if kind == "median" else None
        self._fused: Floats | None = None
        self._mean: Floats | None = None
        self._squares: Floats | None = None
        self.counted = 0
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder:
            self._folder.cleanup()

    def add(self, values: Floats, *, counts: bool = True) -> None:
        """One more; with `counts` false it goes into the standard deviation alone."""
        if self._spread:  # Welford 1962
            if self._mean is None or self._squares is None:
                self._mean, self._squares = np.zeros_like(values), np.zeros_like(values)
            self._seen += 1
            change = values - self._mean
            self._mean += change / np.float32(self._seen)
            self._squares += change * (values - self._mean)
        if not counts:
            return
        self.counted += 1
        if self._folder:
            self._files.append(Path(self._folder.name, f"{self.counted}.npy"))
            np.save(self._files[-1], values)
        elif self._fused is None:
            self._fused = values
        else:
            self._fused = self._fused + (values - self._fused) / np.float32(self.counted)

    def volume(self) -> Floats:
        """The mean or the median of what counts. Raises `ValueError` if there is none."""
        if self._files:
            stored = [np.load(file, mmap_mode="r") for file in self._files]
            fused = self._fused = np.empty(stored[0].shape, dtype=np.float32)
            for first in range(0, fused.shape[2], SLAB):
                slab = np.s_[:, :, first : first + SLAB]
                fused[slab] = np.median([part[slab] for part in stored], axis=0)
        if self._fused is None:
            raise ValueError("nothing to fuse")
        return self._fused

    def deviation(self) -> Floats | None:
        """The standard deviation (of a sample) of all; None if it was not wanted, or there is one volume alone."""
        if self._squares is None or self._seen < 2:
            return None
        return cast(Floats, np.sqrt(self._squares / np.float32(self._seen - 1)))
