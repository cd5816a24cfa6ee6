"""Structure sets drawn on a source series, made to refer to the synthetic one.

Attributes are those of DICOM PS3.3, RT Structure Set IOD (A.19) and its modules (C.8.8.5, C.8.8.6, C.8.8.8).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from highdicom import UID
from pydicom import Dataset, FileMetaDataset
from pydicom.dataelem import RawDataElement
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RTStructureSetStorage

from medcycle.body import Modality
from medcycle.errors import DataError, UnreadableFile, UsageError
from medcycle.io.dicom.header import RESEARCH_ONLY, Origin, contributing_equipment, plain
from medcycle.io.dicom.inherited import patient_and_study
from medcycle.io.dicom.parsing import open_dicom, parse
from medcycle.io.dicom.values import give_known_kinds, valid_copy
from medcycle.io.dicom.writer import WrittenSeries
from medcycle.volume import Array

__all__ = [
    "begun",
    "points_of",
    "read_structure_set",
    "refer_to_slices",
    "require_same_space",
    "retarget",
    "write_structure_set",
]

DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
"""The class that RTReferencedStudySequence names; the standard retired it, and kept it here."""

CONTENT = ("StructureSetROISequence", "ROIContourSequence", "RTROIObservationsSequence")

ENDS_TOO_SOON = "(?i).*(end of file|EOF)"
"""What pydicom warns of, and reads on."""

UNDEFINED_LENGTH = 0xFFFFFFFF

LONGEST_EXPLICIT = 0xFFFE
"""Bytes of a decimal string in Explicit VR, which gives its length 16 bits (PS3.5, 7.1.2)."""

PLANAR = 0.05
"""mm; a contour of more extent along z doesn't lie in an axial plane."""

log = logging.getLogger(__name__)


def read_structure_set(path: Path) -> Dataset:
    """Read an RTSTRUCT file.

    Raises:
        UsageError: if there is no such file.
        UnreadableFile: if it is not DICOM, not an RT Structure Set, or torn.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give the structure set that was drawn on the source")
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.filterwarnings("error", ENDS_TOO_SOON)
            with open_dicom(path) as stream:
                dataset = parse(stream, pixels=True, force=True)  # some systems write no preamble
            is_one = dataset.get("SOPClassUID") == RTStructureSetStorage
            cut_short = not is_one or _cut_short(dataset)
            if is_one:
                give_known_kinds(dataset)
            whole = not cut_short and _whole(dataset)
    except Exception as error:  # on foreign bytes the parser raises what it likes
        kind = type(error).__name__  # what it says may quote the patient's name
        raise UnreadableFile(f"{path}: not a readable DICOM file ({kind}); export it again") from error
    if not is_one:
        raise UnreadableFile(f"{path}: not an RT Structure Set; give the RTSTRUCT file that was drawn on the source")
    if not whole:
        raise UnreadableFile(f"{path}: a truncated structure set, or one without contours; export it again")
    return dataset


def _cut_short(structures: Dataset) -> bool:
    """Whether a value is shorter than its length says: the last one of a file that ends too soon."""
    for item in map(structures.get_item, structures.keys()):
        if isinstance(item, RawDataElement) and item.length not in (len(item.value or b""), UNDEFINED_LENGTH):
            return True
    return False


def _whole(structures: Dataset) -> bool:
    """Whether all sequences are there, and every contour has the points it tells of."""
    if not all(structures.get(keyword) for keyword in ("SOPInstanceUID", *CONTENT)):
        return False
    complete = all(
        len(item.ContourData) == 3 * int(item.NumberOfContourPoints) and np.isfinite(points_of(item)).all()
        for item in _contours(structures)
    )
    rois = {int(item.ROINumber) for item in structures.StructureSetROISequence}
    drawn = {int(item.ReferencedROINumber) for item in structures.ROIContourSequence}
    observed = {int(item.ReferencedROINumber) for item in structures.RTROIObservationsSequence}
    return complete and drawn <= rois and observed <= rois


def _contours(structures: Dataset) -> Iterator[Dataset]:
    for roi in structures.ROIContourSequence:
        yield from roi.get("ContourSequence") or ()


def points_of(contour: Dataset) -> Array:
    """LPS+ mm, shape (points, 3)."""
    return np.asarray(contour.ContourData, dtype=np.float64).reshape(-1, 3)


def require_same_space(structures: Dataset, source: Dataset) -> None:
    """Raise `DataError` unless a structure set is of a source's patient, study and frame of reference.

    Args:
        structures: the structure set.
        source: header of the series that the synthetic one is made of.
    """
    frame, study = source.get("FrameOfReferenceUID"), source.get("StudyInstanceUID")
    frames = {item.get("ReferencedFrameOfReferenceUID") for item in structures.StructureSetROISequence}
    studies = {structures.get("StudyInstanceUID")}
    for item in structures.get("ReferencedFrameOfReferenceSequence") or ():
        studies |= {other.get("ReferencedSOPInstanceUID") for other in item.get("RTReferencedStudySequence") or ()}
    wrong = {
        "frame of reference": frames != {frame} or not frame,
        "study": study not in studies,
        "patient": str(structures.get("PatientID") or "").strip() != str(source.get("PatientID") or "").strip(),
    }
    if found := next((what for what, holds in wrong.items() if holds), ""):
        raise DataError(
            f"the structure set belongs to another {found} than the source series, so its contours would be "
            "misplaced; give the one that was drawn on this series"
        )


def retarget(structures: Dataset, written: WrittenSeries, *, modality: Modality, origin: Origin) -> Dataset:
    """A structure set with the same contours, of the same frame of reference, that refers to the written series.

    Coordinates are written in decimal strings of 16 characters, and values that are none of their kind are left out.
    A contour that lies within half a slice distance of a slice refers to that slice. One that does not, as one drawn in
    a sagittal plane, is kept without a reference to an image, with a warning: no axial slice holds it. What a planning
    system keeps in private attributes, and an approval, are left out.

    Args:
        structures: from `read_structure_set`, of the source's frame of reference.
        written: the synthetic series.
        modality: of that series.
        origin: what made it.
    """
    name = f"s{modality.upper()}"
    structures.decode()  # its names may be in another character set than the patient's, which UTF-8 holds all
    result = begun(written, origin, label=f"{name} RETARGETED", series=f"RTSTRUCT retargeted to {name} medcycle")
    result.StructureSetName = plain(str(structures.get("StructureSetLabel") or ""), 64)
    result.StructureSetDescription = f"{RESEARCH_ONLY}: drawn on the source series, contours unchanged"
    result.ContributingEquipmentSequence = [contributing_equipment(origin, f"References moved to synthetic {name[1:]}")]
    result.PredecessorStructureSetSequence = [_reference(structures.SOPClassUID, structures.SOPInstanceUID)]
    for keyword in CONTENT:
        result[keyword] = valid_copy(structures[keyword])
    refer_to_slices(result, written)
    return result


def begun(written: WrittenSeries, origin: Origin, *, label: str, series: str) -> Dataset:
    """A structure set of a written series, still without structures.

    Args:
        written: the series.
        origin: what makes it.
        label: StructureSetLabel, 16 letters or fewer.
        series: SeriesDescription.
    """
    result = patient_and_study(written.header)
    result.SpecificCharacterSet = "ISO_IR 192"
    result.SOPClassUID, result.SOPInstanceUID = RTStructureSetStorage, UID()
    result.Modality, result.SeriesInstanceUID = "RTSTRUCT", UID()
    result.SeriesNumber = int(written.header.SeriesNumber) + 1
    result.SeriesDescription = series
    result.OperatorsName = ""
    result.Manufacturer = result.ManufacturerModelName = "medcycle"
    result.SoftwareVersions = origin.software_version
    date, time = origin.created.strftime("%Y%m%d"), origin.created.strftime("%H%M%S")
    result.InstanceCreationDate = result.SeriesDate = result.StructureSetDate = date
    result.InstanceCreationTime = result.SeriesTime = result.StructureSetTime = time
    result.StructureSetLabel = label
    result.ApprovalStatus = "UNAPPROVED"
    result.ReferencedFrameOfReferenceSequence = [_referenced_frame(written)]
    return result


def _referenced_frame(written: WrittenSeries) -> Dataset:
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = written.header.SeriesInstanceUID
    series.ContourImageSequence = [_reference(written.header.SOPClassUID, uid) for uid in written.instances]
    study.ReferencedSOPClassUID = DETACHED_STUDY_MANAGEMENT
    study.ReferencedSOPInstanceUID = written.header.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = written.header.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def refer_to_slices(structures: Dataset, written: WrittenSeries) -> None:
    """Give each contour its slice, and say how many have none."""
    step, bottom = written.stack.spacing[2], written.stack.position(0)[2]
    total = across = beyond = 0
    for contour in _contours(structures):
        heights = points_of(contour)[:, 2]
        index = round((float(heights.mean()) - bottom) / step)
        within = bool(np.abs(heights - (bottom + index * step)).max() <= step / 2 + PLANAR)
        total += 1
        if "ContourImageSequence" in contour:
            del contour.ContourImageSequence
        if within and 0 <= index < len(written.instances):
            contour.ContourImageSequence = [_reference(written.header.SOPClassUID, written.instances[index])]
        across += bool(np.ptp(heights) > PLANAR)
        beyond += within and not 0 <= index < len(written.instances)
    if across:
        log.warning(
            "%d of %d contours of the structure set do not lie in axial planes; they are kept as drawn, but planning "
            "systems that require axial contours won't accept them: draw the structures in axial planes",
            across,
            total,
        )
    if beyond:
        log.warning("%d of %d contours of the structure set lie above or below the synthetic series", beyond, total)


def write_structure_set(structures: Dataset, path: Path) -> Path:
    """Write a structure set and read it back; in Explicit VR, but Implicit where a contour is too long for that.

    Raises:
        UnreadableFile: if that fails.
    """
    structures.file_meta = FileMetaDataset()
    longest = max((len("\\".join(map(str, item.ContourData))) for item in _contours(structures)), default=0)
    too_long = longest > LONGEST_EXPLICIT
    structures.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if too_long else ExplicitVRLittleEndian
    structures.save_as(path, enforce_file_format=True)
    read_structure_set(path)
    return path
