"""Contours of an RT structure set, or label files, as masks on a grid."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from medcycle.errors import DataError, UsageError
from medcycle.evaluation.labels import read_labels
from medcycle.io.dicom.contours import mask_of, names_of_rois
from medcycle.io.dicom.rtstruct import read_structure_set, require_same_space
from medcycle.io.discover import VOLUME_SUFFIXES
from medcycle.io.files import require_exists
from medcycle.volume import Array, Grid

__all__ = ["Structure", "external_of", "read_structures", "target_of"]

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
    names = names_of_rois(dataset)
    kinds = {
        int(item.ReferencedROINumber): str(item.get("RTROIInterpretedType") or "").strip()
        for item in dataset.RTROIObservationsSequence
    }
    found: list[Structure] = []
    empty = []
    for roi in dataset.ROIContourSequence:
        number = int(roi.ReferencedROINumber)
        mask = mask_of(roi, grid, names[number])
        if mask.any():
            taken = any(one.name == names[number] for one in found)
            name = f"{names[number]} (ROI {number})" if taken else names[number]
            found.append(Structure(name, kinds.get(number, ""), mask))
        else:
            empty.append(names[number])
    if empty:
        log.warning("%s: without a voxel on the real CT, so left out: %s", path, ", ".join(empty))
    return found


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
