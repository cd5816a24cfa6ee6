"""The volumes of a case, made small enough for a page: coarser, of few values, cropped to the body and packed."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from medcycle.body import Modality, body_mask
from medcycle.errors import MedcycleError
from medcycle.io.discover import one_source
from medcycle.modality import looks_like_ct
from medcycle.resample import coarsen, resample_mask, resample_to
from medcycle.volume import Array, Grid, Volume

__all__ = ["Files", "Packed", "Panel", "pack_case"]

SPACINGS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
"""mm that volumes may be coarsened to, the finest first."""

MARGIN = 10.0
"""How much is shown around the body, mm."""

SOFT_TISSUE, FINE, COARSE = 200.0, 2.0, 8.0
"""HU up to which CT are told in fine steps, and both steps: what windows for soft tissue show needs more of them."""

AIR, LOWEST_TISSUE = -1000.0, -950.0
"""Outside the body, what is below the second is shown as the first: the noise of air would be most of the page."""

HU_RANGE = (-1024.0, 4000.0)

BYTES_PER_VOXEL = {"ct": 0.6, "mr": 0.5, "uncertainty": 0.3, "mask": 0.02}
"""About what is left of a voxel of the body's box when it is packed."""


@dataclass(frozen=True)
class Files:
    """Where the volumes of a case are; None where there is none.

    Args:
        synthetic: what was made.
        real: its true counterpart.
        source: what it was made from.
        uncertainty: the error to be expected of it.
        mask: where it is scored; None for the body.
    """

    synthetic: Path | None = None
    real: Path | None = None
    source: Path | None = None
    uncertainty: Path | None = None
    mask: Path | None = None


@dataclass(frozen=True)
class Panel:
    """One volume as the page holds it.

    Args:
        data: a gzipped NIfTI file in Base64.
        low: where the grey scale begins, unless a window is chosen.
        high: where it ends.
    """

    data: str
    low: float
    high: float


@dataclass(frozen=True)
class Packed:
    """The volumes of a case for the page.

    Args:
        panels: by what they show: `real`, `synthetic`, `source`, `uncertainty`, and `mask`.
        missing: why others are not there, by the same names.
        spacing: mm, of the coarsest axis.
        of_cbct: whether the source of a synthetic CT is in HU itself.
    """

    panels: Mapping[str, Panel] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    spacing: float = 0.0
    of_cbct: bool = False

    @property
    def size(self) -> int:
        """Characters in the page."""
        return sum(len(panel.data) for panel in self.panels.values())


def pack_case(files: Files, modality: Modality, budget: int, told: Callable[[str], str]) -> Packed:
    """Read the volumes of a case and make them fit.

    All are brought to the grid of the real volume, or without one of the synthetic one.

    Args:
        files: where they are.
        modality: of the real and the synthetic volume.
        budget: characters in the page, about.
        told: makes messages fit to be shown.
    """
    volumes, missing, of_cbct = _read(files, modality, told)
    base = volumes.get("real") or volumes.get("synthetic")
    if base is None:
        return Packed(missing=missing)
    mask, problem = _mask(files.mask, base, modality)
    if problem:
        missing["mask"] = told(problem)
    box = _box(mask)
    cut = {name: _cut(volume, box) for name, volume in volumes.items()} | {"mask": _cut(mask, box)}
    finest = max(SPACINGS[0], min(base.grid.spacing))
    fitting = [one for one in SPACINGS if one >= finest - 1e-3] or [finest]
    spacing = next((one for one in fitting if _estimate(cut, modality, one) <= 1.2 * budget), fitting[-1])
    while True:
        coarsest = round(max(spacing, *base.grid.spacing), 2)
        packed = Packed(_panels(cut, modality, spacing, of_cbct=of_cbct), missing, coarsest, of_cbct)
        if packed.size <= budget or spacing == fitting[-1]:
            return packed
        enough = 0.98 * spacing * (packed.size / budget) ** (1 / 3)  # as if all voxels took the same
        spacing = next((one for one in fitting if one > spacing and one >= enough), fitting[-1])


def _read(
    files: Files, modality: Modality, told: Callable[[str], str]
) -> tuple[dict[str, Volume], dict[str, str], bool]:
    """The volumes that there are, on one grid with axes near RAS; why others are not there; whether CT is of CBCT."""
    found: dict[str, Volume] = {}
    missing: dict[str, str] = {}
    of_cbct = False
    outside = AIR if modality == "ct" else 0.0
    for name, path, background in (
        ("real", files.real, outside),
        ("synthetic", files.synthetic, outside),
        ("source", files.source, outside if modality == "mr" else 0.0),
        ("uncertainty", files.uncertainty, 0.0),
    ):
        if path is None:
            missing[name] = "none was given"
            continue
        try:
            volume = one_source(path).read().to_ras()
        except (MedcycleError, OSError) as error:
            missing[name] = f"can't be read: {told(str(error))}"
            continue
        if name == "source" and modality == "ct":
            of_cbct = looks_like_ct(volume.array)
        base = next(iter(found.values()), volume)
        on_base = volume.grid.is_close(base.grid)
        around = AIR if name == "source" and of_cbct else background
        found[name] = volume if on_base else resample_to(volume, base.grid, background=around)
    return found, missing, of_cbct


def _mask(path: Path | None, base: Volume, modality: Modality) -> tuple[Volume, str]:
    """The mask of a case on the grid of its volumes: the one given, or the body; and what is wrong with the former."""
    problem = ""
    if path is not None:
        try:
            given = one_source(path).read().to_ras()
            mask = resample_mask(given.with_array((given.array > 0).astype(np.float32)), base.grid)
        except (MedcycleError, OSError) as error:
            problem = str(error)
        else:
            return mask, ""
    return body_mask(base, modality), problem


def _box(mask: Volume) -> tuple[slice, slice, slice]:
    """Where the body is, with a margin; everything if there is none."""
    ends = []
    for axis, width in enumerate(mask.grid.spacing):
        there = np.flatnonzero(mask.array.any(axis=tuple(other for other in range(3) if other != axis)))
        first, last = (there[0], there[-1] + 1) if there.size else (0, mask.grid.shape[axis])
        margin = int(np.ceil(MARGIN / width))
        ends.append(slice(max(0, int(first) - margin), min(mask.grid.shape[axis], int(last) + margin)))
    return ends[0], ends[1], ends[2]


def _cut(volume: Volume, box: tuple[slice, slice, slice]) -> Volume:
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.affine[:3] @ [*(part.start for part in box), 1.0]
    array = volume.array[box]
    return Volume(array, Grid(array.shape, affine))


def _estimate(volumes: Mapping[str, Volume], modality: Modality, spacing: float) -> float:
    """Characters in the page, about."""
    total = 0.0
    for name, volume in volumes.items():
        kind = _kind(name, modality)
        voxels = np.prod(
            [n * min(1.0, width / spacing) for n, width in zip(volume.grid.shape, volume.grid.spacing, strict=True)]
        )
        total += float(voxels) * BYTES_PER_VOXEL[kind] * 4 / 3
    return total


def _kind(name: str, modality: Modality) -> str:
    """How a volume is packed; what a CT is made from is MR, and the reverse."""
    if name in ("mask", "uncertainty"):
        return name
    return modality if name in ("real", "synthetic") else {"ct": "mr", "mr": "ct"}[modality]


def _panels(volumes: Mapping[str, Volume], modality: Modality, spacing: float, *, of_cbct: bool) -> dict[str, Panel]:
    coarse = coarsen(volumes["mask"].with_array(volumes["mask"].array.astype(np.float32)), spacing)
    mask = coarse.array > 0.5
    panels = {"mask": Panel(_nifti(mask.astype(np.uint8), coarse.grid, 1.0), 0.0, 1.0)}
    for name, volume in volumes.items():
        if name == "mask":
            continue
        values, kind = coarsen(volume, spacing).array, _kind(name, modality)
        if kind == "ct" or (name == "source" and of_cbct):
            panels[name] = Panel(_nifti(_hounsfield(values, mask), coarse.grid, 1.0), -160.0, 240.0)
            continue
        low, high = 0.0, float(np.percentile(values[mask], 99.8)) if mask.any() else float(values.max())
        if name in ("real", "synthetic") and "real" in panels:  # of one scale, so that they can be compared
            high = panels["real"].high
        high = high if np.isfinite(high) and high > 0 else 1.0
        levels = np.clip(np.nan_to_num(values) / high * 255, 0, 255).round().astype(np.uint8)
        panels[name] = Panel(_nifti(levels, coarse.grid, high / 255), low, high)
    return panels


def _hounsfield(values: Array, mask: Array) -> Array:
    """HU in steps, fine ones in soft tissue."""
    values = np.where(~mask & (values < LOWEST_TISSUE), AIR, np.nan_to_num(values)).clip(*HU_RANGE)
    step = np.where(np.abs(values) <= SOFT_TISSUE, FINE, COARSE)
    stepped: Array = (np.round(values / step) * step).astype(np.int16)
    return stepped


def _nifti(array: Array, grid: Grid, slope: float) -> str:
    image = nib.Nifti1Image(np.asfortranarray(array), grid.affine)
    image.header.set_slope_inter(slope, 0.0)
    image.set_sform(grid.affine, code=1)
    image.header.set_xyzt_units("mm")
    return base64.b64encode(gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)).decode("ascii")
