"""How volumes are cut for a network: what a checkpoint ties its weights to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ACROSS", "AXES", "DOWNSAMPLING", "PatchGeometry", "Plane", "neighbours"]

Plane = Literal["axial", "coronal", "sagittal", "all"]

AXES: dict[Plane, str] = {"axial": "RAS", "coronal": "RSA", "sagittal": "ASR", "all": "RAS"}
"""Where a prepared volume's axes point for each plane of its slices, the last across them."""

DOWNSAMPLING = 4
"""Sizes of a generator's input are multiples of this."""

ACROSS = 2
"""The axis across the slices of a prepared volume."""


@dataclass(frozen=True)
class PatchGeometry:
    """The voxels, slices and patches that a network is trained on, and that it translates.

    Args:
        dims: 2 for slices, 3 for patches of volumes.
        plane: the plane of the slices; `all` for slices of all three planes.
        slices: neighbouring slices that a 2D network takes at once, an odd number.
        size: pixels or voxels of a patch along each of the prepared volume's first axes.
        spacing: mm, right-left, front-back and foot-head; None keeps a volume's own.
    """

    dims: Literal[2, 3]
    plane: Plane
    slices: int
    size: tuple[int, ...]
    spacing: tuple[float | None, float | None, float | None]

    @property
    def axes(self) -> str:
        """Where the axes of a prepared volume point, such as RAS."""
        return AXES[self.plane]

    @property
    def widths(self) -> list[float | None]:
        """The spacing along those axes, mm."""
        along = dict(zip("RAS", self.spacing, strict=True))
        return [along[axis] for axis in self.axes]

    @property
    def right(self) -> int:
        """The axis of a prepared volume that is right to left."""
        return self.axes.index("R")

    @property
    def stacked_along(self) -> tuple[int, ...]:
        """The axes that slices lie across: one, or with all planes three."""
        return (0, 1, 2) if self.plane == "all" else (ACROSS,)

    @property
    def by_slice(self) -> bool:
        """Whether slices of one plane are translated, so that some of a volume can be translated without the rest."""
        return self.dims == 2 and self.plane != "all"


def neighbours(position: int, slices: int, length: int) -> list[int]:
    """The numbers of `slices` slices about a position, those beyond an end being the last one."""
    return [min(max(position + step, 0), length - 1) for step in range(-(slices // 2), slices // 2 + 1)]
