"""A patient's head, and grids to sample it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medcycle.phantom.anatomy import Anatomy, HeadSizes
from medcycle.phantom.canvas import Canvas, blocks
from medcycle.phantom.shapes import Field, Point
from medcycle.phantom.tissue import BRIGHTEST, MR_TEXTURE, PROPERTIES, T1_GRADIENT_ECHO, MrProtocol, Tissue
from medcycle.volume import Grid, Volume

__all__ = ["HeadPhantom", "head_grid"]

FIELD_CENTRE = (0.0, 2.0, -26.0)
FIELD_OF_VIEW = (192.0, 240.0, 224.0)


@dataclass(frozen=True)
class HeadPhantom(HeadSizes):
    """The head of one patient; make one with `HeadPhantom.random(seed)`.

    Args, beside those of `HeadSizes`:
        scale: size relative to the canonical head along x, y and z.
        rotation: pose, degrees about x, y and z.
        translation: pose, mm.
        cortical_hounsfield, marrow_hounsfield: HU of compact bone and diploe.
    """

    scale: Point = (1.0, 1.0, 1.0)
    rotation: Point = (0.0, 0.0, 0.0)
    translation: Point = (0.0, 0.0, 0.0)
    cortical_hounsfield: float = 1450.0
    marrow_hounsfield: float = 520.0

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
        signals *= BRIGHTEST / signals.max()
        table = np.stack([signals, MR_TEXTURE * signals], axis=1).astype(np.float32)
        clean = self._textured(grid, table, slice_samples)
        if protocol.bias:
            clean *= 1 + protocol.bias * self._bias(grid)
        rng = np.random.default_rng([self.seed, 1, int(protocol.repetition_time * 1e3), int(protocol.echo_time * 1e3)])
        if protocol.noise:
            deviation = np.float32(protocol.noise * BRIGHTEST)
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
        table = np.array([[p.hounsfield, p.texture] for p in PROPERTIES.values()], np.float32)
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
        return np.asarray(np.linalg.inv(pose), np.float64)

    @cached_property
    def _anatomy(self) -> Anatomy:
        return Anatomy.of(self)

    def _textured(self, grid: Grid, table: Field, samples: int | None) -> Field:
        mean, texture = self._render(grid, table, samples=samples, width=min(grid.spacing))
        for block, (x, y, z) in blocks(grid.shape, self._head_from_patient @ grid.affine):
            if texture[block].any():
                mean[block] += texture[block] * np.clip(self._anatomy.texture.at(x, y, z), -2.5, 2.5)
        result: Field = mean
        return result

    def _render(self, grid: Grid, table: Field, *, samples: int | None, width: float) -> Field:
        """Paint every block; average `samples` sub-slices along the longest voxel edge. Returns (channels, *shape)."""
        axis = int(np.argmax(grid.spacing))
        count = samples or max(1, round(max(grid.spacing) / min(grid.spacing)))
        result = np.zeros((table.shape[1], *grid.shape), np.float32)
        for step in (np.arange(count) + 0.5) / count - 0.5:
            shift = np.eye(4)
            shift[axis, 3] = step
            for block, (x, y, z) in blocks(grid.shape, self._head_from_patient @ grid.affine @ shift):
                canvas = Canvas(x, y, z, width / float(np.mean(self.scale)), table)
                self._anatomy.paint(canvas)
                result[:, *block] += canvas.pixels / np.float32(count)
        return result

    def _bias(self, grid: Grid) -> Field:
        """A receive field in [−1, 1] that varies over the whole head."""
        result = np.empty(grid.shape, np.float32)
        waves = self._anatomy.bias
        for block, (x, y, z) in blocks(grid.shape, grid.affine):
            result[block] = waves.at(x, y, z) / np.sqrt(2 * len(waves.phases))
        return result

    def _couch(self, grid: Grid) -> Field:
        """HU of a headrest (a shell around foam) and a table top, in patient space; −1000 elsewhere."""
        back = self.translation[1] - 100 * self.scale[1]
        result = np.full(grid.shape, -1000, np.float32)
        for block, (x, y, _) in blocks(grid.shape, grid.affine):
            arc = np.abs(np.hypot(x, y - (back + 98)) - 104)
            shell = (arc < 1.5) & (y < back + 45)
            top = (np.abs(y - (back - 13)) < 1.5) & (np.abs(x) < 220)
            result[block] = np.select([shell | top, (arc < 4) & (y < back + 45)], [-120, -880], -1000)
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
        i, j, k = (round(FIELD_OF_VIEW[a] / s) for a, s in zip(patient_axis, spacing, strict=True))
        shape = (i, j, k)
    turned = Rotation.from_euler("xyz", rotation_degrees, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = 0
    affine[patient_axis, [0, 1, 2]] = axes[:, 1]
    affine[:3, :3] = turned @ affine[:3, :3] * np.asarray(spacing)
    affine[:3, 3] = np.asarray(FIELD_CENTRE) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape, affine)


def _triple(rng: np.random.Generator, mean: Sequence[float], deviation: Sequence[float]) -> Point:
    x, y, z = rng.normal(mean, deviation)
    return float(x), float(y), float(z)
