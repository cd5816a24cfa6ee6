"""CBCT-like images from CT: projections with scatter, noise, rings, motion, metal and a small detector, reconstructed.

Slices are projected one by one along parallel rays and reconstructed by filtered back-projection (scikit-image), so
what the cone angle does is missing. Scatter and its correction, beam hardening, motion and detector are drawn for a
whole scan, and so lie across slices as they do in one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.transform import iradon, radon

from medcycle.errors import DataError
from medcycle.processors import available_processors
from medcycle.simulation.scan_effects import ScanEffects
from medcycle.volume import Array, Volume

__all__ = ["CbctPair", "simulate_cbct"]

Floats = npt.NDArray[np.float32]

WATER = 0.02
"""Linear attenuation coefficient of water, 1/mm, at about 65 keV (NIST XCOM: 0.0206 at 60 keV, 0.0184 at 80 keV)."""

LOWEST_HU, HIGHEST_HU = -1024.0, 3071.0
"""What 12 bits hold; the first is also outside the reconstructed circle."""

SOFT_HU = (-150.0, 150.0)
"""Soft tissue, whose median the simulated scanner is calibrated by."""

BONE_HU = 700.0
"""Metal is put where CT has more than this: into teeth and bone."""

SPREAD_OF_SCATTER = 40.0
"""Standard deviation of the scatter kernel, mm at the patient (Star-Lack et al. 2009, "Efficient scatter correction
using asymmetric kernels", Proc. SPIE 7258:72581Z, have kernels of this size)."""

WIDTH_OF_BANDS = 12.0
"""Standard deviation, mm, of detector errors that make broad rings."""

LEAST = 1e-6
"""Of the unattenuated intensity, below which nothing is measured."""


class CbctPair(NamedTuple):
    """A simulated CBCT, and the CT that it shows.

    Args:
        cbct: HU as a scanner has them, −1024 outside the reconstructed circle; on the CT's grid.
        ct: the CT, with the metal if there is any.
    """

    cbct: Volume
    ct: Volume


def simulate_cbct(ct: Volume, seed: int = 0, effects: ScanEffects | None = None) -> CbctPair:
    """A CBCT-like image of a CT.

    Args:
        ct: HU; array axes right-left, front-back, foot-head in this order, in either direction; pixels square.
        seed: of all that is random.
        effects: what the scan has; None to draw it from the seed.

    Raises:
        DataError: if the axes are in another order, or pixels are not square.
    """
    axes = [name[0] for name in ct.grid.orientation.translate(str.maketrans("LPI", "RAS"))]
    width, height, thickness = ct.grid.spacing
    if axes != ["R", "A", "S"] or not np.isclose(width, height, rtol=0.01):
        raise DataError(
            f"a CBCT is simulated of axial slices with square pixels, not of axes {ct.grid.orientation} with "
            f"{width:g} by {height:g} mm"
        )
    random = np.random.default_rng(seed)
    effects = effects or ScanEffects.drawn(random)
    hounsfield = np.clip(ct.array.astype(np.float32), LOWEST_HU, HIGHEST_HU)
    metal = _metal(hounsfield, ct.grid.spacing, effects.metal, random)
    hounsfield = np.where(metal > 0, np.float32(HIGHEST_HU), hounsfield)
    attenuation = (WATER * np.maximum(0, 1 + hounsfield / 1000) + metal).astype(np.float32)
    made = _Scanner(effects, width, thickness, random).scan(attenuation)
    made = _calibrated(made, hounsfield, effects)
    return CbctPair(ct.with_array(made), ct.with_array(hounsfield))


def _metal(hounsfield: Floats, spacing: Sequence[float], count: int, random: np.random.Generator) -> Floats:
    """Attenuation (1/mm) to add for balls of metal in bone, of titanium (0.3 per mm) and denser."""
    added = np.zeros_like(hounsfield)
    places = np.argwhere(hounsfield > BONE_HU)
    if not len(places) or not count:
        return added
    widths = np.array(spacing)
    places = places[np.abs((places - places[random.integers(len(places))]) * widths)[:, 2] < 15]  # as teeth lie
    for _ in range(count):
        middle, radius = places[random.integers(len(places))], random.uniform(1.5, 5.0)
        reach = np.ceil(radius / widths).astype(int)
        box = tuple(
            slice(max(0, at - far), min(size, at + far + 1))
            for at, far, size in zip(middle, reach, added.shape, strict=True)
        )
        offsets = np.ogrid[box]
        away = sum(((axis - at) * one) ** 2 for axis, at, one in zip(offsets, middle, widths, strict=True))
        added[box] = np.where(away <= radius**2, np.float32(random.uniform(0.1, 0.6)), added[box])
    return added


def _calibrated(made: Floats, hounsfield: Floats, effects: ScanEffects) -> Floats:
    """HU of reconstructed attenuation (1/mm), right in the median of soft tissue but for the scanner's own errors."""
    seen = np.isfinite(made)
    soft = seen & (hounsfield > SOFT_HU[0]) & (hounsfield < SOFT_HU[1])
    factor = 1.0
    if soft.any() and (found := float(np.median(made[soft]))) > 0:
        factor = WATER * (1 + float(np.median(hounsfield[soft])) / 1000) / found
    values = effects.gain * 1000 * factor * made / WATER - 1000 + effects.offset
    return np.where(seen, np.clip(values, LOWEST_HU, HIGHEST_HU), LOWEST_HU).astype(np.float32)


class _Scanner:
    """Projects, measures and reconstructs; projections are arrays (slice, detector pixel, view)."""

    def __init__(self, effects: ScanEffects, pixel: float, thickness: float, random: np.random.Generator) -> None:
        self.effects = effects
        self.pixel = pixel
        self.thickness = thickness
        self.random = random
        self.angles = np.linspace(0, 180, effects.views, endpoint=False)

    def scan(self, attenuation: Floats) -> Floats:
        """1/mm in and out, NaN outside the reconstructed circle."""
        size = max(attenuation.shape[:2])
        missing = [size - one for one in attenuation.shape[:2]]
        square = np.pad(attenuation, [(one // 2, one - one // 2) for one in missing] + [(0, 0)])
        projections = np.stack(self._each(lambda one: radon(one, self.angles, circle=False), np.moveaxis(square, 2, 0)))
        projections = self._moved((projections * self.pixel).astype(np.float32))
        measured = self._detected(projections)
        measured, radius = self._truncated(measured, attenuation)
        kernel = self.effects.kernel
        made = np.stack(
            self._each(lambda one: iradon(one, self.angles, size, kernel, circle=False), measured / self.pixel), axis=2
        )
        rows, columns = np.indices((size, size)) - (size - 1) / 2
        made[np.hypot(rows, columns) > radius] = np.nan
        taken = tuple(slice(one // 2, one // 2 + many) for one, many in zip(missing, attenuation.shape, strict=False))
        return made[taken].astype(np.float32)

    @staticmethod
    def _each(work: Callable[[Array], Array], slices: Array) -> list[Array]:
        with ThreadPoolExecutor(available_processors()) as pool:
            return list(pool.map(work, slices))

    def _moved(self, projections: Floats) -> Floats:
        """The projections of a patient who moves: shifted from some view on, the more the longer it has lasted."""
        effects = self.effects
        if not any(effects.shift):
            return projections
        done = (np.arange(effects.views) / effects.views - effects.moves_at) / max(effects.moves_for, 1e-3)
        done = np.clip(done, 0, 1)
        radians = np.deg2rad(self.angles)
        # detector pixels lie along the second axis in the first view, as in `iradon`
        across = (effects.shift[1] * np.cos(radians) - effects.shift[0] * np.sin(radians)) / self.pixel
        along = effects.shift[2] / self.thickness
        moved = np.empty_like(projections)
        for view, (share, sideways) in enumerate(zip(done, across, strict=True)):
            shift = (share * along, share * sideways)
            moved[..., view] = ndimage.shift(projections[..., view], shift, order=1, mode="nearest")
        return moved

    def _detected(self, projections: Floats) -> Floats:
        """What the detector measures of line integrals, as line integrals."""
        effects = self.effects
        hardened = np.maximum(projections - effects.hardening * projections**2, projections / 2)
        intensity = np.exp(-hardened)
        if effects.blur:
            intensity = ndimage.gaussian_filter1d(intensity, effects.blur / self.pixel, axis=1)
        intensity += self._scatter(intensity)
        intensity += np.sqrt(np.maximum(intensity, 0) / effects.photons) * self._normal(intensity.shape)
        measured = -np.log(np.maximum(intensity, LEAST))
        return (measured + self._errors(measured.shape[:2])[..., None]).astype(np.float32)

    def _scatter(self, primary: Floats) -> Floats:
        """What scatter adds, less the constant that the scanner takes off.

        A wide Gaussian of primary × line integral, the form of kernel-based corrections.
        """
        effects = self.effects
        if not effects.scatter:
            return np.zeros_like(primary)
        source = primary * -np.log(np.maximum(primary, LEAST))
        sigmas = (SPREAD_OF_SCATTER / self.thickness, SPREAD_OF_SCATTER / self.pixel, 0)
        spread = ndimage.gaussian_filter(source, sigmas, mode="nearest", truncate=2)
        behind = source > np.quantile(source, 0.5)
        through = primary < np.quantile(primary[behind], 0.25) if behind.any() else behind
        found = float(np.mean(spread[through])) if through.any() else 0.0
        if found <= 0:
            return np.zeros_like(primary)
        scatter = effects.scatter * float(np.mean(primary[through])) / found * spread
        return np.asarray(scatter - effects.corrected * float(np.mean(scatter[through])), dtype=np.float32)

    def _errors(self, shape: tuple[int, ...]) -> Floats:
        """Errors (line integrals) of detector pixels, the same in all views: what reconstruction makes rings of."""
        fine = ndimage.gaussian_filter1d(self._normal(shape), 1.0, axis=0)
        bands = ndimage.gaussian_filter1d(self._normal(shape), WIDTH_OF_BANDS / self.pixel, axis=1)
        bands = ndimage.gaussian_filter1d(bands, 3.0, axis=0)
        found: Floats = self.effects.rings * fine / np.float32(max(float(fine.std()), LEAST))
        found += self.effects.bands * bands / np.float32(max(float(bands.std()), LEAST))
        return found

    def _truncated(self, measured: Floats, attenuation: Floats) -> tuple[Floats, float]:
        """The projections that a detector of the field of view's width sees, extrapolated; and its radius, pixels."""
        body = np.argwhere((attenuation > WATER / 2).any(axis=2)) - (np.array(attenuation.shape[:2]) - 1) / 2
        about = float(np.hypot(*body.T).max()) if len(body) else attenuation.shape[0] / 2
        radius = self.effects.field_of_view * about
        middle = measured.shape[1] // 2
        reach = int(np.ceil(radius)) + 1  # no edge of a patient who fits in is cut off
        first, last = middle - reach, middle + reach
        if first <= 0 or last >= measured.shape[1] - 1:
            return measured, radius
        positions = np.arange(measured.shape[1])
        away = np.maximum(first - positions, positions - last) * self.pixel / self.effects.beyond
        falling = np.where(away < 1, np.cos(np.pi / 2 * np.clip(away, 0, 1)) ** 2, 0)
        ends = measured[:, np.clip(positions, first, last)]
        return np.where(away[:, None] > 0, ends * falling[:, None], measured).astype(np.float32), radius

    def _normal(self, shape: tuple[int, ...]) -> Floats:
        return self.random.standard_normal(shape, dtype=np.float32)
