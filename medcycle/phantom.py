"""Generated heads with a known answer: MR and CT of one anatomy, sampled on any grid.

A head is a list of signed distances (mm, negative inside) in continuous patient space, painted one over the other from
the skin inwards. A distance becomes a partial volume by the box average of a half-space across one voxel, so edges are
as soft as the voxel is wide. Canonical head space is RAS+ mm with the origin in the middle of the cranium; each patient
is a random size, pose and shape of it. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medcycle.io.nifti import write_nifti
from medcycle.volume import Grid, Volume

__all__ = ["T1_GRADIENT_ECHO", "T2_SPIN_ECHO", "HeadPhantom", "MrProtocol", "Tissue", "head_grid", "write_cohort"]

Field = npt.NDArray[np.float32]
Point = tuple[float, float, float]

_BLOCK = 32  # voxels along a side: the working set of one block stays in the processor's cache
_FIELD_CENTRE = (0.0, 2.0, -26.0)
_FIELD_OF_VIEW = (192.0, 240.0, 224.0)


class Tissue(IntEnum):
    """What a voxel of `HeadPhantom.labels` is made of."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    CORTICAL_BONE = 4
    MARROW = 5
    CSF = 6
    GREY_MATTER = 7
    WHITE_MATTER = 8
    VITREOUS = 9
    LENS = 10
    TOOTH = 11
    MUCOSA = 12
    LESION = 13


class _Properties(NamedTuple):
    """Proton density relative to water, relaxation times in ms, mean and texture (standard deviation) in HU."""

    density: float
    t1: float
    t2: float
    t2_star: float
    hounsfield: float
    texture: float


# Relaxation at 1.5 T: soft tissues and fat after Kwan, Evans and Pike, IEEE TMI 18:1085 (1999), BrainWeb's simulator;
# cortical bone after Reichert et al., MRI 23:611 (2005); marrow after de Bazelaire et al., Radiology 230:652 (2004).
# CT numbers: within the ranges of Bushberg et al., The Essential Physics of Medical Imaging, 3rd ed. Skin is as muscle.
_PROPERTIES: dict[Tissue, _Properties] = {
    Tissue.AIR: _Properties(0.0, 1000, 1, 1, -1000, 0),
    Tissue.SKIN: _Properties(0.8, 900, 47, 30, 40, 8),
    Tissue.FAT: _Properties(1.0, 350, 70, 58, -90, 8),
    Tissue.MUSCLE: _Properties(0.9, 900, 47, 30, 55, 6),
    Tissue.CORTICAL_BONE: _Properties(0.2, 200, 0.46, 0.46, 1450, 60),
    Tissue.MARROW: _Properties(0.7, 549, 49, 20, 520, 90),
    Tissue.CSF: _Properties(1.0, 2569, 329, 58, 8, 1),
    Tissue.GREY_MATTER: _Properties(0.86, 833, 83, 69, 38, 1.5),
    Tissue.WHITE_MATTER: _Properties(0.77, 500, 70, 61, 28, 1.5),
    Tissue.VITREOUS: _Properties(1.0, 2569, 329, 58, 10, 1),
    Tissue.LENS: _Properties(0.6, 1000, 40, 30, 85, 2),
    Tissue.TOOTH: _Properties(0.05, 200, 0.3, 0.3, 2200, 80),
    Tissue.MUCOSA: _Properties(0.95, 1100, 90, 40, 35, 4),
    Tissue.LESION: _Properties(0.9, 1200, 140, 90, 22, 4),
}
_MR_TEXTURE = 0.025


@dataclass(frozen=True)
class MrProtocol:
    """An MR sequence.

    Args:
        sequence: `spin_echo`, S = PD (1 − exp(−TR/T1)) exp(−TE/T2) for TE ≪ TR, or `gradient_echo`, spoiled,
            S = PD sin α (1 − E1) / (1 − E1 cos α) exp(−TE/T2*) with E1 = exp(−TR/T1)
            (Haacke et al., Magnetic Resonance Imaging, 1999, ch. 8 and 18).
        repetition_time: TR, ms.
        echo_time: TE, ms.
        flip_angle: α, degrees; a spin echo does not use it.
        bias: relative amplitude of the smooth receive field, in [0, 1).
        noise: standard deviation of each channel of the Rician noise, relative to the brightest tissue.
    """

    sequence: Literal["spin_echo", "gradient_echo"]
    repetition_time: float
    echo_time: float
    flip_angle: float = 90.0
    bias: float = 0.15
    noise: float = 0.012

    def signal(self, tissue: Tissue) -> float:
        """Magnetisation that the sequence reads from a tissue, relative to fully relaxed water."""
        density, t1, t2, t2_star, *_ = _PROPERTIES[tissue]
        recovered = np.exp(-self.repetition_time / t1)
        if self.sequence == "spin_echo":
            return float(density * (1 - recovered) * np.exp(-self.echo_time / t2))
        flip = np.deg2rad(self.flip_angle)
        steady = np.sin(flip) * (1 - recovered) / (1 - recovered * np.cos(flip))
        return float(density * steady * np.exp(-self.echo_time / t2_star))


T1_GRADIENT_ECHO = MrProtocol("gradient_echo", repetition_time=20.0, echo_time=4.0, flip_angle=28.0)
T2_SPIN_ECHO = MrProtocol("spin_echo", repetition_time=4000.0, echo_time=95.0)
_BRIGHTEST = 800.0  # the strongest tissue before bias and noise, which leaves most voxels below 1000


class _Waves:
    """A stationary random field of unit variance: a sum of plane waves of one length (mm) in random directions."""

    def __init__(self, rng: np.random.Generator, wavelength: float, count: int) -> None:
        directions = rng.normal(size=(count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        self.vectors = (2 * np.pi / wavelength * directions).astype(np.float32)
        self.phases = rng.uniform(0, 2 * np.pi, count).astype(np.float32)

    def at(self, x: Field, y: Field, z: Field) -> Field:
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for (a, b, c), phase in zip(self.vectors, self.phases, strict=True):
            total += np.cos(a * x + b * y + (c * z + phase))
        return total * np.float32(np.sqrt(2 / len(self.phases)))


class _Ellipsoid(NamedTuple):
    tissue: Tissue
    centre: Point
    radii: Point

    @property
    def bounds(self) -> tuple[Point, float]:
        return self.centre, max(self.radii)

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        return _ellipsoid(x, y, z, self.centre, self.radii)


class _Capsule(NamedTuple):
    """A tube with round ends whose radius runs from the first of `radii` at `start` to the second at `end`."""

    tissue: Tissue
    start: Point
    end: Point
    radii: tuple[float, float]

    @property
    def bounds(self) -> tuple[Point, float]:
        a, b = np.array(self.start), np.array(self.end)
        x, y, z = (a + b) / 2
        return (x, y, z), float(np.linalg.norm(b - a) / 2 + max(self.radii))

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        return _capsule(x, y, z, self.start, self.end, self.radii)


_Shape = _Ellipsoid | _Capsule


def _ellipsoid(x: Field, y: Field, z: Field, centre: Point, radii: Point) -> Field:
    """Distance to an ellipsoid, first order around its surface: k (k − 1) / |∇k²/2| with k = |p / radii|."""
    u, v, w = ((q - c) / r for q, c, r in zip((x, y, z), centre, radii, strict=True))
    level = np.sqrt(u * u + v * v + w * w)
    gradient = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2)
    result: Field = level * (level - 1) / (gradient + np.float32(1e-6))
    return result


def _capsule(x: Field, y: Field, z: Field, start: Point, end: Point, radii: tuple[float, float]) -> Field:
    axis = [e - s for s, e in zip(start, end, strict=True)]
    x, y, z = x - start[0], y - start[1], z - start[2]
    length2 = sum(a * a for a in axis)
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / length2, 0, 1)
    off2 = (x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2
    result: Field = np.sqrt(off2) - (radii[0] + (radii[1] - radii[0]) * along)
    return result


def _smooth_minimum(a: Field, b: Field, width: float) -> Field:
    """The union of two solids with a fillet of about `width` mm (the polynomial form of I. Quilez)."""
    h = np.maximum(width - np.abs(a - b), 0) / width
    result: Field = np.minimum(a, b) - h * h * (width / 4)
    return result


def _smooth_maximum(a: Field, b: Field, width: float) -> Field:
    return -_smooth_minimum(-a, -b, width)


def _logistic(x: Field) -> Field:
    result: Field = 1 / (1 + np.exp(-np.clip(x, -30, 30)))
    return result


# Left and right: every shape off the midline is drawn twice.
_OUTLINE: tuple[_Shape, ...] = (
    _Ellipsoid(Tissue.SKIN, (0, 44, -52), (67, 50, 54)),
    _Ellipsoid(Tissue.SKIN, (0, 47, -92), (49, 47, 37)),
    _Capsule(Tissue.SKIN, (0, -18, -60), (0, -30, -240), (55, 60)),
    _Capsule(Tissue.SKIN, (0, 92, -34), (0, 109, -62), (6, 11)),
    _Ellipsoid(Tissue.SKIN, (78, -16, -40), (7, 17, 29)),
)
_FACE: tuple[_Shape, ...] = (
    _Capsule(Tissue.CORTICAL_BONE, (48, 62, -46), (58, 16, -47), (5, 3)),
    _Capsule(Tissue.CORTICAL_BONE, (42, 28, -100), (50, 6, -52), (6, 5)),
    _Capsule(Tissue.CORTICAL_BONE, (0, 88, -28), (0, 99, -46), (4, 2)),
    _Ellipsoid(Tissue.CORTICAL_BONE, (0, 54, -76), (25, 30, 3)),
)
_TEMPORAL: tuple[_Shape, ...] = (
    _Capsule(Tissue.CORTICAL_BONE, (54, -20, -44), (18, 4, -40), (10, 5)),
    _Ellipsoid(Tissue.CORTICAL_BONE, (54, -26, -54), (12, 15, 17)),
)
_ORBIT: tuple[_Shape, ...] = (
    _Capsule(Tissue.MUSCLE, (30, 66, -32), (17, 40, -33), (2.2, 2)),
    _Capsule(Tissue.MUSCLE, (41, 70, -32), (22, 42, -33), (1.7, 1.7)),
    _Capsule(Tissue.MUSCLE, (22, 70, -32), (16, 42, -33), (1.7, 1.7)),
    _Ellipsoid(Tissue.MUSCLE, (31.5, 72, -32), (12.6, 12.6, 12.6)),
    _Ellipsoid(Tissue.VITREOUS, (31.5, 72, -32), (11.6, 11.6, 11.6)),
    _Ellipsoid(Tissue.LENS, (31.5, 79.5, -32), (4.6, 2.4, 4.6)),
)
_SOCKETS: tuple[_Shape, ...] = (_Ellipsoid(Tissue.FAT, (31, 64, -32), (20, 26, 18)),)
_CAVITIES: tuple[_Shape, ...] = (
    _Ellipsoid(Tissue.AIR, (11, 87, 0), (10, 4.5, 12)),
    _Ellipsoid(Tissue.AIR, (27, 58, -63), (14, 17, 16)),
    _Ellipsoid(Tissue.AIR, (7, 60, -33), (6, 22, 11)),
    _Ellipsoid(Tissue.AIR, (6, 62, -58), (5, 29, 15)),
    _Ellipsoid(Tissue.AIR, (7, 28, -44), (7, 11, 9)),
    _Capsule(Tissue.AIR, (6, 84, -66), (7, 108, -71), (4, 4)),
    _Capsule(Tissue.AIR, (0, 38, -62), (0, 18, -88), (8, 7)),
    _Capsule(Tissue.AIR, (0, 18, -88), (0, 10, -240), (7, 9)),
    _Capsule(Tissue.AIR, (88, -14, -44), (46, -12, -42), (3.2, 3)),
)
_DEEP_BRAIN: tuple[_Shape, ...] = (
    _Capsule(Tissue.GREY_MATTER, (12, 22, 6), (18, -14, 18), (6, 3)),
    _Ellipsoid(Tissue.GREY_MATTER, (12, -12, 3), (8, 14, 8)),
    _Ellipsoid(Tissue.GREY_MATTER, (25, 4, 1), (5, 16, 9)),
    _Capsule(Tissue.WHITE_MATTER, (13, -6, -2), (6, -16, -24), (8, 8)),
    _Capsule(Tissue.WHITE_MATTER, (0, -18, -22), (0, -22, -44), (12, 12)),
    _Ellipsoid(Tissue.WHITE_MATTER, (0, -13, -38), (15, 11, 13)),
    _Capsule(Tissue.WHITE_MATTER, (0, -22, -48), (0, -28, -80), (9, 6)),
    _Capsule(Tissue.WHITE_MATTER, (0, -28, -80), (0, -40, -240), (6, 5.5)),
)
_VENTRICLES: tuple[_Shape, ...] = (
    _Capsule(Tissue.CSF, (6, 30, 7), (9, -18, 17), (4.5, 5)),
    _Capsule(Tissue.CSF, (9, -18, 17), (22, -38, 6), (5, 6)),
    _Capsule(Tissue.CSF, (22, -38, 6), (20, -60, 3), (5, 2)),
    _Capsule(Tissue.CSF, (22, -38, 4), (31, -4, -20), (4, 2)),
    _Ellipsoid(Tissue.CSF, (0, -6, 0), (2, 14, 10)),
    _Ellipsoid(Tissue.CSF, (0, -36, -40), (8, 5, 10)),
)


def _varied(rng: np.random.Generator, shapes: Sequence[_Shape], factor: float = 1.0) -> list[_Shape]:
    """The shapes of one patient: both sides, each a little displaced and resized; radii multiplied by `factor`."""
    result: list[_Shape] = []
    for shape in shapes:
        midline = shape.bounds[0][0] == 0
        for side in (1,) if midline else (1, -1):
            radii = [r * factor * rng.normal(1, 0.03) for r in shape.radii]
            shift = rng.normal(0, 0.5, 3) * (0 if midline else 1, 1, 1)
            ends = [p for p in (shape[1:3] if isinstance(shape, _Capsule) else shape[1:2])]
            moved = [tuple(float(v) for v in np.multiply(p, (side, 1, 1)) + shift) for p in ends]
            result.append(type(shape)(shape.tissue, *moved, tuple(radii)))
    return result


class _Canvas:
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
        for pixels, colour in zip(self.pixels, self.table[tissue], strict=True):
            pixels += cover * (colour - pixels)

    def draw(self, shapes: Sequence[_Shape], grow: float = 0.0, tissue: Tissue | None = None) -> None:
        """Paint shapes `grow` mm larger than they are, in their own tissue or in the one given."""
        for shape in shapes:
            centre, radius = shape.bounds
            if self.near(centre, radius + grow):
                paint_as = shape.tissue if tissue is None else tissue
                self.paint(paint_as, shape.distance(self.x, self.y, self.z) - grow)


@dataclass(frozen=True)
class HeadPhantom:
    """The head of one patient; make one with `HeadPhantom.random(seed)`.

    Args:
        seed: of everything that the other fields leave open: small shape variations, folds, texture, noise.
        scale: size relative to the canonical head along x, y and z.
        rotation: pose, degrees about x, y and z.
        translation: pose, mm.
        skull: thickness of the vault, both tables and diploe, mm.
        table: thickness of one table, mm.
        scalp: thickness of the scalp, mm.
        csf: width of the subarachnoid space, mm.
        ventricles, sinuses: size relative to the canonical head.
        cortical_hounsfield, marrow_hounsfield: HU of compact bone and diploe.
        lesion: centre and radii (canonical mm) of a lesion in the white matter, or none.
    """

    seed: int
    scale: Point = (1.0, 1.0, 1.0)
    rotation: Point = (0.0, 0.0, 0.0)
    translation: Point = (0.0, 0.0, 0.0)
    skull: float = 6.5
    table: float = 1.8
    scalp: float = 6.0
    csf: float = 2.2
    ventricles: float = 1.0
    sinuses: float = 1.0
    cortical_hounsfield: float = 1450.0
    marrow_hounsfield: float = 520.0
    lesion: tuple[Point, Point] | None = None

    @classmethod
    def random(cls, seed: int) -> HeadPhantom:
        """Another patient a seed; the same patient for the same seed."""
        rng = np.random.default_rng([seed, 0])
        size = rng.normal(1, 0.025)
        lesion = (_triple(rng, (20, 0, 22), (3, 20, 5)), _triple(rng, (7, 7, 6), (2, 2, 2)))
        return cls(
            seed=seed,
            scale=_triple(rng, (size, size, size), (0.025,) * 3),
            rotation=_triple(rng, (0, 0, 0), (4.0, 2.5, 3.0)),
            translation=_triple(rng, (0, 0, 0), (2.5, 2.5, 3.0)),
            skull=float(rng.uniform(5.2, 8.5)),
            table=float(rng.uniform(1.5, 2.1)),
            scalp=float(rng.uniform(4.5, 7.5)),
            csf=float(rng.uniform(1.6, 3.4)),
            ventricles=float(rng.uniform(0.75, 1.5)),
            sinuses=float(rng.uniform(0.85, 1.08)),
            cortical_hounsfield=float(rng.uniform(1250, 1700)),
            marrow_hounsfield=float(rng.uniform(400, 680)),
            lesion=lesion if rng.random() < 0.4 else None,
        )

    def labels(self, grid: Grid) -> Volume:
        """The tissue (`Tissue`, uint8) at every voxel centre."""
        table = np.array([[tissue] for tissue in Tissue], np.float32)
        return Volume(self._render(grid, table, samples=1, width=1e-3)[0].round().astype(np.uint8), grid)

    def mr(self, grid: Grid, protocol: MrProtocol = T1_GRADIENT_ECHO, *, slice_samples: int | None = None) -> Volume:
        """A magnitude image: float32, not negative, arbitrary units of about 0 to 1000.

        Args:
            grid: where to sample. Voxels much longer along one axis are averaged along it, as a thick slice is.
            protocol: the sequence, its bias field and its noise.
            slice_samples: sub-slices averaged along the longest axis; by default as many as are nearly isotropic.
        """
        signals = np.array([protocol.signal(tissue) for tissue in Tissue])
        signals *= _BRIGHTEST / signals.max()
        table = np.stack([signals, _MR_TEXTURE * signals], axis=1).astype(np.float32)
        clean = self._textured(grid, table, slice_samples)
        if protocol.bias:
            clean *= 1 + protocol.bias * self._bias(grid)
        rng = np.random.default_rng([self.seed, 1, int(protocol.repetition_time * 1e3), int(protocol.echo_time * 1e3)])
        if protocol.noise:
            deviation = np.float32(protocol.noise * _BRIGHTEST)
            real, imaginary = (deviation * rng.standard_normal(grid.shape, np.float32) for _ in range(2))
            clean = np.hypot(clean + real, imaginary)
        return Volume(np.maximum(clean, 0), grid)

    def ct(
        self,
        grid: Grid,
        *,
        couch: bool = False,
        noise: float = 12.0,
        blur: float = 0.5,
        slice_samples: int | None = None,
    ) -> Volume:
        """A CT in HU, float32, from −1024.

        Args:
            grid: where to sample.
            couch: add a headrest and a table top behind the head, which no MR shows.
            noise: standard deviation, HU.
            blur: standard deviation of the Gaussian point spread, mm.
            slice_samples: as for `mr`.
        """
        table = np.array([[p.hounsfield, p.texture] for p in _PROPERTIES.values()], np.float32)
        table[Tissue.CORTICAL_BONE, 0], table[Tissue.MARROW, 0] = self.cortical_hounsfield, self.marrow_hounsfield
        image = self._textured(grid, table, slice_samples)
        if couch:
            image = np.maximum(image, self._couch(grid))
        image = ndimage.gaussian_filter(image, [blur / s for s in grid.spacing], mode="nearest")
        rng = np.random.default_rng([self.seed, 2])
        image += np.float32(noise) * rng.standard_normal(grid.shape, np.float32)
        return Volume(np.maximum(image, -1024), grid)

    @cached_property
    def _head_from_patient(self) -> npt.NDArray[np.float64]:
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("xyz", self.rotation, degrees=True).as_matrix() @ np.diag(self.scale)
        pose[:3, 3] = self.translation
        return np.linalg.inv(pose)

    @cached_property
    def _anatomy(self) -> _Anatomy:
        return _Anatomy.of(self)

    def _textured(self, grid: Grid, table: Field, samples: int | None) -> Field:
        mean, texture = self._render(grid, table, samples=samples, width=min(grid.spacing))
        for block, (x, y, z) in _blocks(grid.shape, self._head_from_patient @ grid.affine):
            if texture[block].any():
                mean[block] += texture[block] * np.clip(self._anatomy.texture.at(x, y, z), -2.5, 2.5)
        return mean

    def _render(self, grid: Grid, table: Field, *, samples: int | None, width: float) -> Field:
        """Paint every block; average `samples` sub-slices along the longest voxel edge. Returns (channels, *shape)."""
        axis = int(np.argmax(grid.spacing))
        count = samples or max(1, round(max(grid.spacing) / min(grid.spacing)))
        result = np.zeros((table.shape[1], *grid.shape), np.float32)
        for step in (np.arange(count) + 0.5) / count - 0.5:
            shift = np.eye(4)
            shift[axis, 3] = step
            for block, (x, y, z) in _blocks(grid.shape, self._head_from_patient @ grid.affine @ shift):
                canvas = _Canvas(x, y, z, width / float(np.mean(self.scale)), table)
                self._anatomy.paint(canvas)
                result[:, *block] += canvas.pixels / np.float32(count)
        return result

    def _bias(self, grid: Grid) -> Field:
        """A receive field in [−1, 1] that varies over the whole head."""
        result = np.empty(grid.shape, np.float32)
        waves = self._anatomy.bias
        for block, (x, y, z) in _blocks(grid.shape, grid.affine):
            result[block] = waves.at(x, y, z) / np.sqrt(2 * len(waves.phases))
        return result

    def _couch(self, grid: Grid) -> Field:
        """HU of a headrest (a shell around foam) and a table top, in patient space; −1000 elsewhere."""
        back = self.translation[1] - 100 * self.scale[1]
        result = np.full(grid.shape, -1000, np.float32)
        for block, (x, y, _) in _blocks(grid.shape, grid.affine):
            arc = np.abs(np.hypot(x, y - (back + 98)) - 104)
            shell = (arc < 1.5) & (y < back + 45)
            top = (np.abs(y - (back - 13)) < 1.5) & (np.abs(x) < 220)
            result[block] = np.select([shell | top, (arc < 4) & (y < back + 45)], [-120, -880], -1000)
        return result


def _triple(rng: np.random.Generator, mean: Sequence[float], deviation: Sequence[float]) -> Point:
    x, y, z = rng.normal(mean, deviation)
    return float(x), float(y), float(z)


def _blocks(
    shape: tuple[int, int, int], to_space: npt.NDArray[np.float64]
) -> Iterator[tuple[tuple[slice, slice, slice], tuple[Field, Field, Field]]]:
    """Blocks of voxels and the coordinates of their centres under a 4×4 matrix from indices."""
    matrix = to_space.astype(np.float32)
    for corner in np.ndindex(*(-(-n // _BLOCK) for n in shape)):
        a, b, c = (slice(_BLOCK * q, min(_BLOCK * (q + 1), n)) for q, n in zip(corner, shape, strict=True))
        i, j, k = np.ogrid[a, b, c]
        x, y, z = ((row[0] * i + row[1] * j + (row[2] * k + row[3])).astype(np.float32) for row in matrix[:3])
        yield (a, b, c), (x, y, z)


@dataclass(frozen=True)
class _Anatomy:
    """The shapes and random fields of one patient, and the order they are painted in."""

    head: HeadPhantom
    outline: list[_Shape]
    face: list[_Shape]
    temporal: list[_Shape]
    orbit: list[_Shape]
    sockets: list[_Shape]
    cavities: list[_Shape]
    deep_brain: list[_Shape]
    ventricles: list[_Shape]
    folds: _Waves
    cells: _Waves
    fascia: _Waves
    thickness: _Waves
    texture: _Waves
    bias: _Waves

    @classmethod
    def of(cls, head: HeadPhantom) -> _Anatomy:
        rng = np.random.default_rng([head.seed, 3])
        return cls(
            head,
            _varied(rng, _OUTLINE),
            _varied(rng, _FACE),
            _varied(rng, _TEMPORAL),
            _varied(rng, _ORBIT),
            _varied(rng, _SOCKETS),
            _varied(rng, _CAVITIES, head.sinuses),
            _varied(rng, _DEEP_BRAIN),
            _varied(rng, _VENTRICLES, head.ventricles),
            folds=_Waves(rng, 27, 14),
            cells=_Waves(rng, 9, 6),
            fascia=_Waves(rng, 45, 6),
            thickness=_Waves(rng, 90, 4),
            texture=_Waves(rng, 11, 7),
            bias=_Waves(rng, 300, 4),
        )

    def paint(self, canvas: _Canvas) -> None:
        """Paint one block of the head."""
        if not canvas.near((0, 0, -70), 190):
            return
        x, y, z = canvas.x, canvas.y, canvas.z
        # Heads are broader behind the ears than at the forehead.
        egg = x / (1 - 0.0011 * (y + 20))
        vault = _ellipsoid(egg, y, z, (0, 0, 0), (66, 84, 70))
        base = -14 - 26 * _logistic((24 - y) / 4) - 22 * _logistic((-22 - y) / 6)
        cavity = _smooth_maximum(vault, base - z, 8)
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
            canvas.draw([_Ellipsoid(Tissue.LESION, *self.head.lesion)])
        self._paint_face_cavities(canvas, skin)

    def _paint_soft_tissue(self, canvas: _Canvas, scalp: Field) -> Field:
        """Skin, the fat under it, muscle with fat between; returns the distance to the skin's surface."""
        skin = scalp
        for shape in self.outline:
            centre, radius = shape.bounds
            if canvas.near(centre, radius + 15):
                skin = _smooth_minimum(skin, shape.distance(canvas.x, canvas.y, canvas.z), 14)
        canvas.paint(Tissue.SKIN, skin)
        canvas.paint(Tissue.FAT, skin + 1.8)
        below = _logistic((-38 - canvas.z) / 7)
        canvas.paint(Tissue.MUSCLE, skin + (self.head.scalp - 1.5) + 3 * below)
        if canvas.near((0, 0, -120), 125):
            sheets = np.abs(self.fascia.at(canvas.x, canvas.y, canvas.z)) * 7 - 1.2
            canvas.paint(Tissue.FAT, np.maximum(np.maximum(sheets, skin + 7), canvas.z + 45))
        return skin

    def _paint_jaw_and_spine(self, canvas: _Canvas) -> None:
        x, y, z = canvas.x, canvas.y, canvas.z
        canvas.draw(self.face)
        canvas.draw(self.face, -2, Tissue.MARROW)
        if canvas.near((0, 50, -95), 60):
            ring = np.abs(_ellipsoid(x, y, z, (0, 38, 0), (40, 48, 1e4)))
            jaw = np.maximum(np.maximum(ring - 5.5, np.abs(z + 103) - 11), 26 - y)
            upper = np.maximum(
                np.maximum(np.abs(_ellipsoid(x, y, z, (0, 46, 0), (28, 37, 1e4))) - 5, np.abs(z + 75) - 6), 40 - y
            )
            bone = np.minimum(jaw, upper)
            canvas.paint(Tissue.CORTICAL_BONE, bone)
            canvas.paint(Tissue.MARROW, bone + 2)
            canvas.paint(Tissue.TOOTH, _teeth(x, y, z))
        if canvas.near((0, -30, -155), 95):
            bone = _vertebrae(x, y, z)
            canvas.paint(Tissue.CORTICAL_BONE, bone)
            canvas.paint(Tissue.MARROW, bone + 1.6)

    def _paint_skull(self, canvas: _Canvas, cavity: Field, skull: Field) -> None:
        """Outer table, diploe, inner table, the pneumatised temporal bones and the space inside."""
        x, y, z = canvas.x, canvas.y, canvas.z
        canvas.paint(Tissue.CORTICAL_BONE, cavity - skull)
        canvas.paint(Tissue.MARROW, cavity - (skull - self.head.table))
        canvas.paint(Tissue.CORTICAL_BONE, cavity - self.head.table)
        canvas.paint(Tissue.CSF, cavity)
        canvas.draw(self.temporal)
        for shape in self.temporal:
            if isinstance(shape, _Ellipsoid) and canvas.near(*shape.bounds):
                walls = 0.35 - self.cells.at(x, y, z)
                canvas.paint(Tissue.AIR, np.maximum(shape.distance(x, y, z) + 2.5, walls))
        canvas.draw([_Capsule(Tissue.CSF, (0, -24, -54), (0, -28, -80), (11, 9.5))])
        canvas.draw([_Capsule(Tissue.CSF, (0, -28, -80), (0, -40, -240), (9.5, 8.5))])

    def _paint_cerebrum(self, canvas: _Canvas, cavity: Field, level: Field) -> None:
        """Folded cortex over white matter. Sulci are zero sets of a random field on rays from the middle."""
        x, y, z = canvas.x, canvas.y, canvas.z
        side = np.abs(x)
        outer = cavity + self.head.csf
        brain = _smooth_maximum(outer, _tentorium(side, y) - z - 60 * _logistic((y + 14) / 2), 4)
        brain = np.maximum(brain, -_ellipsoid(x, y, z, (0, 0, -36), (15, 23, 13)))
        ray = np.maximum(level, np.float32(0.3))
        closing = 0.7 * np.maximum(-outer - 11, 0)
        sulci = np.abs(self.folds.at(x / ray, y / ray, z / ray)) * 4.6 - (0.15 + 0.3 * self.head.csf) + closing
        callosum = np.sqrt(((y - 2) / 46) ** 2 + ((z + 3) / 30) ** 2)
        fissure = np.maximum(side - 0.4 - 0.3 * self.head.csf, (1 - callosum) * 30)
        sylvian = np.maximum(np.abs(z + 9 + 0.35 * (y - 15)) - 1.3, np.maximum((39 - side) * 0.8, np.abs(y - 6) - 32))
        pial = np.maximum(brain, -np.minimum(np.minimum(sulci, fissure), sylvian))
        canvas.paint(Tissue.GREY_MATTER, pial)
        canvas.paint(Tissue.WHITE_MATTER, pial + 2.9)

    def _paint_cerebellum(self, canvas: _Canvas, cavity: Field) -> None:
        """Folia as fissures that radiate, seen from the side, from the fourth ventricle."""
        x, y, z = canvas.x, canvas.y, canvas.z
        solid = np.maximum(cavity + 1.5, np.maximum(z - _tentorium(np.abs(x), y) + 2, y + 24))
        if solid.min() > canvas.width:
            return
        radius = np.hypot(y + 32, z + 40)
        fissures = np.abs(np.sin(14 * np.arctan2(z + 40, y + 32))) * radius / 14 + 0.5 * np.maximum(-solid - 9, 0) - 0.3
        pial = np.maximum(solid, -fissures)
        canvas.paint(Tissue.GREY_MATTER, pial)
        canvas.paint(Tissue.WHITE_MATTER, np.maximum(pial + 1.5, solid + 5))

    def _paint_face_cavities(self, canvas: _Canvas, skin: Field) -> None:
        """Orbits with their contents, then the air spaces: bone, mucosa, air."""
        for socket in self.sockets:
            if canvas.near(socket.bounds[0], socket.bounds[1] + 3):
                distance = socket.distance(canvas.x, canvas.y, canvas.z)
                canvas.paint(Tissue.CORTICAL_BONE, np.maximum(distance - 2.2, canvas.y - 82))
                canvas.paint(Tissue.FAT, np.maximum(distance, skin + 2.5))
        canvas.draw(self.orbit)
        sinuses = [cavity for cavity in self.cavities if isinstance(cavity, _Ellipsoid)]
        canvas.draw(sinuses, 2.4, Tissue.CORTICAL_BONE)
        canvas.draw(self.cavities, 0.9, Tissue.MUCOSA)
        canvas.draw(self.cavities)


def _tentorium(side: Field, y: Field) -> Field:
    """Height of the sheet between cerebrum and cerebellum, mm."""
    result: Field = -34 + 0.33 * (y + 85) - 0.15 * side
    return result


def _teeth(x: Field, y: Field, z: Field) -> Field:
    """Two rows of teeth along an arch, 8 mm apart."""
    row = np.abs(_ellipsoid(x, y, z, (0, 46, 0), (28, 38, 1e4))) - 3.4
    height = np.maximum(np.abs(z + 85) - 8, 0.6 - np.abs(z + 85))
    place = np.mod(33 * np.arctan2(x, y - 46), 8) - 4
    result: Field = np.maximum(np.maximum(row, height), np.maximum(np.abs(place) - 3.6, 44 - y))
    return result


def _vertebrae(x: Field, y: Field, z: Field) -> Field:
    """The cervical spine: bodies, arches and spinous processes, 18 mm a vertebra."""
    along = np.abs(np.mod(z + 75, 18) - 9)
    body = np.maximum(_capsule(x, y, z, (0, -9, -78), (0, -20, -240), (10, 10.5)), along - 7)
    arch = np.maximum(_capsule(x, y, z, (0, -28, -70), (0, -40, -240), (14, 13.5)), along - 6)
    spine = np.maximum(np.maximum(np.abs(x) - 3, np.abs(y + 50 + 0.08 * (-80 - z)) - 12), along - 4.5)
    result: Field = np.maximum(np.minimum(np.minimum(body, arch), spine), z + 72)
    return result


def head_grid(
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0),
    orientation: str = "RAS",
    *,
    rotation_degrees: Point = (0.0, 0.0, 0.0),
) -> Grid:
    """A grid centred on the head.

    Args:
        shape: voxels along each array axis; by default enough to cover the head from vertex to chin.
        spacing: mm along each array axis.
        orientation: the direction in which each array axis grows, as in `Grid.orientation`.
        rotation_degrees: turns the grid about the patient's x, y and z, for oblique slices.

    >>> head_grid(spacing=(2, 2, 4), orientation="PIR").shape
    (120, 112, 48)
    """
    axes = nib.orientations.axcodes2ornt(tuple(orientation))
    patient_axis = axes[:, 0].astype(int)
    if shape is None:
        i, j, k = (round(_FIELD_OF_VIEW[a] / s) for a, s in zip(patient_axis, spacing, strict=True))
        shape = (i, j, k)
    turned = Rotation.from_euler("xyz", rotation_degrees, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = 0
    affine[patient_axis, [0, 1, 2]] = axes[:, 1]
    affine[:3, :3] = turned @ affine[:3, :3] * np.asarray(spacing)
    affine[:3, 3] = np.asarray(_FIELD_CENTRE) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape, affine)


def write_cohort(
    folder: Path,
    *,
    patients: int,
    seed: int = 0,
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0),
    ct_spacing: tuple[float, float, float] | None = None,
    paired_cases: int = 0,
    protocol: MrProtocol = T1_GRADIENT_ECHO,
    couch: bool = False,
) -> list[Path]:
    """Write an unpaired cohort, and paired cases to score it on, as NIfTI.

    `folder/mr` and `folder/ct` hold `patients` different people each; `folder/test/mr/<case>.nii.gz` and
    `folder/test/ct/<case>.nii.gz` are one anatomy on the MR grid. No one is in two of the three.

    Args:
        folder: made if it is not there.
        patients: scans of each modality.
        seed: another cohort a seed.
        shape: voxels of the MR grid; by default the whole head.
        spacing: mm, of the MR grid and of the CT grid.
        ct_spacing: mm, of the unpaired CT if it differs; the same field of view.
        paired_cases: scans of each modality in `folder/test`.
        protocol: of all MR.
        couch: put a headrest into the CT.

    Returns:
        All files written.
    """
    grid = head_grid(shape, spacing)
    ct_shape = None if shape is None else _resized(grid, ct_spacing or spacing)
    ct_grid = head_grid(ct_shape, ct_spacing or spacing)
    people = [HeadPhantom.random(int(s)) for s in _seeds(seed, 2 * patients + paired_cases)]
    written = []
    for number, person in enumerate(people[:patients]):
        written.append(_write(person.mr(grid, protocol), folder / "mr" / f"mr{number:03d}.nii.gz"))
    for number, person in enumerate(people[patients : 2 * patients]):
        written.append(_write(person.ct(ct_grid, couch=couch), folder / "ct" / f"ct{number:03d}.nii.gz"))
    for number, person in enumerate(people[2 * patients :]):
        name = f"case{number:03d}.nii.gz"
        written.append(_write(person.mr(grid, protocol), folder / "test" / "mr" / name))
        written.append(_write(person.ct(grid, couch=couch), folder / "test" / "ct" / name))
    return written


def _seeds(seed: int, count: int) -> npt.NDArray[np.uint32]:
    return np.random.SeedSequence(seed).generate_state(count)


def _resized(grid: Grid, spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    i, j, k = (max(1, round(extent / s)) for extent, s in zip(grid.field_of_view, spacing, strict=True))
    return i, j, k


def _write(volume: Volume, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(volume, path)
    return path
