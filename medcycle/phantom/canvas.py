"""Blocks of voxels, and how they are painted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from medcycle.phantom.shapes import Field, Point, Shape
from medcycle.phantom.tissue import Tissue

__all__ = ["Canvas", "blocks"]

BLOCK = 32
"""Voxels along a block's side: its working set stays in the processor's cache."""


class Canvas:
    """One block of voxels, painted from the outside in.

    Args:
        x, y, z: coordinates in canonical head space, mm, all of the block's shape.
        width: width of a voxel, mm; edges are ramps of this width.
        table: what each tissue looks like, (tissues, channels).
    """

    def __init__(self, x: Field, y: Field, z: Field, width: float, table: Field) -> None:
        self.x, self.y, self.z, self.width, self.table = x, y, z, width, table
        self.pixels = np.broadcast_to(table[Tissue.AIR][:, None, None, None], (table.shape[1], *x.shape)).copy()
        corners = np.array([[q[i, j, k] for q in (x, y, z)] for i in (0, -1) for j in (0, -1) for k in (0, -1)])
        self.centre = corners.mean(axis=0)
        self.reach = float(np.linalg.norm(corners - self.centre, axis=1).max()) + width

    def near(self, centre: Point, radius: float) -> bool:
        """Whether a ball may touch the block."""
        return bool(np.linalg.norm(self.centre - centre) < radius + self.reach)

    def paint(self, tissue: Tissue, distance: Field) -> None:
        """Cover what lies within a surface: the box average of a half-space, 1/2 − distance / width."""
        if distance.min() >= self.width / 2:
            return
        cover = np.clip(0.5 - distance / self.width, 0, 1)
        for channel, colour in enumerate(self.table[tissue]):
            self.pixels[channel] += cover * (colour - self.pixels[channel])

    def draw(self, shapes: Sequence[Shape], grow: float = 0.0, tissue: Tissue | None = None) -> None:
        """Paint shapes `grow` mm larger than they are, in their own tissue or in the one given."""
        for shape in shapes:
            centre, radius = shape.bounds
            if self.near(centre, radius + grow):
                paint_as = shape.tissue if tissue is None else tissue
                self.paint(paint_as, shape.distance(self.x, self.y, self.z) - grow)


def blocks(
    shape: tuple[int, int, int], to_space: npt.NDArray[np.float64]
) -> Iterator[tuple[tuple[slice, slice, slice], tuple[Field, Field, Field]]]:
    """Blocks of voxels and the coordinates of their centres under a 4×4 matrix from indices."""
    matrix = to_space.astype(np.float32)
    for corner in np.ndindex(*(-(-n // BLOCK) for n in shape)):
        a, b, c = (slice(BLOCK * q, min(BLOCK * (q + 1), n)) for q, n in zip(corner, shape, strict=True))
        i, j, k = np.ogrid[a, b, c]
        x, y, z = ((row[0] * i + row[1] * j + (row[2] * k + row[3])).astype(np.float32) for row in matrix[:3])
        yield (a, b, c), (x, y, z)
