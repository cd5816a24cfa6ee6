"""Contours of an RT structure set, or label files, as masks on a grid."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from skimage.draw import polygon2mask

from medcycle.errors import DataError, UsageError
from medcycle.evaluation.labels import read_labels
from medcycle.io.dicom.rtstruct import read_structure_set, require_same_space
from medcycle.io.discover import VOLUME_SUFFIXES
from medcycle.io.files import require_exists
from medcycle.volume import Array, Grid

__all__ = ["Structure", "external_of", "read_structures", "target_of"]

SOLID = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
"""ContourGeometricType of what has an inside (DICOM PS3.3, C.8.8.6.3)."""

IN_PLANE = 0.25
"""Slices by which the points of a contour may be apart."""

TARGET_KINDS = ("PTV", "CTV", "GTV")
"""RTROIInterpretedType (DICOM PS3.3, C.8.8.8.1), in the order in which a target is looked for."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Structure:
    """A region of interest.

    Args:
        name: as it was drawn.
        kind: RTROIInterpretedType, such as `PTV`, `ORGAN` or `EXTERNAL`; empty where unknown.
        mask: booleans on the grid that it was read for, not all false.
    """

    name: str
    kind: str
    mask: Array


def read_structures(path: Path, grid: Grid, source: Dataset | None = None) -> list[Structure]:
    """All structures that have voxels on a grid.

    Args:
        path: a DICOM RT structure set; or labels, as `medcycle.evaluation.labels.read_labels` takes them, on `grid`.
        grid: of the real CT, with axes to the nearest RAS.
        source: header of the real CT's series, if it is one: the contours must be of its frame of reference.

    Returns:
        In the order of the file. A voxel belongs to a structure whose contour encloses its centre; contours inside
        others are holes. A slice takes the nearest plane of contours, up to half the distance between planes.

    Raises:
        UsageError: if there is nothing at `path`.
        UnreadableFile: if it is neither, or torn.
        DataError: if contours belong to another series, don't lie in the slices, or none is on the grid.
    """
    require_exists(path, "a structure set or labels")
    if path.is_dir() or path.name.lower().endswith(VOLUME_SUFFIXES):
        found = [Structure(name, "", mask) for name, mask in read_labels(path, grid).items()]
    else:
        dataset = read_structure_set(path)
        if source is not None:
            require_same_space(dataset, source)
        found = _of_contours(dataset, grid, path)
    if not found:
        raise DataError(f"{path}: no structure has a voxel on the real CT; give those that were drawn on it")
    return found


def _of_contours(dataset: Dataset, grid: Grid, path: Path) -> list[Structure]:
    names = {int(item.ROINumber): str(item.get("ROIName") or "").strip() for item in dataset.StructureSetROISequence}
    kinds = {
        int(item.ReferencedROINumber): str(item.get("RTROIInterpretedType") or "").strip()
        for item in dataset.RTROIObservationsSequence
    }
    found, empty = [], []
    for roi in dataset.ROIContourSequence:
        number = int(roi.ReferencedROINumber)
        name = names[number] or f"structure {number}"
        mask = _filled(_polygons(roi, grid, name), grid)
        if mask.any():
            found.append(Structure(name, kinds.get(number, ""), mask))
        else:
            empty.append(name)
    if empty:
        log.warning("%s: without a voxel on the real CT, so left out: %s", path, ", ".join(empty))
    return found


def _polygons(roi: Dataset, grid: Grid, name: str) -> dict[float, list[Array]]:
    """Closed contours in voxels of the two axes in the slice, by their place along the third."""
    to_index = np.linalg.inv(grid.affine)
    planes: dict[float, list[Array]] = defaultdict(list)
    for contour in roi.get("ContourSequence") or ():
        if str(contour.get("ContourGeometricType")) not in SOLID:
            continue
        points = np.asarray(contour.ContourData, dtype=np.float64).reshape(-1, 3) * [-1, -1, 1]  # LPS to RAS
        index = points @ to_index[:3, :3].T + to_index[:3, 3]
        if np.ptp(index[:, 2]) > IN_PLANE:
            raise DataError(
                f"the contours of {name} don't lie in the slices of the real CT; give the CT that they were drawn on"
            )
        planes[round(float(index[:, 2].mean()), 3)].append(index[:, :2])
    return planes


def _filled(planes: Mapping[float, Sequence[Array]], grid: Grid) -> Array:
    mask = np.zeros(grid.shape, dtype=bool)
    if not planes:
        return mask
    places = np.array(sorted(planes))
    reach = max(0.5, float(np.median(np.diff(places))) / 2) if len(places) > 1 else 0.5
    for number in range(grid.shape[2]):
        place = float(places[abs(places - number).argmin()])
        if abs(place - number) <= reach + 1e-3:
            for polygon in planes[place]:
                mask[:, :, number] ^= polygon2mask(grid.shape[:2], polygon)
    return mask


def target_of(structures: Sequence[Structure], name: str | None = None) -> Structure:
    """The structure that is to be treated.

    Args:
        structures: all of them.
        name: of it, in capitals or not; None for the only PTV, else the only CTV, else the only GTV, by type or name.

    Raises:
        UsageError: if there is none, or several.
    """
    told = ", ".join(one.name for one in structures)
    if name is not None:
        found = [one for one in structures if one.name.casefold() == name.casefold()]
        if len(found) != 1:
            raise UsageError(f"{len(found)} structures are named {name}; name one of {told}")
        return found[0]
    for kind in TARGET_KINDS:
        found = [one for one in structures if one.kind == kind or (not one.kind and one.name.upper().startswith(kind))]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"several targets: {', '.join(one.name for one in found)}; name one with --target")
    raise UsageError(f"no target (PTV, CTV or GTV) among the structures; name one with --target: {told}")


def external_of(structures: Sequence[Structure]) -> Structure | None:
    """The body's outline, if it was drawn."""
    return next((one for one in structures if one.kind == "EXTERNAL"), None)
