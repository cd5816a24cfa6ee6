"""What a node offers to take: classes, transfer syntaxes, and how long it waits."""

from __future__ import annotations

from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MRImageStorage,
    RLELossless,
    RTStructureSetStorage,
)
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from medcycle.node.settings import NodeSettings

__all__ = ["WAITING", "receiving_entity"]

UNCOMPRESSED = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]

COMPRESSED = [
    *(JPEGLosslessSV1, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, RLELossless),
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000),
]
"""What the series gate can decode."""

WAITING = 8
"""Connections that may not have said yet who they are, beside the associations that are allowed."""

LONGEST_BEGINNING = 10.0
"""Seconds that a connection has to ask for an association."""


def receiving_entity(settings: NodeSettings) -> AE:
    """Pynetdicom's application entity of a node, which takes C-ECHO, MR, enhanced MR, and structure sets if wanted."""
    limits, entity = settings.limits, AE(settings.title)
    entity.require_called_aet = True
    entity.maximum_associations = limits.associations + WAITING  # those that have begun are counted by the receiver
    entity.maximum_pdu_size = limits.pdu_bytes
    entity.network_timeout = entity.dimse_timeout = limits.silence
    entity.acse_timeout = min(LONGEST_BEGINNING, limits.silence)
    entity.add_supported_context(Verification)
    for kind in (MRImageStorage, EnhancedMRImageStorage):
        entity.add_supported_context(kind, [*UNCOMPRESSED, *COMPRESSED])
    if settings.structures:
        entity.add_supported_context(RTStructureSetStorage, UNCOMPRESSED)
    return entity
