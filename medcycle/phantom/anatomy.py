"""One patient's anatomy, painted from the skin inwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import medcycle.phantom.head_shapes as parts
from medcycle.phantom.canvas import Canvas
from medcycle.phantom.shapes import (
    Capsule,
    Ellipsoid,
    Field,
    Point,
    Shape,
    Waves,
    capsule,
    ellipsoid,
    logistic,
    smooth_maximum,
    smooth_minimum,
)
from medcycle.phantom.tissue import Tissue

__all__ = ["Anatomy", "HeadSizes"]


@dataclass(frozen=True)
class HeadSizes:
    """What a patient's anatomy depends on.

    Args:
        seed: of everything that the other fields leave open: small shape variations, folds, texture, noise.
        skull: thickness of the vault, both tables and diploe, mm.
        table: thickness of one table, mm.
        scalp: thickness of the scalp, mm.
        csf: width of the subarachnoid space, mm.
        ventricles, sinuses: size relative to the canonical head.
        lesion: centre and radii (canonical mm) of a lesion in the cerebrum, or none.
    """

    seed: int
    skull: float = 6.5
    table: float = 1.8
    scalp: float = 6.0
    csf: float = 2.2
    ventricles: float = 1.0
    sinuses: float = 1.0
    lesion: tuple[Point, Point] | None = None


@dataclass(frozen=True)
class Anatomy:
    """The shapes and random fields of one patient, and the order they are painted in."""

    head: HeadSizes
    outline: list[Shape]
    face: list[Shape]
    temporal: list[Shape]
    orbit: list[Shape]
    sockets: list[Shape]
    cavities: list[Shape]
    deep_brain: list[Shape]
    ventricles: list[Shape]
    folds: Waves
    cells: Waves
    fascia: Waves
    thickness: Waves
    texture: Waves
    bias: Waves

    @classmethod
    def of(cls, head: HeadSizes) -> Anatomy:
        """The anatomy that the head's seed and sizes give."""
        rng = np.random.default_rng([head.seed, 3])
        return cls(
            head,
            parts.varied(rng, parts.OUTLINE),
            parts.varied(rng, parts.FACE),
            parts.varied(rng, parts.TEMPORAL),
            parts.varied(rng, parts.ORBIT),
            parts.varied(rng, parts.SOCKETS),
            parts.varied(rng, parts.CAVITIES, head.sinuses),
            parts.varied(rng, parts.DEEP_BRAIN),
            parts.varied(rng, parts.VENTRICLES, head.ventricles),
            folds=Waves(rng, 20, 14),
            cells=Waves(rng, 9, 6),
            fascia=Waves(rng, 32, 6),
            thickness=Waves(rng, 90, 4),
            texture=Waves(rng, 11, 7),
            bias=Waves(rng, 300, 4),
        )

    def paint(self, canvas: Canvas) -> None:
        """Paint one block of the head."""
        if not canvas.near((0, 0, -70), 190):
            return
        x, y, z = canvas.x, canvas.y, canvas.z
        # Heads are broader behind the ears than at the forehead.
        egg = x / (1 - 0.0011 * (y + 20))
        vault = ellipsoid(egg, y, z, (0, 0, 0), (66, 84, 70))
        base = -14 - 26 * logistic((24 - y) / 4) - 22 * logistic((-22 - y) / 6)
        cavity = smooth_maximum(vault, base - z, 8)
        skull = self.head.skull * (1 + 0.13 * self.thickness.at(x, y, z))
        skin = self._paint_soft_tissue(canvas, vault - skull - self.head.scalp)
        self._paint_jaw_and_spine(canvas)
        self._paint_skull(canvas, cavity, skull)
        if cavity.min() < canvas.width:
            self._paint_cerebrum(canvas, cavity, np.sqrt((egg / 66) ** 2 + (y / 84) ** 2 + (z / 70) ** 2))
            self._paint_cerebellum(canvas, cavity)
        canvas.draw(self.deep_brain)
        canvas.draw(self.ventricles)
        if self.head.lesion is not None:
            canvas.draw([Ellipsoid(Tissue.LESION, *self.head.lesion)])
        self._paint_face_cavities(canvas, skin)

    def _paint_soft_tissue(self, canvas: Canvas, scalp: Field) -> Field:
        """Skin, the fat under it, muscle with fat between; returns the distance to the skin's surface."""
        skin = scalp
        for shape in self.outline:
            centre, radius = shape.bounds
            if canvas.near(centre, radius + 15):
                skin = smooth_minimum(skin, shape.distance(canvas.x, canvas.y, canvas.z), 14)
        canvas.paint(Tissue.SKIN, skin)
        canvas.paint(Tissue.FAT, skin + 1.8)
        below = logistic((-38 - canvas.z) / 7)
        canvas.paint(Tissue.MUSCLE, skin + (self.head.scalp - 1.5) + 3 * below)
        if canvas.near((0, 0, -120), 125):
            sheets = np.abs(self.fascia.at(canvas.x, canvas.y, canvas.z)) * 5 - 0.8
            canvas.paint(Tissue.FAT, np.maximum(np.maximum(sheets, skin + 7), canvas.z + 45))
        return skin

    def _paint_jaw_and_spine(self, canvas: Canvas) -> None:
        x, y, z = canvas.x, canvas.y, canvas.z
        canvas.draw(self.face)
        canvas.draw(self.face, -2, Tissue.MARROW)
        if canvas.near((0, 50, -95), 60):
            ring = np.abs(ellipsoid(x, y, z, (0, 38, 0), (40, 48, 1e4)))
            jaw = np.maximum(np.maximum(ring - 5.5, np.abs(z + 103) - 11), 26 - y)
            upper = np.maximum(
                np.maximum(np.abs(ellipsoid(x, y, z, (0, 46, 0), (28, 37, 1e4))) - 5, np.abs(z + 75) - 6), 40 - y
            )
            bone = np.minimum(jaw, upper)
            canvas.paint(Tissue.CORTICAL_BONE, bone)
            canvas.paint(Tissue.MARROW, bone + 2)
            canvas.paint(Tissue.TOOTH, _teeth(x, y, z))
        if canvas.near((0, -30, -155), 95):
            bone = _vertebrae(x, y, z)
            canvas.paint(Tissue.CORTICAL_BONE, bone)
            canvas.paint(Tissue.MARROW, bone + 1.6)

    def _paint_skull(self, canvas: Canvas, cavity: Field, skull: Field) -> None:
        """Outer table, diploe, inner table, the pneumatised temporal bones and the space inside."""
        x, y, z = canvas.x, canvas.y, canvas.z
        canvas.paint(Tissue.CORTICAL_BONE, cavity - skull)
        canvas.paint(Tissue.MARROW, cavity - (skull - self.head.table))
        canvas.paint(Tissue.CORTICAL_BONE, cavity - self.head.table)
        canvas.paint(Tissue.CSF, cavity)
        canvas.draw(self.temporal)
        for shape in self.temporal:
            if isinstance(shape, Ellipsoid) and canvas.near(*shape.bounds):
                walls = 0.35 - self.cells.at(x, y, z)
                canvas.paint(Tissue.AIR, np.maximum(shape.distance(x, y, z) + 2.5, walls))
        canvas.draw([Capsule(Tissue.CSF, (0, -24, -54), (0, -28, -80), (11, 9.5))])
        canvas.draw([Capsule(Tissue.CSF, (0, -28, -80), (0, -40, -240), (9.5, 8.5))])

    def _paint_cerebrum(self, canvas: Canvas, cavity: Field, level: Field) -> None:
        """Folded cortex over white matter. Sulci are zero sets of a random field on rays from the middle."""
        x, y, z = canvas.x, canvas.y, canvas.z
        side = np.abs(x)
        outer = cavity + self.head.csf
        brain = smooth_maximum(outer, _tentorium(side, y) - z - 60 * logistic((y + 14) / 2), 4)
        brain = np.maximum(brain, -ellipsoid(x, y, z, (0, 0, -36), (15, 23, 13)))
        ray = np.maximum(level, np.float32(0.3))
        closing = 0.7 * np.maximum(-outer - 14, 0)
        sulci = np.abs(self.folds.at(x / ray, y / ray, z / ray)) * 3.4 - (0.2 + 0.25 * self.head.csf) + closing
        callosum = np.sqrt(((y - 2) / 46) ** 2 + ((z + 3) / 30) ** 2)
        fissure = np.maximum(side - 0.4 - 0.3 * self.head.csf, (1 - callosum) * 30)
        sylvian = np.maximum(np.abs(z + 9 + 0.35 * (y - 15)) - 1.3, np.maximum((39 - side) * 0.8, np.abs(y - 6) - 32))
        pial = np.maximum(brain, -np.minimum(np.minimum(sulci, fissure), sylvian))
        canvas.paint(Tissue.GREY_MATTER, pial)
        canvas.paint(Tissue.WHITE_MATTER, pial + 2.9)

    def _paint_cerebellum(self, canvas: Canvas, cavity: Field) -> None:
        """Folia as fissures that radiate, seen from the side, from the fourth ventricle."""
        x, y, z = canvas.x, canvas.y, canvas.z
        solid = np.maximum(cavity + 1.5, np.maximum(z - _tentorium(np.abs(x), y) + 2, y + 24))
        if solid.min() > canvas.width:
            return
        height = z + 40 + 0.01 * x * x
        radius = np.hypot(y + 32, height)
        fissures = np.abs(np.sin(14 * np.arctan2(height, y + 32))) * radius / 14 + 0.5 * np.maximum(-solid - 9, 0) - 0.3
        pial = np.maximum(solid, -fissures)
        canvas.paint(Tissue.GREY_MATTER, pial)
        canvas.paint(Tissue.WHITE_MATTER, np.maximum(pial + 1.5, solid + 5))

    def _paint_face_cavities(self, canvas: Canvas, skin: Field) -> None:
        """Orbits with their contents, then the air spaces: bone, mucosa, air."""
        for socket in self.sockets:
            if canvas.near(socket.bounds[0], socket.bounds[1] + 3):
                distance = socket.distance(canvas.x, canvas.y, canvas.z)
                canvas.paint(Tissue.CORTICAL_BONE, np.maximum(distance - 2.2, canvas.y - 82))
                canvas.paint(Tissue.FAT, np.maximum(distance, skin + 2.5))
        canvas.draw(self.orbit)
        sinuses = [cavity for cavity in self.cavities if isinstance(cavity, Ellipsoid)]
        canvas.draw(sinuses, 2.4, Tissue.CORTICAL_BONE)
        for shape in self.cavities:
            if canvas.near(shape.bounds[0], shape.bounds[1] + 1):
                distance = shape.distance(canvas.x, canvas.y, canvas.z)
                canvas.paint(Tissue.MUCOSA, np.maximum(distance - 0.9, skin))
                canvas.paint(Tissue.AIR, distance)


def _tentorium(side: Field, y: Field) -> Field:
    """Height of the sheet between cerebrum and cerebellum, mm."""
    result: Field = -34 + 0.33 * (y + 85) - 0.15 * side
    return result


def _teeth(x: Field, y: Field, z: Field) -> Field:
    """Two rows of teeth along an arch, 8 mm apart."""
    row = np.abs(ellipsoid(x, y, z, (0, 46, 0), (28, 38, 1e4))) - 3.4
    height = np.maximum(np.abs(z + 85) - 8, 0.6 - np.abs(z + 85))
    place = np.mod(33 * np.arctan2(x, y - 46), 8) - 4
    result: Field = np.maximum(np.maximum(row, height), np.maximum(np.abs(place) - 3.6, 44 - y))
    return result


def _vertebrae(x: Field, y: Field, z: Field) -> Field:
    """The cervical spine: bodies, arches and spinous processes, 18 mm a vertebra."""
    along = np.abs(np.mod(z + 75, 18) - 9)
    body = np.maximum(capsule(x, y, z, (0, -9, -78), (0, -20, -240), (10, 10.5)), along - 7)
    arch = np.maximum(capsule(x, y, z, (0, -28, -70), (0, -40, -240), (14, 13.5)), along - 6)
    spine = np.maximum(np.maximum(np.abs(x) - 3, np.abs(y + 50 + 0.08 * (-80 - z)) - 12), along - 4.5)
    result: Field = np.maximum(np.minimum(np.minimum(body, arch), spine), z + 72)
    return result
