"""The ways a prepared image can go through a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from medcycle.body import Modality
from medcycle.patch_geometry import ACROSS, PatchGeometry

__all__ = ["SHIFTS", "Pass", "passes_of", "probes_of", "with_flips_and_shifts"]

SHIFTS = (0, 2, 1, 3)
"""Voxels, in the order they are taken: generators halve their input twice, so that 4 are none again."""

GAMMAS = (0.6, 1.6)
"""Exponents of an MR's grey values that a result should not depend on."""


@dataclass(frozen=True)
class Pass:
    """One of several ways to take an image through a network.

    Args:
        across: of 2D networks, the axis that slices lie across.
        mirrored: whether right and left are exchanged before, and back after.
        shift: voxels that the grid of the network's strides is moved by.
        gamma: exponent of the grey values, taken from 0 at the bottom of MR's range to 1.
        in_reverse: whether slices are taken in reverse order, and put back after.
    """

    across: int = ACROSS
    mirrored: bool = False
    shift: int = 0
    gamma: float = 1.0
    in_reverse: bool = False


def passes_of(geometry: PatchGeometry) -> list[Pass]:
    """The passes that a network is trained for: one, or with slices of all planes one a plane."""
    return [Pass(axis) for axis in geometry.stacked_along]


def with_flips_and_shifts(geometry: PatchGeometry, *, flips: bool, shifts: int) -> Iterator[Pass]:
    """Those passes, each also mirrored, and each with so many of `SHIFTS`."""
    for one in passes_of(geometry):
        for mirrored in (False, True) if flips and _can_be_mirrored(one, geometry) else (False,):
            yield from (replace(one, mirrored=mirrored, shift=shift) for shift in SHIFTS[:shifts])


def probes_of(geometry: PatchGeometry, source: Modality, *, in_reverse: bool = True) -> Iterator[Pass]:
    """Passes whose results should be the same, and are the less so the less sure a network is.

    Mirrored, with its strides elsewhere, from an MR of a somewhat other contrast, and for a network of slices that sees
    their neighbours with the slices in reverse order; with slices of all planes of axial ones alone, beside which there
    are those of the other planes.

    Args:
        geometry: that of the training.
        source: the modality that is translated.
        in_reverse: whether the last of these counts.
    """
    one = Pass()
    if _can_be_mirrored(one, geometry):
        yield replace(one, mirrored=True)
    yield replace(one, shift=SHIFTS[1])
    if source == "mr":
        yield from (replace(one, gamma=gamma) for gamma in GAMMAS)
    if in_reverse and geometry.dims == 2 and geometry.slices > 1:
        yield replace(one, in_reverse=True)


def _can_be_mirrored(one: Pass, geometry: PatchGeometry) -> bool:
    """Not where slices lie across right and left: there, the mirrored volume has the same slices."""
    sagittal = one.across == geometry.right and geometry.dims == 2
    return not sagittal or geometry.slices > 1
