"""A synthetic CT made ready for a planning system: matrix, slice distance, couch, densities of named structures."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
from pydicom import Dataset

from medcycle.body import OUTSIDE, body_mask
from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.contours import mask_of, names_of_rois
from medcycle.io.dicom.site import Couch, Site
from medcycle.resample import respace
from medcycle.volume import Array, Grid, Volume

__all__ = ["prepared_for"]

AIR = OUTSIDE["ct"]

log = logging.getLogger(__name__)


def prepared_for(site: Site, volume: Volume, structures: Dataset | None, position: str) -> Volume:
    """A synthetic CT as a site wants it.

    Args:
        site: what is wanted.
        volume: HU, on axial planes with axes along those of DICOM; see `axial_volume`.
        structures: the structure set that overrides are named in; None for none.
        position: PatientPosition, such as `HFS`: the couch is behind who lies supine, in front of who lies prone.

    Raises:
        UsageError: if no structure has the name of an override.
        DataError: if contours don't lie in the slices, or the couch has no place.
    """
    made = volume
    if site.overrides and structures:
        made = _overridden(made, structures, site.overrides)
    if site.slice_spacing and site.slice_spacing > made.grid.spacing[2]:
        made = respace(made, (None, None, site.slice_spacing))
    if site.couch:
        made = _on_couch(made, site.couch, position)
    if site.square_matrix:
        made = _square(made)
    return made


def _overridden(volume: Volume, structures: Dataset, overrides: Mapping[str, float]) -> Volume:
    numbers = {name.casefold(): number for number, name in names_of_rois(structures).items()}
    drawn = {int(item.ReferencedROINumber): item for item in structures.ROIContourSequence}
    array = volume.array.copy()
    for name, hu in overrides.items():
        roi = drawn.get(numbers.get(name.casefold(), -1))
        if roi is None:
            known = ", ".join(names_of_rois(structures).values())
            raise UsageError(f"override of {name}: no such structure; there are {known}")
        mask = mask_of(roi, volume.grid, name)
        if not mask.any():
            log.warning("override of %s: it has no voxel on the synthetic CT", name)
        array[mask] = hu
    return volume.with_array(array)


def _on_couch(volume: Volume, couch: Couch, position: str) -> Volume:
    if position[2:3] not in {"S", "P", ""}:
        raise DataError(
            f"PatientPosition {position}: a couch goes below a patient who lies supine or prone; leave it out"
        )
    behind = position[2:3] != "P"
    across, along, _ = volume.grid.spacing
    body = body_mask(volume, "ct").array
    if not body.any():
        raise DataError("no body is found on the synthetic CT, so no couch can be put below it; leave it out")
    ends = np.nonzero(body.any(axis=(0, 2)))[0]
    top = ends[-1] + 1 + round(couch.gap / along) if behind else ends[0] - 1 - round(couch.gap / along)
    thickness = max(1, round(couch.thickness / along))
    middle = round(float(np.nonzero(body.any(axis=(1, 2)))[0].mean()))
    half = round(couch.width / across / 2)
    first, last = (top, top + thickness - 1) if behind else (top - thickness + 1, top)
    rows, columns = volume.array.shape[1], volume.array.shape[0]
    before = max(0, half - middle), max(0, -first)
    after = max(0, middle + half + 1 - columns), max(0, last + 1 - rows)
    made = _padded(volume, before, after)
    i, j = middle + before[0], first + before[1]
    shell = [max(1, round(couch.shell / mm)) for mm in (across, along)]
    array, free = made.array, ~np.pad(body, ((before[0], after[0]), (before[1], after[1]), (0, 0)))
    for grow, hu in (((0, 0), couch.shell_hu), (shell, couch.core_hu)):
        box = np.zeros(array.shape, dtype=bool)
        box[i - half + grow[0] : i + half + 1 - grow[0], j + grow[1] : j + thickness - grow[1]] = True
        array[box & free] = hu
    return made.with_array(array)


def _square(volume: Volume) -> Volume:
    columns, rows, _ = volume.array.shape
    lacking = max(columns, rows) - columns, max(columns, rows) - rows
    before = lacking[0] // 2, lacking[1] // 2
    return _padded(volume, before, (lacking[0] - before[0], lacking[1] - before[1]))


def _padded(volume: Volume, before: tuple[int, int], after: tuple[int, int]) -> Volume:
    """With columns and rows of air added; a copy."""
    widths = ((before[0], after[0]), (before[1], after[1]), (0, 0))
    array: Array = np.pad(volume.array, widths, constant_values=AIR)
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.affine[:3] @ [-before[0], -before[1], 0, 1]
    i, j, k = array.shape
    return Volume(array, Grid((i, j, k), affine))
