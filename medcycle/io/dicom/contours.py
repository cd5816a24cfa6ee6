"""Contours of structure sets and masks of voxels, one made of the other.

Attributes are those of DICOM PS3.3, ROI Contour Module (C.8.8.6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from pydicom import Dataset
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.draw import polygon2mask
from skimage.measure import find_contours

from medcycle.errors import DataError
from medcycle.io.dicom.rtstruct import points_of
from medcycle.volume import Array, Grid

__all__ = ["contours_of", "mask_of", "names_of_rois"]

SOLID = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
"""ContourGeometricType of what has an inside (C.8.8.6.3)."""

IN_PLANE = 0.25
"""Slices by which the points of a contour may be apart."""

LEAST_AREA = 4.0
"""Pixels that a contour or a hole encloses; less is noise."""

Polygon = Array
"""Points in pixels of a slice, shape (points, 2)."""


def names_of_rois(structures: Dataset) -> dict[int, str]:
    """ROIName by ROINumber; `structure 3` for one without a name."""
    return {
        int(item.ROINumber): str(item.get("ROIName") or "").strip() or f"structure {item.ROINumber}"
        for item in structures.StructureSetROISequence
    }


def mask_of(roi: Dataset, grid: Grid, name: str) -> Array:
    """The voxels of which a structure encloses the centre.

    Contours inside others are holes. A slice takes the nearest plane of contours, up to half the distance between
    planes.

    Args:
        roi: an item of ROIContourSequence.
        grid: any, its third axis across the planes of the contours.
        name: of the structure, for errors.

    Returns:
        Booleans on the grid; all false where no contour is on it.

    Raises:
        DataError: if a contour doesn't lie in the slices.
    """
    mask = np.zeros(grid.shape, dtype=bool)
    planes = _planes(roi, grid, name)
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


def _planes(roi: Dataset, grid: Grid, name: str) -> Mapping[float, Sequence[Polygon]]:
    """Closed contours by their place along the third axis, in slices."""
    to_index = np.linalg.inv(grid.affine)
    planes: dict[float, list[Polygon]] = defaultdict(list)
    for contour in roi.get("ContourSequence") or ():
        if str(contour.get("ContourGeometricType")) not in SOLID:
            continue
        points = points_of(contour) * [-1, -1, 1]  # DICOM is LPS+, our affines are RAS+
        index = points @ to_index[:3, :3].T + to_index[:3, 3]
        if np.ptp(index[:, 2]) > IN_PLANE:
            raise DataError(f"the contours of {name} don't lie in the slices; give the scan that they were drawn on")
        planes[round(float(index[:, 2].mean()), 3)].append(index[:, :2])
    return planes


def contours_of(mask: Array) -> list[Polygon]:
    """The outlines of a slice's mask, between pixel centres.

    A hole is joined to the outline around it by a channel without width, as the standard has it (C.8.8.6.3), so that no
    program takes it for an island.

    Args:
        mask: booleans, two axes.

    Returns:
        Closed polygons; the last point is not the first one again.
    """
    islands, count = ndimage.label(mask)
    found = []
    for number in range(1, count + 1):
        island = islands == number
        if island.sum() < LEAST_AREA:
            continue
        whole = ndimage.binary_fill_holes(island)
        outline = _ring(whole)
        holes, inner = ndimage.label(whole & ~island, structure=np.ones((3, 3)))
        for hole in range(1, inner + 1):
            if (holes == hole).sum() >= LEAST_AREA:
                outline = _with_hole(outline, _ring(holes == hole)[::-1])
        found.append(outline)
    return found


def _ring(mask: Array) -> Polygon:
    """The longest outline of a mask without holes."""
    rings = find_contours(np.pad(mask, 1).astype(np.float32), 0.5, fully_connected="low")
    ring: Polygon = max(rings, key=len)[:-1] - 1
    return ring


def _with_hole(outline: Polygon, hole: Polygon) -> Polygon:
    """From the outline into the hole and back, where they are nearest."""
    i, j = np.unravel_index(cdist(outline, hole).argmin(), (len(outline), len(hole)))
    return np.concatenate([outline[: i + 1], hole[j:], hole[: j + 1], outline[i:]])
