"""Similarity of a synthetic volume to the real one, inside a mask: pure functions of three arrays of one shape.

`real` and `synthetic` are in one unit (HU for CT) and finite, `mask` is boolean and not empty; metrics that don't
depend on where voxels are also take `...`, for all of them. A `window` is the pair `(low, high)`, in that unit, to
which both are clipped; its width is the dynamic range *L* of the formulas.
"""

from __future__ import annotations

from types import EllipsisType

import numpy as np
from scipy.ndimage import uniform_filter
from skimage.metrics import structural_similarity

from medcycle.errors import DataError
from medcycle.volume import Array

__all__ = [
    "MS_SSIM_WEIGHTS",
    "SSIM_WINDOW",
    "Where",
    "Window",
    "mae",
    "me",
    "ms_ssim",
    "ncc",
    "psnr",
    "rmse",
    "similarities",
    "ssim",
]

Window = tuple[float, float]
Where = Array | EllipsisType

SSIM_WINDOW = 7
"""Edge of the cubic SSIM window, voxels. Voxels nearer to the array's edge than half of it have no SSIM."""

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first (Wang, Simoncelli and Bovik, Asilomar 2003, section 3.2)."""

_MARGIN = SSIM_WINDOW // 2
_MS_SSIM_SIZE = (SSIM_WINDOW - 1) * 2 ** (len(MS_SSIM_WEIGHTS) - 1) + 1


def _differences(real: Array, synthetic: Array, mask: Where) -> Array:
    return synthetic[mask].astype(np.float64, copy=False) - real[mask].astype(np.float64, copy=False)


def mae(real: Array, synthetic: Array, mask: Where) -> float:
    """Mean absolute error, `mean |synthetic − real|` over the mask.

    Returns:
        In the arrays' unit, 0 (equal) upwards.
    """
    return float(np.abs(_differences(real, synthetic, mask)).mean())


def me(real: Array, synthetic: Array, mask: Where) -> float:
    """Mean error (bias), `mean (synthetic − real)` over the mask.

    Returns:
        In the arrays' unit; positive where the synthetic volume is too bright. Its size never exceeds `mae`.
    """
    return float(_differences(real, synthetic, mask).mean())


def rmse(real: Array, synthetic: Array, mask: Where) -> float:
    """Root mean square error, `√(mean (synthetic − real)²)` over the mask.

    Returns:
        In the arrays' unit, 0 (equal) upwards; never below `mae`.
    """
    return float(np.sqrt(np.square(_differences(real, synthetic, mask)).mean()))


def ncc(real: Array, synthetic: Array, mask: Where) -> float:
    """Normalised cross-correlation over the mask: Pearson's coefficient of the two volumes' values.

    Returns:
        −1 to 1; NaN if one of them has a single value.
    """
    first, second = (image[mask].astype(np.float64, copy=False) for image in (real, synthetic))
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale else float("nan")


def psnr(real: Array, synthetic: Array, mask: Where, window: Window) -> float:
    """Peak signal-to-noise ratio of the clipped volumes over the mask, `10 log10(L² / mean square error)`.

    Returns:
        Decibels; infinite where the clipped volumes are equal.
    """
    low, high = window
    error = float(np.square(_differences(real.clip(low, high), synthetic.clip(low, high), mask)).mean())
    return float("inf") if error == 0 else float(10 * np.log10((high - low) ** 2 / error))


def ssim(real: Array, synthetic: Array, mask: Array, window: Window) -> float:
    """Mean structural similarity over the mask, as SynthRAD 2023 defines it.

    Both volumes are clipped, set to `low` outside the mask and shifted so that `low` is 0. The index is that of Wang et
    al. (IEEE Trans. Image Process. 13, 2004, eq. 13: K1 = 0.01, K2 = 0.03) with a uniform window of 7×7×7 voxels and
    sample covariances; its mean is over the mask, without the outermost three voxels of the array.

    Arithmetic is in the arrays' own precision; float32 and float64 agree to about 1e-6.

    Args:
        real: real volume, shape `(i, j, k)`, a floating-point type.
        synthetic: synthetic volume of that shape and type.
        mask: boolean, of that shape.
        window: `(low, high)`.

    Returns:
        −1 to 1; 1 where the clipped volumes are equal.

    Raises:
        DataError: if no voxel of the mask is at least three voxels inside the array.
    """
    box = _neighbourhood(_require_inner(mask))
    real, synthetic, mask = real[box], synthetic[box], mask[box]
    low, high = window
    _, similarity = structural_similarity(
        _shifted(real, mask, window),
        _shifted(synthetic, mask, window),
        win_size=SSIM_WINDOW,
        data_range=high - low,
        full=True,
    )
    return _inner_mean(similarity, mask)


def ms_ssim(real: Array, synthetic: Array, mask: Array, window: Window) -> float:
    """Multi-scale structural similarity over the mask, as SynthRAD 2025 defines it.

    The product over five scales of the masked mean of `luminance^w · contrast^w · structure^w` (Wang, Simoncelli and
    Bovik, Asilomar 2003, eq. 7, but with luminance at every scale, and the mean taken at each scale before the
    product). Negative structure counts as 0. Arrays smaller than 97 voxels along an axis are extended to that by
    repeating their edges. From one scale to the next the volumes are averaged over 2×2×2 voxels, zero beyond the first
    plane, and the mask keeps every second voxel.

    Args:
        real: real volume, shape `(i, j, k)`.
        synthetic: synthetic volume of that shape.
        mask: boolean, of that shape.
        window: `(low, high)`.

    Returns:
        0 to 1; 1 where the clipped volumes are equal.

    Raises:
        DataError: if at one of the scales no voxel of the mask is at least three voxels inside the array.
    """
    return _scales(real, synthetic, mask, window)[1]


def similarities(real: Array, synthetic: Array, mask: Array, window: Window) -> tuple[float, float]:
    """`ssim` and `ms_ssim`, whose finest scale are computed in one go where arrays are not extended.

    Arguments and errors are those of `ssim`, arithmetic is in float64. MS-SSIM is NaN of masks too thin for it.
    """
    if min(mask.shape) < _MS_SSIM_SIZE:
        index = ssim(real.astype(np.float64), synthetic.astype(np.float64), mask, window)
        return index, _scales(real, synthetic, mask, window, or_nan=True)[1]
    return _scales(real, synthetic, mask, window, or_nan=True)


def _scales(real: Array, synthetic: Array, mask: Array, window: Window, *, or_nan: bool = False) -> tuple[float, float]:
    """The mean similarity of the finest scale, and the product over all of them, which may be NaN if not defined."""
    low, high = window
    padding = [_to_minimum(n) for n in mask.shape]
    images = [
        np.pad(_shifted(image.astype(np.float64), mask, window), padding, mode="edge") for image in (real, synthetic)
    ]
    mask = _require_inner(np.pad(mask, padding, mode="edge"))
    finest, product = 0.0, 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        if or_nan and not _inner(mask).any():
            return finest, float("nan")
        box = _neighbourhood(_require_inner(mask))
        similar = _similarity(images[0][box], images[1][box], mask[box], high - low)
        if scale == 0:
            finest = float(similar.mean())
        product *= float((similar.clip(min=0) ** weight).mean())
        images = [_halved(image) for image in images]
        mask = mask[::2, ::2, ::2]
    return finest, product


def _halved(image: Array) -> Array:
    """Means over voxels 2n − 1 and 2n along each axis, zero before the first: `uniform_filter` of size 2, thinned."""
    for axis in range(3):
        planes = np.moveaxis(image, axis, 0)
        halved = planes[::2] / 2
        halved[1:] += planes[1 : 2 * len(halved) - 1 : 2] / 2
        image = np.moveaxis(halved, 0, axis)
    return image


def _similarity(first: Array, second: Array, mask: Array, data_range: float) -> Array:
    """SSIM of each voxel of the mask, the product of luminance, contrast and structure, with C3 = C2/2.

    Wang et al. 2004, eq. 13; contrast times structure is one fraction then.
    """
    inside = _inner(mask)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    sample = SSIM_WINDOW**3 / (SSIM_WINDOW**3 - 1)

    def local_mean(image: Array) -> Array:
        mean: Array = _inner(uniform_filter(image, size=SSIM_WINDOW))[inside]
        return mean

    mean_1, mean_2 = local_mean(first), local_mean(second)
    squares, product = mean_1 * mean_1 + mean_2 * mean_2, mean_1 * mean_2
    variances = sample * (local_mean(first * first + second * second) - squares)
    covariance = sample * (local_mean(first * second) - product)
    similarity: Array = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return similarity


def _shifted(image: Array, mask: Array, window: Window) -> Array:
    low, high = window
    shifted: Array = np.where(mask, image.clip(low, high), image.dtype.type(low)) - image.dtype.type(low)
    return shifted


def _inner(image: Array) -> Array:
    inner: Array = image[(slice(_MARGIN, -_MARGIN),) * image.ndim]
    return inner


def _inner_mean(similarity: Array, mask: Array) -> float:
    return float(_inner(similarity)[_inner(mask)].mean(dtype=np.float64))


def _require_inner(mask: Array) -> Array:
    if not _inner(mask).any():
        raise DataError(
            f"no voxel of the mask is {_MARGIN} voxels inside the array of {'×'.join(map(str, mask.shape))} voxels, "
            "where the structural similarity is defined; give a larger mask, or choose a protocol without that metric"
        )
    return mask


def _neighbourhood(mask: Array) -> tuple[slice, ...]:
    """The box around the mask that holds every voxel its SSIM windows reach: the mean is the same, for less memory."""
    ranges = []
    for axis in range(mask.ndim):
        occupied = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        ranges.append(slice(max(int(occupied[0]) - _MARGIN, 0), int(occupied[-1]) + 1 + _MARGIN))
    return tuple(ranges)


def _to_minimum(size: int) -> tuple[int, int]:
    missing = max(_MS_SSIM_SIZE - size, 0)
    return missing // 2, missing - missing // 2
