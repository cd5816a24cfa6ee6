"""Whether a volume is what it is given for."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medcycle.blank_slices import gaps_in
from medcycle.body import Modality, body_mask
from medcycle.errors import DataError, WrongModality
from medcycle.io.discover import Source
from medcycle.modality import ct_offset_of, looks_like_ct, missing_of_ct, modality_of_values
from medcycle.volume import Array, Grid, Volume

if TYPE_CHECKING:
    from medcycle.dataset.store import CaseRecord, Store

__all__ = [
    "compare_regions",
    "modality_of",
    "read_trainable",
    "require_magnitude",
    "require_trainable",
    "require_usable",
    "say_extremes",
    "vet",
]

log = logging.getLogger(__name__)

PADDING_HU, METAL_HU = -1500.0, 3100.0
"""Noise takes air to below −1024, but not to the first; 12 bits end at 3071, which resampling exceeds a little."""

MIN_VOXELS = 2

LARGEST_RATIO = 2.0
"""of the sections of MR and CT; heads with and without a neck, or children, stay below it."""

MOST_LABELS = 8
"""A scan has more different values than this among `SAMPLE` voxels."""

MOST_NEGATIVE = 0.05
"""of an MR's voxels; interpolation makes some slightly negative."""

SAMPLE = 100_000

LARGEST = 1e8
"""No scanner's values, in HU or signal, are a thousandth of it; one beyond would be taken for all there is to see."""

NOISE = 0.2
"""Neighbouring voxels of scans are correlated by more than this, at least along one axis: real ones by 0.7 and more."""

MIN_SLICES = 4
MIN_FIELD_OF_VIEW = 80.0
"""mm, of the second longest side: less is a wrong spacing, or a part that was cut out of a body."""

WHOLE = 0.97
"""The fraction of a field of view inside a body that is body."""

MIN_SPACING, MAX_SPACING = 0.1, 20.0
"""mm; what lies beyond is a header in other units."""


def read_trainable(source: Source, modality: Modality) -> Volume:
    """Read a volume to train on.

    Raises:
        DataError: if it can't be read, as `vet` does, or as `require_trainable` does.
    """
    volume = source.read()
    vet(source, volume, modality)
    require_trainable(source.path, volume.grid)
    return volume


def vet(source: Source, volume: Volume, expected: Modality) -> None:
    """Refuse a volume that can't be used as `expected`.

    Raises:
        DataError: if it is flat, constant or noise, or has voxels that are not numbers, or too small or large ones, or
            is an MR of negative signal, or a whole body in a field of view that is too small for one.
        WrongModality: if the header or the values say that it is not `expected`, or that it is a CT with something
            added to its HU.
    """
    require_usable(source.path, volume)
    require_spacing(source.path, volume.grid)
    for gap in gaps_in(volume.array):
        log.warning("%s: %s", source.path, gap)
    header = source.series.modality.lower() if source.series else expected
    if header != expected:
        raise WrongModality(f"{source.path}: a DICOM series of modality {header.upper()}, not {expected.upper()}")
    if expected == "mr" and source.series:
        require_magnitude(source.path, volume.array)  # where the header says MR, negative values are no air
    if offset := ct_offset_of(volume.array):
        raise WrongModality(
            f"{source.path}: a CT with about {offset:g} added to its Hounsfield units (values from "
            f"{volume.array.min():g} to {volume.array.max():g}); pass --ct-offset {offset:g} to take it off"
            + ("" if expected == "ct" else ", and give it as CT")
        )
    if looks_like_ct(volume.array) != (expected == "ct"):
        raise WrongModality(_mismatch(source, volume.array, expected))
    if expected == "mr":
        require_magnitude(source.path, volume.array)
    else:
        say_extremes(source.path, volume.array)
    if _is_noise(volume.array):
        raise DataError(f"{source.path}: pure noise, neighbouring voxels are unrelated; leave it out")
    require_size(source.path, volume, expected)


def require_size(path: Path, volume: Volume, modality: Modality) -> None:
    """Raise `DataError` if a small field of view shows air about a body, which then is too small; warn of a crop."""
    if sorted(volume.grid.field_of_view)[1] >= MIN_FIELD_OF_VIEW:
        return
    seen = "×".join(f"{length:.0f}" for length in volume.grid.field_of_view)
    if body_mask(volume, modality).array.mean() < WHOLE:
        raise DataError(
            f"{path}: a whole body in a field of view of {seen} mm, where two sides have {MIN_FIELD_OF_VIEW:g} mm or "
            "more; check the spacing, or leave it out"
        )
    log.warning(
        "%s: the whole field of view of %s mm is taken as body; check that it is not a cropped part", path, seen
    )


def require_usable(path: Path, volume: Volume) -> None:
    """Raise `DataError` if a volume is flat, constant, a mask, or has voxels that are not numbers."""
    if min(volume.grid.shape) < MIN_VOXELS:
        raise DataError(f"{path}: only one slice, {volume.grid.shape}; give a whole volume")
    if not np.isfinite(volume.array).all():
        raise DataError(f"{path}: contains NaN or infinite voxels; export it again")
    low, high = float(volume.array.min()), float(volume.array.max())
    if max(-low, high) > LARGEST:
        count = int(np.count_nonzero(np.abs(volume.array) > LARGEST))
        raise DataError(
            f"{path}: {count} {'voxel' if count == 1 else 'voxels'} beyond ±{LARGEST:g}, up to "
            f"{high if high >= -low else low:g}; correct them, or export it again"
        )
    if low == high:
        raise DataError(f"{path}: every voxel is {volume.array.flat[0]:g}; export it again")
    different = np.unique(volume.array.ravel()[:: max(1, volume.array.size // SAMPLE)]).size
    if different <= MOST_LABELS:
        raise DataError(f"{path}: only {different} different values: a mask or label map, not a scan; leave it out")


def _is_noise(values: Array) -> bool:
    """Whether neighbours are no more alike than any two voxels, along all axes."""
    every = max(1, round((values.size / SAMPLE) ** (1 / 3)))
    for axis in range(3):
        places: list[Any] = [slice(None, None, every)] * 3
        pairs = []
        for part in (slice(0, -1, every), slice(1, None, every)):
            places[axis] = part
            pairs.append(values[tuple(places)].ravel().astype(np.float64))
        low, high = np.percentile(pairs[0], (0.5, 99.5))
        first, second = (np.clip(pair, low, high) for pair in pairs)  # single voxels decide nothing
        if np.ptp(first) == 0 or np.ptp(second) == 0 or np.corrcoef(first, second)[0, 1] > NOISE:
            return False
    return True


def say_extremes(path: Path, hounsfield: Array) -> None:
    """Warn of a CT's values beyond what tissue has; the intensity map clips them."""
    low, high = float(hounsfield.min()), float(hounsfield.max())
    if low < PADDING_HU:
        log.warning("%s: values down to %g HU (padding) treated as air", path, low)
    if high > METAL_HU:
        share = float(np.mean(hounsfield > METAL_HU))
        log.warning("%s: values up to %g HU (metal or overflow, %.2g%% of voxels) clipped", path, high, 100 * share)


def require_magnitude(path: Path, values: Array) -> None:
    """Raise `DataError` if an MR has much negative signal, as phase images and field maps have."""
    sample = values.ravel()[:: max(1, values.size // SAMPLE)]
    negative = float(np.mean(sample < -0.02 * np.percentile(np.abs(sample), 99)))
    if negative > MOST_NEGATIVE:
        raise DataError(
            f"{path}: {negative:.0%} of the signal is negative, as in a phase image or field map; give the magnitude, "
            "or values that start at 0"
        )


def require_trainable(path: Path, grid: Grid) -> None:
    """Raise `DataError` if a grid has too few slices to train on, or as `require_spacing` does."""
    require_spacing(path, grid)
    if min(grid.shape) < MIN_SLICES:
        raise DataError(
            f"{path}: {min(grid.shape)} slices, but training needs at least {MIN_SLICES}; give a whole scan"
        )


def require_spacing(path: Path, grid: Grid) -> None:
    """Raise `DataError` if voxels are smaller or larger than any scanner's."""
    if not all(MIN_SPACING <= width <= MAX_SPACING for width in grid.spacing):
        widths = "×".join(f"{width:.3g}" for width in grid.spacing)
        raise DataError(
            f"{path}: voxels of {widths} mm, outside {MIN_SPACING:g} to {MAX_SPACING:g} mm; correct the header"
        )


def modality_of(source: Source, volume: Volume) -> str:
    """`mr`, `ct` or another DICOM modality in lower case: from the header of a series, from the values of a file."""
    if source.series:
        return source.series.modality.lower()
    return modality_of_values(volume.array)


def compare_regions(store: Store) -> str:
    """A warning if the bodies in MR and CT are of very different size, as of a head and a pelvis; else empty.

    Compared are the median areas of the largest sections in the slices' plane (their 90th percentile, cm²).
    """
    if not store.mr:
        return ""
    areas = {kind: float(np.median([_section(case.record) for case in cases])) for kind, cases in store.both().items()}
    low, high = sorted(areas.values())
    if high <= LARGEST_RATIO * low:
        return ""
    sizes = " and ".join(f"{area:.0f} cm² in {kind.upper()}" for kind, area in areas.items())
    return f"bodies of {sizes}: are MR and CT of the same region? What is learned would not carry over"


def _section(record: CaseRecord) -> float:
    affine = np.array(record.affine)
    pixel = float(np.linalg.norm(np.cross(affine[:3, 0], affine[:3, 1])))
    return float(np.percentile(record.body_fraction, 90)) * record.shape[0] * record.shape[1] * pixel / 100


def _mismatch(source: Source, values: Array, expected: Modality) -> str:
    span = f"values from {values.min():g} to {values.max():g}"
    if expected == "ct":
        missing = " and ".join(missing_of_ct(values))
        return f"{source.path}: not a CT in Hounsfield units ({span}, {missing}); is it an MR?"
    return f"{source.path}: not an MR ({span}, as of a CT or CBCT); are MR and CT swapped?"
