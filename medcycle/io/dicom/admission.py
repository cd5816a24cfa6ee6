"""What keeps a DICOM file from being images of a volume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
)

from medcycle.io.dicom.plane import Misfit

__all__ = ["Rest", "class_of", "is_cut_short", "no_volume", "remarks_on", "require_signal", "rest_of", "text_of"]

LOSSY_SYNTAXES = {
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless),
    *("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"),
}
"""Always lossy; JPEG 2000 (.91) may be, which LossyImageCompression says."""

NO_SERIES = "not an image of a series: no SeriesInstanceUID"
NO_PIXELS = "no pixels"

IMAGE_CLASSES = {
    *(MRImageStorage, CTImageStorage, PositronEmissionTomographyImageStorage),
    *(EnhancedMRImageStorage, EnhancedCTImageStorage, EnhancedPETImageStorage),
    *(LegacyConvertedEnhancedMRImageStorage, LegacyConvertedEnhancedCTImageStorage),
}
"""Of these, a file without pixels is one that was cut short."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

MODALITIES = {"MR", "CT", "PT"}
"""Of other modalities there are no volumes to translate."""

LARGEST_SIDE = 8192
"""pixels"""

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")


class Rest(NamedTuple):
    """What follows the header: whether pixels do, and how many bytes of them; None if that is not known."""

    pixels: bool
    length: int | None


def no_volume(header: Dataset, rest: Rest) -> str:
    """Why a file holds nothing of a volume, or an empty string."""
    kind = class_of(header)
    modality = text_of(header, "Modality")
    reasons = {
        "a DICOMDIR: the files it names are found without it": kind == MediaStorageDirectoryStorage,
        "a secondary capture, not a scan": f"{kind}.".startswith(f"{SECONDARY_CAPTURE}."),
        f"of modality {modality}, neither MR nor CT": modality not in ("", *MODALITIES),
        NO_SERIES: not header.get("SeriesInstanceUID"),
        NO_PIXELS: not rest.pixels or not header.get("Rows") or not header.get("Columns"),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def is_cut_short(header: Dataset, reason: str) -> bool:
    """Whether what `no_volume` says of a file means that it ends too soon."""
    return class_of(header) in IMAGE_CLASSES and reason in (NO_PIXELS, NO_SERIES)


def class_of(header: Dataset) -> str:
    """The SOP class, by the data set or else the file's header; an empty string if neither has one."""
    return text_of(header, "SOPClassUID") or text_of(header.file_meta, "MediaStorageSOPClassUID")


def text_of(header: Dataset, name: str) -> str:
    """A value as text, or an empty string."""
    return str(header.get(name, "") or "")


def rest_of(stream: BinaryIO, header: Dataset) -> Rest:
    """Look at what reading the header has stopped at."""
    syntax = _syntax(header)
    if syntax == DeflatedExplicitVRLittleEndian:
        return Rest(True, None)
    start = stream.tell()
    tag = stream.read(12)
    group = tag[:4] if syntax.is_little_endian else tag[1::-1] + tag[3:1:-1]
    if group not in (b"\xe0\x7f\x10\x00", b"\xe0\x7f\x08\x00", b"\xe0\x7f\x09\x00"):
        return Rest(False, 0)
    # the data set may be encoded otherwise than the transfer syntax says
    explicit = tag[4:6] in (b"OW", b"OB", b"OF", b"OD", b"UN")
    length = stream.seek(0, 2) - start - (12 if explicit else 8)
    return Rest(True, None if syntax.is_compressed else length)


def _syntax(header: Dataset) -> UID:
    found = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    return UID(found or ImplicitVRLittleEndian)


def require_signal(header: Dataset, rest: Rest) -> None:
    """Raise `Misfit` if pixels are no signal or HU, more than a scan has, or not all there."""
    if "MOSAIC" in (header.get("ImageType") or ()):
        raise Misfit("a mosaic, many slices tiled in one image; export it as single slices or enhanced multi-frame")
    colours = text_of(header, "PhotometricInterpretation") or "MONOCHROME2"
    if int(header.get("SamplesPerPixel", 1) or 1) != 1 or colours not in MONOCHROME:
        raise Misfit(f"colour pixels ({colours}), not signal or HU; export the grey-scale images")
    _require_bits(header)
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if max(header.Rows, header.Columns) > LARGEST_SIDE:
        raise Misfit(f"{header.Rows}×{header.Columns} pixels, more than a scan has")
    expected = int(header.Rows) * int(header.Columns) * frames * int(header.get("BitsAllocated", 16) or 16) // 8
    if rest.length is not None and rest.length < expected:
        raise Misfit(f"truncated: {rest.length} of {expected} bytes of pixel data; export it again")


def _require_bits(header: Dataset) -> None:
    """Raise `Misfit` unless BitsStored and HighBit name bits that BitsAllocated has."""
    allocated = int(header.get("BitsAllocated", 16) or 16)
    stored = int(header.get("BitsStored", allocated) or allocated)
    high = int(stored - 1 if header.get("HighBit") is None else header.HighBit)
    if not (0 < stored <= high + 1 <= allocated):
        raise Misfit(f"BitsStored {stored} and HighBit {high} don't fit BitsAllocated {allocated}; correct the header")
    if high != stored - 1 and _syntax(header).is_compressed and _syntax(header) != RLELossless:
        raise Misfit(f"HighBit {high} of {stored} bits in compressed pixels; export it again uncompressed")


def remarks_on(header: Dataset) -> Iterator[str]:
    """What is to be said of images though they can be used."""
    if _syntax(header) in LOSSY_SYNTAXES or header.get("LossyImageCompression") == "01":
        yield "lossy compressed: the values are not the scanner's"
    if int(header.get("BitsStored", 16) or 16) <= 8:
        yield "8 bits a pixel: finer values were lost"
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        yield "MONOCHROME1: stored values inverted, so that bright is high"
