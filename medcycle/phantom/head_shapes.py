"""Where the parts of a head are, mm in canonical head space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medcycle.phantom.shapes import Capsule, Ellipsoid, Shape
from medcycle.phantom.tissue import Tissue

__all__ = ["CAVITIES", "DEEP_BRAIN", "FACE", "ORBIT", "OUTLINE", "SOCKETS", "TEMPORAL", "VENTRICLES", "varied"]

# Left and right: every shape off the midline is drawn twice.
OUTLINE: tuple[Shape, ...] = (
    Ellipsoid(Tissue.SKIN, (0, 44, -52), (67, 50, 54)),
    Ellipsoid(Tissue.SKIN, (0, 47, -92), (49, 47, 37)),
    Capsule(Tissue.SKIN, (0, -18, -60), (0, -30, -240), (55, 60)),
    Capsule(Tissue.SKIN, (0, 92, -34), (0, 109, -62), (6, 11)),
    Ellipsoid(Tissue.SKIN, (74, -16, -36), (8, 16, 27)),
)
FACE: tuple[Shape, ...] = (
    Capsule(Tissue.CORTICAL_BONE, (48, 62, -46), (58, 16, -47), (5, 3)),
    Capsule(Tissue.CORTICAL_BONE, (42, 28, -100), (50, 6, -52), (6, 5)),
    Capsule(Tissue.CORTICAL_BONE, (0, 88, -28), (0, 99, -46), (4, 2)),
    Ellipsoid(Tissue.CORTICAL_BONE, (0, 54, -76), (25, 30, 3)),
)
TEMPORAL: tuple[Shape, ...] = (
    Capsule(Tissue.CORTICAL_BONE, (54, -20, -44), (18, 4, -40), (10, 5)),
    Ellipsoid(Tissue.CORTICAL_BONE, (54, -26, -54), (12, 15, 17)),
)
ORBIT: tuple[Shape, ...] = (
    Capsule(Tissue.MUSCLE, (30, 66, -32), (17, 40, -33), (2.2, 2)),
    Capsule(Tissue.MUSCLE, (41, 70, -32), (22, 42, -33), (1.7, 1.7)),
    Capsule(Tissue.MUSCLE, (22, 70, -32), (16, 42, -33), (1.7, 1.7)),
    Ellipsoid(Tissue.MUSCLE, (31.5, 72, -32), (12.6, 12.6, 12.6)),
    Ellipsoid(Tissue.VITREOUS, (31.5, 72, -32), (11.6, 11.6, 11.6)),
    Ellipsoid(Tissue.LENS, (31.5, 79.5, -32), (4.6, 2.4, 4.6)),
)
SOCKETS: tuple[Shape, ...] = (Ellipsoid(Tissue.FAT, (31, 64, -32), (20, 26, 18)),)
CAVITIES: tuple[Shape, ...] = (
    Ellipsoid(Tissue.AIR, (11, 87, 0), (10, 4.5, 12)),
    Ellipsoid(Tissue.AIR, (27, 58, -63), (14, 17, 16)),
    Ellipsoid(Tissue.AIR, (7, 60, -33), (6, 22, 11)),
    Ellipsoid(Tissue.AIR, (6, 62, -58), (5, 29, 15)),
    Ellipsoid(Tissue.AIR, (7, 28, -44), (7, 11, 9)),
    Capsule(Tissue.AIR, (6, 84, -66), (7, 104, -74), (3.5, 3.5)),
    Capsule(Tissue.AIR, (0, 38, -62), (0, 18, -88), (8, 7)),
    Capsule(Tissue.AIR, (0, 18, -88), (0, 10, -240), (7, 9)),
    Capsule(Tissue.AIR, (88, -14, -44), (46, -12, -42), (3.2, 3)),
)
DEEP_BRAIN: tuple[Shape, ...] = (
    Capsule(Tissue.GREY_MATTER, (12, 22, 6), (18, -14, 18), (6, 3)),
    Ellipsoid(Tissue.GREY_MATTER, (12, -12, 3), (8, 14, 8)),
    Ellipsoid(Tissue.GREY_MATTER, (25, 4, 1), (5, 16, 9)),
    Capsule(Tissue.WHITE_MATTER, (13, -6, -2), (6, -16, -24), (8, 8)),
    Capsule(Tissue.WHITE_MATTER, (0, -18, -22), (0, -22, -44), (12, 12)),
    Ellipsoid(Tissue.WHITE_MATTER, (0, -13, -38), (15, 11, 13)),
    Capsule(Tissue.WHITE_MATTER, (0, -22, -48), (0, -28, -80), (9, 6)),
    Capsule(Tissue.WHITE_MATTER, (0, -28, -80), (0, -40, -240), (6, 5.5)),
)
VENTRICLES: tuple[Shape, ...] = (
    Capsule(Tissue.CSF, (6, 30, 7), (9, -18, 17), (4.5, 5)),
    Capsule(Tissue.CSF, (9, -18, 17), (22, -38, 6), (5, 6)),
    Capsule(Tissue.CSF, (22, -38, 6), (20, -60, 3), (5, 2)),
    Capsule(Tissue.CSF, (22, -38, 4), (31, -4, -20), (4, 2)),
    Ellipsoid(Tissue.CSF, (0, -6, 0), (2, 14, 10)),
    Ellipsoid(Tissue.CSF, (0, -36, -40), (8, 5, 10)),
)


def varied(rng: np.random.Generator, shapes: Sequence[Shape], factor: float = 1.0) -> list[Shape]:
    """The shapes of one patient: both sides, each a little displaced and resized; radii multiplied by `factor`."""
    result: list[Shape] = []
    for shape in shapes:
        midline = shape.bounds[0][0] == 0
        for side in (1,) if midline else (1, -1):
            scale = [factor * rng.normal(1, 0.03) for _ in shape.radii]
            shift = rng.normal(0, 0.5, 3) * (0 if midline else 1, 1, 1)
            result.append(shape.changed(side, scale, shift))
    return result
