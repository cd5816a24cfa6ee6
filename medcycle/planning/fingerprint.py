"""What a cohort looks like: the numbers that a configuration is planned from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from medcycle.body import Modality, body_mask
from medcycle.cohort.vetting import read_trainable, require_trainable
from medcycle.errors import DataError
from medcycle.io.discover import Source
from medcycle.isolation import isolated
from medcycle.progress import ProgressLine
from medcycle.resample import coarsen
from medcycle.volume import Grid, Volume

__all__ = ["Fingerprint", "Widths", "fingerprint"]

MOST_READ = 8
"""Volumes of a modality whose voxels are looked at; of the others only the headers."""

WORKING_SPACING = 2.0
"""mm, at which bodies are measured."""

BONE_PERCENTILE = 99.9

Widths = tuple[float, float, float]
"""mm right-left, front-back, foot-head."""


@dataclass(frozen=True)
class Fingerprint:
    """The volumes of one modality that headers, and where they were read voxels, don't rule out.

    Args:
        volumes: how many there are.
        spacing: the median of each axis, mm.
        slices: the sum of their voxels along each axis.
        body: the extent that nine of ten bodies stay within, mm.
        brightest: the median over volumes of a high percentile in the body: HU of cortical bone for CT, signal for MR.
    """

    volumes: int
    spacing: Widths
    slices: tuple[int, int, int]
    body: Widths
    brightest: float


def fingerprint(sources: Sequence[Source], modality: Modality) -> Fingerprint:
    """Measure a folder's volumes, those that are refused apart: the headers of all, the voxels of some, evenly chosen.

    Raises:
        DataError: if none can be used.
    """
    grids = {source.name: grid for source in sources if (grid := _grid(source))}
    bodies: list[tuple[Widths, float]] = []
    refusals = []
    with ProgressLine(f"measuring {modality.upper()}", min(MOST_READ, len(grids))) as progress:
        for source in _spread_out([source for source in sources if source.name in grids]):
            try:
                with isolated(source.path):
                    bodies.append(_measure(read_trainable(source, modality), modality))
            except DataError as error:
                refusals.append(error)
                del grids[source.name]
                continue
            progress.advance(source.name)
            if len(bodies) == MOST_READ:
                break
    if not bodies:
        first = refusals[0] if refusals else "no header can be used; see `medcycle inspect`"
        raise DataError(f"no usable {modality.upper()}: all {len(sources)} were refused; first reason: {first}")
    extents, tops = (np.array(column) for column in zip(*bodies, strict=True))
    widths = np.array([grid[0] for grid in grids.values()])
    return Fingerprint(
        volumes=len(grids),
        spacing=_three(np.median(widths, axis=0)),
        slices=tuple(np.sum([grid[1] for grid in grids.values()], axis=0).tolist()),
        body=_three(np.percentile(extents, 90, axis=0)),
        brightest=float(np.median(tops)),
    )


def _grid(source: Source) -> tuple[Widths, tuple[int, ...]] | None:
    """Spacing and shape along right-left, front-back and foot-head, if the headers are of a volume to train on."""
    try:
        grid = source.grid()
        require_trainable(source.path, grid)
    except DataError:
        return None
    return _as_ras(grid)


def _spread_out(sources: Sequence[Source]) -> list[Source]:
    """All of them, `MOST_READ` evenly chosen ones first."""
    step = max(1, math.ceil(len(sources) / MOST_READ))
    return [source for start in range(step) for source in sources[start::step]]


def _as_ras(grid: Grid) -> tuple[Widths, tuple[int, ...]]:
    axes = np.argsort(nib.orientations.io_orientation(grid.affine)[:, 0])
    return _three(np.array(grid.spacing)[axes]), tuple(np.array(grid.shape)[axes].tolist())


def _measure(volume: Volume, modality: Modality) -> tuple[Widths, float]:
    """Extent of the body (mm), and the brightest value in it."""
    coarse = coarsen(volume.to_ras(), WORKING_SPACING)
    mask = body_mask(coarse, modality).array
    if not mask.any():
        raise DataError("no body found")
    filled = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    extent = np.array([found[-1] - found[0] + 1 for found in filled]) * coarse.grid.spacing
    return _three(extent), float(np.percentile(coarse.array[mask], BONE_PERCENTILE))


def _three(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Widths:
    x, y, z = values.tolist()
    return x, y, z
