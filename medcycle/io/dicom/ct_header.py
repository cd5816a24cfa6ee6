"""Header of a synthetic CT series: what it inherits from the source MR, and what it says of itself.

Attribute names and module requirements are those of DICOM PS3.3 (CT Image IOD, A.3); codes are from PS3.16.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Sequence

from highdicom import UID, ContributingEquipment
from highdicom.sr import CodedConcept
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage
from pydicom.valuerep import format_number_as_ds

from medcycle.errors import DataError
from medcycle.io.dicom.axial import HU_RANGE, AxialStack

__all__ = ["decimal_string", "series_header"]

_REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    *("PatientPosition", "PositionReferenceIndicator"),
)
"""Copied from the source, and present though empty where the source has none."""

_OPTIONAL = (
    *("StudyInstanceUID", "FrameOfReferenceUID"),
    *("IssuerOfPatientID", "PatientBirthTime", "OtherPatientIDsSequence", "EthnicGroup", "PatientComments"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("PatientAge", "PatientSize", "PatientWeight"),
    *("StudyDescription", "PhysiciansOfRecord", "RequestingService"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
"""Copied from the source where it has them."""

_BODY_PARTS = frozenset(
    (
        *("ABDOMEN", "ABDOMENPELVIS", "BLADDER", "BRAIN", "CERVIX", "CHEST", "CHESTABDOMEN"),
        *("CHESTABDPELVIS", "CSPINE", "CTSPINE", "ESOPHAGUS", "FACE", "HEAD", "HEADNECK"),
        *("HEART", "JAW", "LIVER", "LSPINE", "LSSPINE", "MAXILLA", "MEDIASTINUM"),
        *("NECK", "NECKCHEST", "NECKCHESTABDPELV", "PANCREAS", "PELVIS", "PROSTATE", "RECTUM"),
        *("SKULL", "SPINE", "SSPINE", "STOMACH", "TLSPINE", "TONGUE", "TSPINE"),
        *("UTERUS", "WHOLEBODY"),
    )
)
"""Terms of PS3.16 annex L for parts that are not paired: a paired one demands a Laterality, which MR seldom has."""

_OTHER_WORDS = {"HEADANDNECK": "HEADNECK", "THORAX": "CHEST", "SKULLBASE": "SKULL", "WHOLESPINE": "SPINE"}


def series_header(
    reference: Sequence[Dataset] | None,
    stack: AxialStack,
    *,
    series_description: str,
    model_description: str,
    software_version: str,
    body_part: str | None,
) -> Dataset:
    """All that the slices of one series share.

    Args:
        reference: headers of the source MR series; `None` for a new study of an anonymous patient.
        stack: the slices.
        series_description: at most 64 characters of it are kept.
        model_description: goes into DerivationDescription.
        software_version: of medcycle.
        body_part: overrides the source's.

    Raises:
        DataError: if the reference is empty, lacks identifiers, or mixes studies or frames of reference.
    """
    source = _anonymous_study() if reference is None else _require_one_study(reference)
    result = _inherited(source)
    result.BodyPartExamined = _body_part(body_part or str(source.get("BodyPartExamined") or ""))
    result.update(_description(series_description, software_version, int(source.get("SeriesNumber") or 0)))
    result.update(_derivation(reference or (), stack.resampled, model_description, software_version))
    result.update(_pixel_description(stack))
    return result


def _require_one_study(reference: Sequence[Dataset]) -> Dataset:
    if not reference:
        raise DataError("the source series has no datasets to take patient and study from; give None for a new study")
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if len({str(dataset.get(keyword, "")) for dataset in reference}) > 1:
            raise DataError(f"the source datasets have more than one {keyword}; give those of one series")
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"):
        if not all(dataset.get(keyword) for dataset in reference):
            raise DataError(f"a source dataset has no {keyword}, so that the CT can't refer to it; export the MR again")
    return reference[0]


def _anonymous_study() -> Dataset:
    now = datetime.datetime.now()
    result = Dataset()
    result.PatientName = "Anonymous^medcycle"
    result.PatientID = f"MEDCYCLE-{uuid.uuid4().hex[:12].upper()}"
    result.StudyInstanceUID = UID()
    result.StudyDate, result.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    result.PatientPosition = "HFS"
    return result


def _inherited(source: Dataset) -> Dataset:
    """What the series has in common with its source: patient, study, frame of reference, and where it lay."""
    result = Dataset()
    result.SpecificCharacterSet = source.get("SpecificCharacterSet") or "ISO_IR 100"
    for keyword in _REQUIRED:
        setattr(result, keyword, "")
    for keyword in (*_REQUIRED, *_OPTIONAL):
        if keyword in source and not source[keyword].is_empty and _valid(source[keyword]):
            result[keyword] = _copied(source[keyword])
    result.FrameOfReferenceUID = result.get("FrameOfReferenceUID") or UID()
    # A DICOMDIR can't be built without it.
    result.StudyID = result.StudyID or "1"
    return result


def _valid(element: DataElement) -> bool:
    """Whether a value is one of its kind: what the source has wrong is left out, not handed on."""
    if element.VR != "AS":
        return True
    return re.fullmatch(r"\d{3}[DWMY]", str(element.value)) is not None


def _copied(element: DataElement) -> DataElement:
    value = element.value
    if element.VR == "DS":
        value = [decimal_string(float(v)) for v in value] if element.VM > 1 else decimal_string(float(value))
    elif element.VR == "PN":
        value = [_delimited(str(v)) for v in value] if element.VM > 1 else _delimited(str(value))
    return DataElement(element.tag, dictionary_VR(element.tag), value)


def _delimited(name: str) -> str:
    """The same person name in a form that no validator takes for the retired free text (PS3.5, 6.2.1.2).

    Empty trailing components and their delimiters may be left out or written: `Doe` and `Doe^` are one name.
    """
    return name if "^" in name else f"{name}^"


def _description(series_description: str, software_version: str, source_number: int) -> Dataset:
    now = datetime.datetime.now()
    result = Dataset()
    result.SOPClassUID = CTImageStorage
    result.SyntheticData = "YES"
    result.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    result.Modality = "CT"
    result.SeriesInstanceUID = UID()
    result.SeriesNumber = 9000 + source_number
    result.SeriesDescription = _plain(series_description, 64)
    for keyword in ("InstanceCreation", "Series", "Content"):
        setattr(result, f"{keyword}Date", now.strftime("%Y%m%d"))
        setattr(result, f"{keyword}Time", now.strftime("%H%M%S"))
    result.Manufacturer = result.ManufacturerModelName = "medcycle"
    result.SoftwareVersions = software_version
    result.KVP = result.AcquisitionNumber = None
    result.BurnedInAnnotation = "NO"
    result.ImageComments = "SYNTHETIC - RESEARCH USE ONLY"
    return result


def _pixel_description(stack: AxialStack) -> Dataset:
    result = Dataset()
    result.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    result.PixelSpacing = [decimal_string(stack.spacing[1]), decimal_string(stack.spacing[0])]
    result.SliceThickness = result.SpacingBetweenSlices = decimal_string(stack.spacing[2])
    result.SamplesPerPixel = 1
    result.PhotometricInterpretation = "MONOCHROME2"
    result.Rows, result.Columns = stack.stored.shape[1:]
    result.BitsAllocated, result.BitsStored, result.HighBit = 16, 12, 11
    result.PixelRepresentation = 0
    result.RescaleIntercept, result.RescaleSlope, result.RescaleType = HU_RANGE[0], 1, "HU"
    result.WindowCenter, result.WindowWidth = 40, 400
    return result


def _derivation(
    reference: Sequence[Dataset], resampled: bool, model_description: str, software_version: str
) -> Dataset:
    """How the images came about, and from which."""
    result = Dataset()
    description = "Synthetic CT predicted from MR by a neural network"
    result.DerivationDescription = _plain("; ".join(filter(None, (description, model_description))), 1024)
    # CID 7203 (image derivation) has no term for synthesis and may be extended; this one is of CID 7162 (algorithms).
    derivations = [codes.DCM.ArtificialIntelligence]
    if resampled:
        derivations.append(codes.DCM.SpatialResampling)
    result.DerivationCodeSequence = [CodedConcept.from_code(code) for code in derivations]
    if reference:
        result.SourceImageSequence = [_source_image(dataset) for dataset in reference]
    result.ContributingEquipmentSequence = [
        ContributingEquipment(
            "medcycle",
            codes.DCM.ProcessingEquipment,
            manufacturer_model_name="medcycle",
            software_versions=software_version,
            contribution_datetime=datetime.datetime.now(),
            contribution_description="Synthesis of CT from MR",
        )
    ]
    return result


def _source_image(dataset: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    purpose = CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def _body_part(term: str) -> str:
    """The standard's term, or `WHOLEBODY` where it has none: planning systems and validators reject other words."""
    word = re.sub("[^A-Z]", "", term.upper())
    word = _OTHER_WORDS.get(word, word)
    return word if word in _BODY_PARTS else "WHOLEBODY"


def decimal_string(value: float) -> str:
    """A decimal string of at most 16 characters, as its type demands."""
    return str(format_number_as_ds(float(value) + 0.0))


def _plain(text: str, length: int) -> str:
    """Text that any character set and a single-valued element can hold."""
    return text.encode("ascii", "replace").decode().replace("\\", "/")[:length]
