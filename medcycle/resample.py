"""One grid onto another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from medcycle.volume import Array, Grid, Volume

__all__ = ["coarsen", "resample_mask", "resample_to", "respace", "slabs"]

Interpolation = Literal["linear", "nearest", "bspline"]

INTERPOLATORS = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "bspline": sitk.sitkBSpline3}

REACH: dict[Interpolation, int] = {"linear": 2, "nearest": 2, "bspline": 12}
"""How many voxels away a value still counts. The coefficients of a cubic B-spline depend on all values of the volume,
with every voxel by √3 − 2 less (Unser 1999, "Splines: a perfect fit for signal and image processing")."""

UNFIT_FOR_SPLINES = 2
"""Voxels along an axis of which SimpleITK's B-splines read beyond the ends; one, or three, they take."""

SLAB = 16
"""Slices that are worked on at once, so that memory is that of the result."""


def resample_to(volume: Volume, grid: Grid, *, background: float, interpolation: Interpolation = "linear") -> Volume:
    """Sample a volume at the voxel centres of another grid.

    Args:
        volume: what to sample; booleans become uint8.
        grid: where to sample it.
        background: value of voxels whose centre lies outside the volume's field of view (voxel edges included).
        interpolation: how values between voxel centres are made; those of `bspline`, cubic, stay in the volume's range,
            and are linear where an axis has two voxels.

    Returns:
        A volume on `grid`, of the input's data type (uint8 for booleans).
    """
    kind = np.dtype(np.uint8) if volume.array.dtype.kind == "b" else volume.array.dtype
    made = np.empty(grid.shape, dtype=kind, order="F")
    for slab, part in _resampled(volume, grid, kind, background, interpolation):
        made[slab] = part
    return Volume(made, grid)


def _resampled(
    volume: Volume, grid: Grid, kind: np.dtype[Any], background: float, interpolation: Interpolation
) -> Iterator[tuple[tuple[slice, slice, slice], Array]]:
    """A volume on another grid, some slices at a time, as a data type; what to index an array with, and the values."""
    if _coincide(volume.grid, grid):  # whatever comes between values
        interpolation = "nearest"
    elif interpolation == "bspline" and UNFIT_FOR_SPLINES in volume.array.shape:
        interpolation = "linear"
    limits = None
    if interpolation == "bspline":  # which goes beyond them beside edges
        limits = min(volume.array.min(), background), max(volume.array.max(), background)
    for slab, part in slabs(grid):
        # Both images are moved into index space: SimpleITK refuses directions with shear, an affine transform does not.
        to_index = np.linalg.inv(volume.grid.affine) @ part.affine
        needed = _needed(to_index, part, volume.array.shape, REACH[interpolation])
        start = [one.start for one in needed]
        seen = np.ascontiguousarray(volume.array[needed].T, dtype=kind)
        resampled = sitk.Resample(
            sitk.GetImageFromArray(seen),
            size=list(part.shape),
            transform=sitk.AffineTransform(to_index[:3, :3].ravel().tolist(), (to_index[:3, 3] - start).tolist()),
            interpolator=INTERPOLATORS[interpolation],
            defaultPixelValue=float(background),
        )
        values = sitk.GetArrayViewFromImage(resampled).T
        yield slab, np.clip(values, *limits) if limits else values


def _coincide(source: Grid, target: Grid) -> bool:
    """Whether the voxel centres of one grid are among those of another, in any orientation; to 0.001 voxels."""
    to_index = np.linalg.inv(source.affine) @ target.affine
    return bool((np.abs(to_index - to_index.round())[:3] @ [*target.shape, 1] < 1e-3).all())


def _needed(to_index: Array, part: Grid, shape: Sequence[int], reach: int) -> tuple[slice, ...]:
    """The voxels of an array between which those of a grid lie and more beyond; some at least along each axis."""
    corners = np.stack(np.meshgrid(*([-1, size] for size in part.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    places = corners @ to_index[:3, :3].T + to_index[:3, 3]
    first, last = np.floor(places.min(axis=0)) - reach, np.ceil(places.max(axis=0)) + reach + 1
    ends = [(int(np.clip(a, 0, n - 1)), int(np.clip(b, 1, n)), n) for a, b, n in zip(first, last, shape, strict=True)]
    least = UNFIT_FOR_SPLINES + 1
    return tuple(slice(min(a, max(0, n - least)), max(b, min(n, a + least))) for a, b, n in ends)


def resample_mask(mask: Volume, grid: Grid) -> Volume:
    """Booleans at the voxel centres of another grid: true where a linear interpolation of the mask exceeds a half."""
    made = np.empty(grid.shape, dtype=bool, order="F")
    for slab, weights in _resampled(mask, grid, np.dtype(np.float32), 0.0, "linear"):
        made[slab] = weights > 0.5
    return Volume(made, grid)


def slabs(grid: Grid) -> Iterator[tuple[tuple[slice, slice, slice], Grid]]:
    """A grid in parts of some slices: what to index its arrays with, and the part's grid."""
    for first in range(0, grid.shape[2], SLAB):
        last = min(first + SLAB, grid.shape[2])
        affine = grid.affine.copy()
        affine[:, 3] = grid.affine @ [0, 0, first, 1]
        yield np.s_[:, :, first:last], Grid((*grid.shape[:2], last - first), affine)


def respace(volume: Volume, spacing: Sequence[float | None], blur: float | None = None) -> Volume:
    """Another spacing, with a blur along the axes that become coarser, so that fine structure does not alias.

    The Gaussian turns the point spread of the finer grid into that of the coarser one: its standard deviation, in
    voxels, is √(f² − 1) / 2.355 for a coarsening by f (both taken as Gaussians of one voxel's full width at half
    maximum; Cardoso et al. 2015, "Scale factor point spread function matching"). Then it is linear between voxels, the
    border's value beyond them, on a grid of the same centre that covers the field of view. It goes slab by slab, with
    little more memory than its result.

    Args:
        volume: what to resample.
        spacing: the new one along each axis, mm; None where an axis is kept.
        blur: another standard deviation along all axes, as a part of f voxels.

    Returns:
        float32; the volume itself if nothing is to be done.
    """
    factors = np.array([(new or old) / old for new, old in zip(spacing, volume.grid.spacing, strict=True)], float)
    factors[np.isclose(factors, 1, rtol=1e-4)] = 1
    sigma = np.sqrt(np.maximum(np.square(factors) - 1, 0)) / 2.355 if blur is None else blur * factors
    if (factors == 1).all() and not sigma.any():
        return volume.with_array(volume.array.astype(np.float32, copy=False))
    shape = volume.grid.shape
    sizes = [max(1, int(np.ceil(n / factor - 1e-3))) for n, factor in zip(shape, factors, strict=True)]
    start = [(n - 1 - (m - 1) * f) / 2 for n, m, f in zip(shape, sizes, factors, strict=True)]
    affine = volume.grid.affine @ np.diag([*factors, 1.0])
    affine[:3, 3] = volume.grid.affine[:3] @ [*start, 1.0]
    planes = np.empty((*sizes[:2], shape[2]), dtype=np.float32)
    for first in range(0, shape[2], SLAB):
        slab = np.s_[:, :, first : first + SLAB]
        planes[slab] = _sampled(volume.array[slab], (*factors[:2], 1), (*start[:2], 0), sizes[:2], (*sigma[:2], 0))
    made = np.empty(sizes, dtype=np.float32)
    for first in range(0, sizes[0], SLAB):
        rows = np.s_[first : first + SLAB]
        made[rows] = _sampled(planes[rows], (1, 1, factors[2]), (0, 0, start[2]), sizes[1:], (0, 0, sigma[2]))
    return Volume(made, Grid(made.shape, affine))


def coarsen(volume: Volume, spacing: float, blur: float | None = None) -> Volume:
    """`respace` along the axes that are finer than `spacing`, mm."""
    return respace(volume, [max(spacing, width) for width in volume.grid.spacing], blur)


def _sampled(
    array: Array, factors: Sequence[float], start: Sequence[float], sizes: Sequence[int], sigma: Sequence[float]
) -> Array:
    """Blurred, then linear at `start` + n · `factors` along each axis, in `sizes` of the axes that change."""
    smooth = ndimage.gaussian_filter(array.astype(np.float32), sigma, mode="nearest")
    if all(factor == 1 for factor in factors):
        return cast(Array, smooth)
    shape = (*sizes, array.shape[2]) if factors[2] == 1 else (array.shape[0], *sizes)
    return cast(Array, ndimage.affine_transform(smooth, factors, start, shape, order=1, mode="nearest"))
