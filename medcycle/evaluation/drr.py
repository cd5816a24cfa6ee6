"""Digitally reconstructed radiographs (DRR), from the front and from the side, of a synthetic CT and the real one.

A DRR is the integral of the linear attenuation coefficient along parallel rays, here along the patient's own axes:
patients are aligned for treatment by such images. It shows at a glance bone that is missing or in another place.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image

from medcycle.evaluation.metrics import mae, ncc
from medcycle.io.files import atomic_path
from medcycle.resample import resample_mask, resample_to, respace, slabs
from medcycle.volume import Array, Grid, Volume

__all__ = ["VIEWS", "WATER", "Drr", "View", "drr_measures", "drrs", "radiograph", "write_drr_png"]

View = Literal["ap", "lateral"]

VIEWS: MappingProxyType[View, int] = MappingProxyType({"ap": 1, "lateral": 0})
"""Views, and the axis of RAS along which rays go: from the front, from the patient's left."""

WATER = 0.019
"""Linear attenuation coefficient of water per mm, at about 70 keV, the mean energy of a 120 kV beam (NIST's tables have
0.0206 at 60 keV and 0.0184 at 80 keV)."""

PIXELS = (1.0, 2.0)
"""Side of a pixel, mm; the second where the body is longer than `LONG`."""

LONG = 300.0

ALIGNED = 1e-4
"""How far from an axis of the patient a voxel's side may point, as a sine, to count as along it."""

COLOUR_SPAN = 0.1
"""of the grey scale, at which a difference has its full colour."""

Image = npt.NDArray[np.float32]


class Drr(NamedTuple):
    """Integrals of attenuation (no unit), rows from head to feet, and where the real body is.

    Columns go from the patient's right to the left from the front, from front to back from the side.
    """

    real: Image
    synthetic: Image
    body: npt.NDArray[np.bool_]


def drrs(real: Volume, synthetic: Volume, real_body: Array, synthetic_body: Array) -> dict[View, Drr]:
    """DRR of both CT by view. What is outside each one's own body mask counts as nothing.

    Args:
        real: HU.
        synthetic: HU, on the same grid.
        real_body: boolean, on that grid, not empty.
        synthetic_body: boolean, on that grid.
    """
    box = _box(real_body | synthetic_body)
    grid = Grid(real_body[box].shape, _moved(real.grid.affine, box))
    body = _aligned_mask(Volume(real_body[box], grid))
    first, second = (
        _aligned(_attenuation(Volume(volume.array[box], grid), mask[box]))
        for volume, mask in ((real, real_body), (synthetic, synthetic_body))
    )
    return {view: Drr(radiograph(first, view), radiograph(second, view), _shadow(body, view)) for view in VIEWS}


def drr_measures(images: dict[View, Drr]) -> dict[str, dict[str, float | None]]:
    """By view, inside the real body's projection: `ncc`, Pearson's coefficient, and `mae`, mean absolute difference.

    The second has the unit of the images: 0.019 is a millimetre of water. The first is None for an image of one value.
    """
    measures: dict[str, dict[str, float | None]] = {}
    for view, (real, synthetic, body) in images.items():
        alike = ncc(real, synthetic, body)
        measures[view] = {"ncc": alike if np.isfinite(alike) else None, "mae": mae(real, synthetic, body)}
    return measures


def radiograph(volume: Volume, view: View) -> Image:
    """Integrals of a volume's values along parallel rays; float32, pixels square, 1 mm or 2.

    Args:
        volume: along the patient's axes, in any order.
        view: the direction.
    """
    volume, axis = volume.to_ras(), VIEWS[view]
    sums = volume.array.sum(axis=axis, keepdims=True, dtype=np.float32)
    return _pixels(np.float32(volume.grid.spacing[axis]) * sums, volume, axis)


def _shadow(mask: Volume, view: View) -> npt.NDArray[np.bool_]:
    """Where rays meet a mask."""
    mask, axis = mask.to_ras(), VIEWS[view]
    return _pixels(np.where(mask.array.any(axis=axis, keepdims=True), np.float32(1), 0), mask, axis) > 0.5


def _pixels(flat: Array, volume: Volume, axis: int) -> Image:
    """Values by the two other axes of RAS as an image; the axis itself has length 1."""
    pixel = PIXELS[max(volume.grid.field_of_view) > LONG]
    sides = [None if other == axis else pixel for other in range(3)]
    image = respace(Volume(flat, Grid(flat.shape, volume.grid.affine)), sides)
    # RAS grows to the right, to the front and to the head; images to the left, to the back and to the feet
    return image.array.squeeze(axis)[::-1, ::-1].T


def _attenuation(volume: Volume, body: Array) -> Volume:
    """Linear attenuation coefficient per mm, 0 outside the body and for what is below that of air."""
    made = np.zeros(volume.array.shape, dtype=np.float32, order="F")
    for slab, _ in slabs(volume.grid):
        hu = volume.array[slab].astype(np.float32)
        made[slab] = np.maximum(WATER * (1 + hu / 1000), 0) * body[slab]
    return volume.with_array(made)


def _aligned(volume: Volume) -> Volume:
    """The volume itself if its axes are those of the patient, else resampled to them."""
    grid = _aligned_grid(volume.grid)
    return volume if grid is volume.grid else resample_to(volume, grid, background=0.0)


def _aligned_mask(mask: Volume) -> Volume:
    grid = _aligned_grid(mask.grid)
    return mask if grid is mask.grid else resample_mask(mask, grid)


def _aligned_grid(grid: Grid) -> Grid:
    """A grid along the patient's axes, of about the same spacing, that holds the field of view; the same if it fits."""
    cosines = np.abs(grid.affine[:3, :3] / grid.spacing)
    if np.sort(cosines, axis=0)[:2].max() < ALIGNED:
        return grid
    order = cosines.argmax(axis=1) if len(set(cosines.argmax(axis=1))) == 3 else np.arange(3)
    spacing = np.array(grid.spacing)[order]
    ends = np.array([[-0.5, n - 0.5] for n in grid.shape])
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3) @ grid.affine[:3, :3].T
    low, high = corners.min(axis=0), corners.max(axis=0)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = grid.affine[:3, 3] + low + spacing / 2
    sizes = np.ceil((high - low) / spacing).astype(int)
    return Grid((int(sizes[0]), int(sizes[1]), int(sizes[2])), affine)


def _box(mask: Array) -> tuple[slice, slice, slice]:
    """What holds the mask and a voxel about it."""
    ends = []
    for axis, size in enumerate(mask.shape):
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        ends.append(slice(max(0, int(held[0]) - 1), min(size, int(held[-1]) + 2)))
    return ends[0], ends[1], ends[2]


def _moved(affine: Array, box: tuple[slice, slice, slice]) -> Array:
    moved = affine.copy()
    moved[:, 3] = affine @ [*(part.start for part in box), 1.0]
    return moved


def write_drr_png(path: Path, real: Image, synthetic: Image) -> None:
    """Write a picture of real, synthetic and difference side by side, whole or not at all.

    The first two share a grey scale from 0 to the larger maximum. The difference is white where they agree, red where
    the synthetic CT weakens more and blue where it weakens less, in full colour from a tenth of the grey scale on.

    Args:
        path: a file ending in .png, replaced if it exists.
        real: integrals of attenuation, 0 or more.
        synthetic: of the same shape.

    Raises:
        OSError: if it can't be written.
    """
    top = max(float(real.max()), float(synthetic.max()), float(np.finfo(np.float32).tiny))
    greys = [np.repeat(image[..., None] / top, 3, axis=-1) for image in (real, synthetic)]
    more = np.clip((synthetic - real) / (COLOUR_SPAN * top), -1, 1)
    difference = np.stack([1 - np.maximum(-more, 0), 1 - np.abs(more), 1 - np.maximum(more, 0)], axis=-1)
    picture = np.rint(255 * np.concatenate([*greys, difference], axis=1)).astype(np.uint8)
    with atomic_path(path) as temporary:
        PIL.Image.fromarray(picture).save(temporary)
