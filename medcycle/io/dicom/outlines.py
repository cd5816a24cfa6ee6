"""A structure set of a synthetic CT: the patient's outline, bone and air, found by thresholds.

Attributes are those of DICOM PS3.3, RT Structure Set IOD (A.19).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from pydicom import Dataset
from scipy import ndimage

from medcycle.body import body_mask
from medcycle.errors import DataError
from medcycle.io.dicom.contours import contours_of
from medcycle.io.dicom.header import RESEARCH_ONLY, Origin, contributing_equipment
from medcycle.io.dicom.rtstruct import begun, refer_to_slices
from medcycle.io.dicom.site import Outline
from medcycle.io.dicom.values import decimal_string
from medcycle.io.dicom.writer import WrittenSeries
from medcycle.volume import Array, Volume

__all__ = ["outlined"]

BONE_HU, AIR_HU = 250.0, -400.0
"""Above and below which voxels inside the body are bone and air."""

ROIS: MappingProxyType[Outline, tuple[str, str, tuple[int, int, int]]] = MappingProxyType(
    {
        "external": ("External", "EXTERNAL", (0, 200, 0)),
        "bone": ("Bone", "ORGAN", (255, 230, 160)),
        "air": ("Air", "CAVITY", (0, 160, 255)),
    }
)
"""ROIName, RTROIInterpretedType and colour."""


def outlined(written: WrittenSeries, wanted: Sequence[Outline], origin: Origin) -> Dataset:
    """A structure set that refers to a written series.

    Args:
        written: a synthetic CT.
        wanted: which outlines.
        origin: what makes it.

    Raises:
        DataError: if no body is found.
    """
    stack = written.stack
    hu = stack.stored.transpose(2, 1, 0).astype(np.float32) - stack.encoding.offset  # one step a HU
    result = begun(written, origin, label="sCT OUTLINES", series="RTSTRUCT of sCT medcycle")
    result.StructureSetDescription = f"{RESEARCH_ONLY}: found by thresholds on the synthetic CT"
    result.ContributingEquipmentSequence = [contributing_equipment(origin, "Outlines of a synthetic CT")]
    masks = _masks(Volume(hu, stack.grid()), wanted)
    for sequence in ("StructureSetROISequence", "ROIContourSequence", "RTROIObservationsSequence"):
        setattr(result, sequence, [])
    for number, (outline, mask) in enumerate(masks.items(), 1):
        name, kind, colour = ROIS[outline]
        roi, drawn, observed = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = written.header.FrameOfReferenceUID
        roi.ROIGenerationAlgorithm = "AUTOMATIC"
        drawn.ReferencedROINumber, drawn.ROIDisplayColor = number, list(colour)
        drawn.ContourSequence = _contours(mask, written)
        observed.ObservationNumber = observed.ReferencedROINumber = number
        observed.RTROIInterpretedType, observed.ROIInterpreter = kind, ""
        result.StructureSetROISequence.append(roi)
        result.ROIContourSequence.append(drawn)
        result.RTROIObservationsSequence.append(observed)
    refer_to_slices(result, written)
    return result


def _masks(ct: Volume, wanted: Sequence[Outline]) -> dict[Outline, Array]:
    """Booleans by outline, without those that have no voxel."""
    body = body_mask(ct, "ct").array
    if not body.any():
        raise DataError("no body is found on the synthetic CT, so it has no outline; leave out the outlines")
    inside = ndimage.binary_erosion(body, iterations=2, border_value=1)  # it goes on beyond the field of view
    found: dict[Outline, Array] = {
        "external": body,
        "bone": body & (ct.array > BONE_HU),
        "air": inside & (ct.array < AIR_HU),
    }
    return {name: found[name] for name in dict.fromkeys(wanted) if found[name].any()}


def _contours(mask: Array, written: WrittenSeries) -> list[Dataset]:
    stack, made = written.stack, []
    for index in range(mask.shape[2]):
        x, y, z = stack.position(index)
        for polygon in contours_of(mask[:, :, index]):
            contour = Dataset()
            points = polygon * stack.spacing[:2] + [x, y]
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [decimal_string(round(v, 3)) for px, py in points for v in (px, py, z)]
            made.append(contour)
    return made
