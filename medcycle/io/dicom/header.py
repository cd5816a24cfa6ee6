"""Header of a synthetic series: what it says of itself, with what it inherits from the source series.

Attribute names and module requirements are those of DICOM PS3.3 (CT Image IOD, A.3, and MR Image IOD, A.4); codes are
from PS3.16.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from highdicom import UID, ContributingEquipment
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, MRImageStorage

from medcycle.body import Modality
from medcycle.io.dicom.axial import AxialStack
from medcycle.io.dicom.inherited import anonymous_study, inherited, number_of, require_one_study
from medcycle.io.dicom.values import decimal_string
from medcycle.modality import SOURCE_OF

__all__ = [
    "RESEARCH_ONLY",
    "Origin",
    "contributing_equipment",
    "plain",
    "series_header",
]

log = logging.getLogger(__name__)

RESEARCH_ONLY = "SYNTHETIC - RESEARCH USE ONLY"

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


@dataclass(frozen=True)
class Origin:
    """Where a synthetic volume comes from, as its header tells.

    Args:
        software_version: of medcycle.
        model_description: what made the volume, for DerivationDescription, such as the hash of a checkpoint.
        series_description: at most 64 characters of it are kept; `sCT medcycle` or `sMR medcycle` if empty.
        body_part: DICOM term (PS3.16 annex L), such as `HEAD`; the source's if None. Where that is not one of the
            standard's unpaired parts, `recognised`.
        recognised: what the volume shows, by its looks.
        made_from: `MR`, `CT` or `CBCT`; if empty, MR for CT and CT for MR.
        created: when; the header's dates.
    """

    software_version: str
    model_description: str = ""
    series_description: str = ""
    body_part: str | None = None
    recognised: str = "WHOLEBODY"
    made_from: str = ""
    created: datetime.datetime = field(default_factory=datetime.datetime.now)

    def source_of(self, modality: Modality) -> str:
        """What a volume of a modality was made from."""
        return self.made_from or SOURCE_OF[modality].upper()


def series_header(
    reference: Sequence[Dataset] | None, stack: AxialStack, *, modality: Modality, origin: Origin
) -> Dataset:
    """All that the slices of one series share.

    Args:
        reference: headers of the source series; `None` for a new study of an anonymous patient.
        stack: the slices.
        modality: what they show.
        origin: where they come from.

    Raises:
        DataError: if the reference is empty, lacks identifiers, or mixes studies or frames of reference.
    """
    source = anonymous_study(origin.created) if reference is None else require_one_study(reference)
    result = inherited(source)
    part = _body_part(origin.body_part or str(source.get("BodyPartExamined") or ""))
    if not part or (part == "WHOLEBODY" and not origin.body_part):  # which is often said of what is another
        part = origin.recognised
    result.BodyPartExamined = part
    if origin.body_part and not _body_part(origin.body_part):
        terms = ", ".join(sorted(_BODY_PARTS))
        log.warning("body part %s: written as %s; DICOM's unpaired terms are %s", origin.body_part, part, terms)
    result.update(_description(modality, origin, number_of(source, "SeriesNumber")))
    result.update(_derivation(reference or (), stack, modality, origin))
    result.update(_pixel_description(stack))
    result.update(_ct_image(stack) if modality == "ct" else _mr_image(stack))
    return result


def _description(modality: Modality, origin: Origin, source_number: int) -> Dataset:
    result = Dataset()
    result.SyntheticData = "YES"
    result.SeriesInstanceUID = UID()
    result.SeriesNumber = 9000 + source_number
    result.SeriesDescription = plain(origin.series_description or f"s{modality.upper()} medcycle", 64)
    for keyword in ("InstanceCreation", "Series", "Content"):
        setattr(result, f"{keyword}Date", origin.created.strftime("%Y%m%d"))
        setattr(result, f"{keyword}Time", origin.created.strftime("%H%M%S"))
    result.Manufacturer = result.ManufacturerModelName = "medcycle"
    result.SoftwareVersions = origin.software_version
    result.AcquisitionNumber = None
    result.BurnedInAnnotation = "NO"
    result.ImageComments = RESEARCH_ONLY
    return result


def _pixel_description(stack: AxialStack) -> Dataset:
    result = Dataset()
    result.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    result.PixelSpacing = [decimal_string(stack.spacing[1]), decimal_string(stack.spacing[0])]
    result.SliceThickness = result.SpacingBetweenSlices = decimal_string(stack.spacing[2])
    result.SamplesPerPixel = 1
    result.PhotometricInterpretation = "MONOCHROME2"
    result.Rows, result.Columns = stack.stored.shape[1:]
    result.BitsAllocated = 16
    result.BitsStored, result.HighBit = stack.encoding.bits, stack.encoding.bits - 1
    result.PixelRepresentation = 0
    return result


def _ct_image(stack: AxialStack) -> Dataset:
    """The CT Image module (PS3.3, C.8.2.1)."""
    result = Dataset()
    result.SOPClassUID, result.Modality = CTImageStorage, "CT"
    result.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    result.KVP = None
    result.RescaleIntercept, result.RescaleSlope, result.RescaleType = -stack.encoding.offset, 1, "HU"
    result.WindowCenter, result.WindowWidth = 40, 400
    return result


def _mr_image(stack: AxialStack) -> Dataset:
    """The MR Image module (PS3.3, C.8.3.1): no sequence made the image, so what is said of one is empty.

    The module has no rescaling: stored values are the signal times a factor, which DerivationDescription tells.
    """
    result = Dataset()
    result.SOPClassUID, result.Modality = MRImageStorage, "MR"
    result.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    result.ScanningSequence, result.SequenceVariant = "RM", "NONE"  # research mode
    result.ScanOptions = result.MRAcquisitionType = ""
    result.RepetitionTime = result.EchoTime = result.EchoTrainLength = None
    shown = stack.stored[stack.stored > 0]
    width = max(int(np.percentile(shown, 99.5)), 2) if shown.size else 2
    result.WindowCenter, result.WindowWidth = width // 2, width
    return result


def _derivation(reference: Sequence[Dataset], stack: AxialStack, modality: Modality, origin: Origin) -> Dataset:
    """How the images came about, and from which."""
    result = Dataset()
    description = f"Synthetic {modality.upper()} predicted from {origin.source_of(modality)} by a neural network"
    scale = (
        "" if modality == "ct" else f"stored values are the signal (arbitrary units) times {stack.encoding.factor:g}"
    )
    result.DerivationDescription = plain("; ".join(filter(None, (description, scale, origin.model_description))), 1024)
    # CID 7203 (image derivation) has no term for synthesis and may be extended; this one is of CID 7162 (algorithms).
    derivations = [codes.DCM.ArtificialIntelligence]
    if stack.resampled:
        derivations.append(codes.DCM.SpatialResampling)
    result.DerivationCodeSequence = [CodedConcept.from_code(code) for code in derivations]
    if reference:
        result.SourceImageSequence = [_source_image(dataset) for dataset in reference]
    what = f"Synthesis of {modality.upper()} from {origin.source_of(modality)}"
    result.ContributingEquipmentSequence = [contributing_equipment(origin, what)]
    return result


def contributing_equipment(origin: Origin, contribution: str) -> ContributingEquipment:
    """An item that says what medcycle did, and when."""
    return ContributingEquipment(
        "medcycle",
        codes.DCM.ProcessingEquipment,
        manufacturer_model_name="medcycle",
        software_versions=origin.software_version,
        contribution_datetime=origin.created,
        contribution_description=contribution,
    )


def _source_image(dataset: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    purpose = CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def _body_part(term: str) -> str:
    """The standard's term; empty where it has none, since planning systems and validators reject other words."""
    word = re.sub("[^A-Z]", "", term.upper())
    word = _OTHER_WORDS.get(word, word)
    return word if word in _BODY_PARTS else ""


def plain(text: str, length: int) -> str:
    """Text that any character set and a single-valued element can hold."""
    return text.encode("ascii", "replace").decode().replace("\\", "/")[:length]
