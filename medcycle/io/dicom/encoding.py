"""How real units become the unsigned integers that DICOM pixels hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medcycle.volume import Array, Volume

__all__ = ["HU_RANGE", "Encoding", "hounsfield_encoding", "signal_encoding"]

HU_RANGE = (-1024, 3071)
"""What 12 bits hold with an intercept of −1024."""

SIGNAL_BITS = 15
"""MR signal fills these of 16 bits: programs that take pixels for signed integers read it too."""


@dataclass(frozen=True)
class Encoding:
    """Real values, clipped to [`low`, `high`], times `factor` plus `offset`, rounded.

    Args:
        low: least value, real units; also what lies outside of a resampled volume.
        high: largest value, real units.
        factor: stored steps a real unit, a power of two.
        offset: the stored value of zero.
        bits: BitsStored.
    """

    low: float
    high: float
    factor: float
    offset: int
    bits: int

    def clip(self, values: Array) -> Array:
        """The values as float32 within the range."""
        return values.astype(np.float32).clip(self.low, self.high)

    def stored(self, clipped: Array) -> Array:
        """Unsigned 16-bit pixels of clipped values."""
        return (np.rint(clipped * np.float32(self.factor)) + np.float32(self.offset)).astype(np.uint16)


def hounsfield_encoding() -> Encoding:
    """HU in 12 bits, one step a unit."""
    return Encoding(*HU_RANGE, factor=1.0, offset=-HU_RANGE[0], bits=12)


def signal_encoding(volume: Volume) -> Encoding:
    """MR signal: the power of two that brings the largest value to between 2^14 and 2^15.

    No value then moves by more than 1/16384 of the largest. Negative signal, which a magnitude image does not
    have, is clipped to 0.

    Args:
        volume: finite signal, arbitrary units.
    """
    largest = float(volume.array.max())
    # frexp: largest = m · 2^exponent with 0.5 ≤ m < 1; the rounded maximum must stay below 2^15.
    exponent = math.frexp(largest)[1] if largest > 0 else SIGNAL_BITS
    factor = 2.0 ** (SIGNAL_BITS - exponent)
    return Encoding(0.0, (2**SIGNAL_BITS - 1) / factor, factor=factor, offset=0, bits=16)
