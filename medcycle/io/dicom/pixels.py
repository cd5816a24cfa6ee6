"""Pixels of DICOM images in real units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGExtended12Bit

from medcycle.errors import UnreadableFile
from medcycle.io.dicom.coded import require_coded_sizes
from medcycle.io.dicom.frames import Frame, quiet_pydicom
from medcycle.io.dicom.parsing import open_dicom, parse
from medcycle.io.dicom.plane import merged_groups
from medcycle.volume import Array

__all__ = ["read_dataset", "real_units", "same_pixels", "shown_alone"]


ITK_SYNTAXES = {JPEGExtended12Bit, "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}
"""Twelve-bit JPEG in its processes 4, 8 and 12."""


def real_units(frames: Sequence[Frame]) -> Iterator[Array]:
    """The images of the frames, one after the other, each rescaled by its own slope and intercept.

    Yields:
        float32, shape (columns, rows); HU for CT. Padding, which PixelPaddingValue and PixelPaddingRangeLimit name, is
        NaN.

    Raises:
        UnreadableFile: if a file is torn, or no decoder knows its compression.
    """
    for path, group in groupby(frames, key=lambda frame: frame.file):
        dataset = read_dataset(path)
        require_coded_sizes(path, dataset)
        for frame in group:
            yield _decoded(dataset, frame)


def read_dataset(path: Path, *, pixels: bool = True) -> Dataset:
    """A whole data set. Raises `UnreadableFile` if it is damaged."""
    try:
        with quiet_pydicom(), open_dicom(path) as stream:
            dataset = parse(stream, pixels=pixels, force=True)
            if "TransferSyntaxUID" not in dataset.file_meta:  # a file without preamble, as old archives wrote them
                implicit = dataset.original_encoding[0]
                dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            return dataset
    except UnreadableFile:
        raise
    except Exception as error:  # on foreign bytes the parser raises what it likes
        raise UnreadableFile(f"{path}: not a readable DICOM file ({error}); export it again") from error


def same_pixels(first: Frame, second: Frame) -> bool:
    """Whether two frames show the same values."""
    both = zip(real_units([first]), real_units([second]), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in both)


def _decoded(dataset: Dataset, frame: Frame) -> Array:
    try:
        with quiet_pydicom():
            words = pixel_array(dataset, index=frame.index, correct_unused_bits=False)
    except Exception as error:  # noqa: BLE001 - every decoder has exceptions of its own
        return _by_itk(dataset, frame, error)
    if words.shape != frame.size:
        raise UnreadableFile(
            f"{frame.file}: pixels of shape {words.shape}, the header says {frame.size}; export it again"
        )
    slope, intercept = _rescale(dataset, frame)
    try:
        stored, padding = _stored(dataset, words), _padding(dataset, words)
    except (TypeError, ValueError) as error:
        raise UnreadableFile(
            f"{frame.file}: bit depth or padding values that are not numbers ({error}); correct the header"
        ) from error
    values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    values[padding] = np.nan
    return values.T


def _stored(dataset: Dataset, words: Array) -> Array:
    """The values in the bits that BitsStored and HighBit name (PS3.5, 8.1.1); of MONOCHROME1 with their range inverted.

    Other bits may hold overlays, or anything.
    """
    if words.dtype.kind not in "iu":
        return words
    allocated = 8 * words.dtype.itemsize
    bits = int(dataset.get("BitsStored") or allocated)
    high = bits - 1 if dataset.get("HighBit") is None else int(dataset.HighBit)
    # to the upper end and back, by which a signed type keeps the sign
    stored: Array = words if bits == allocated else (words << (allocated - 1 - high)) >> (allocated - bits)
    if dataset.get("PhotometricInterpretation") != "MONOCHROME1":
        return stored
    lowest = -(2 ** (bits - 1)) if words.dtype.kind == "i" else 0
    inverted: Array = (2 * lowest + 2**bits - 1) - stored.astype(np.int64)
    return inverted


def shown_alone(dataset: Dataset) -> bytes:
    """Native PixelData of the length that its image has, with zero in bits that show nothing, which may hold overlays.

    Signed values keep their sign, and words that are padding as a whole stay as they are.

    Args:
        dataset: not compressed, one sample a pixel, of 8, 16 or 32 bits.
    """
    allocated, signed = int(dataset.BitsAllocated), bool(dataset.get("PixelRepresentation"))
    bits = int(dataset.get("BitsStored") or allocated)
    high = bits - 1 if dataset.get("HighBit") is None else int(dataset.HighBit)
    count = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    words = np.frombuffer(dataset.PixelData, f"<{'i' if signed else 'u'}{allocated // 8}", count)
    shifted = (words << (allocated - 1 - high)) >> (allocated - bits)
    kept = np.where(_padding(dataset, words), words, shifted << (high + 1 - bits))
    content = kept.astype(words.dtype).tobytes()
    return content + bytes(len(content) % 2)


def _padding(dataset: Dataset, words: Array) -> Array:
    """Where whole stored words are padding (PS3.3, C.7.5.1.1.2), whatever sign the header gives them."""
    ends = [dataset.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if not isinstance(ends[0], int) or words.dtype.kind not in "iu":
        return np.zeros(words.shape, dtype=bool)
    whole, signed = 2 ** (8 * words.dtype.itemsize), words.dtype.kind == "i"
    places = [_as_word(end, whole, signed=signed) for end in ends if isinstance(end, int)]
    inside: Array = (words >= min(places)) & (words <= max(places))
    return inside


def _as_word(value: int, whole: int, *, signed: bool) -> int:
    """A value as a word of the pixels' own sign: headers write -2000 as 63536 and the reverse."""
    value %= whole
    return value - whole if signed and value >= whole // 2 else value


def _by_itk(dataset: Dataset, frame: Frame, reason: Exception) -> Array:
    """What GDCM inside SimpleITK makes of compressions that pydicom's plugins don't know; it rescales by itself.

    For these alone, and only where pydicom has no decoder (`RuntimeError`): on damaged files it may work for minutes.
    """
    try:
        if not isinstance(reason, RuntimeError) or dataset.file_meta.TransferSyntaxUID not in ITK_SYNTAXES:
            raise RuntimeError(reason)
        stored = sitk.GetArrayFromImage(sitk.ReadImage(str(frame.file)))
    except (RuntimeError, AttributeError):
        raise UnreadableFile(f"{frame.file}: the pixels can't be decoded ({reason}); export it again") from reason
    if stored.shape[-2:] != frame.size or frame.index >= len(stored):
        raise UnreadableFile(f"{frame.file}: the pixels can't be decoded ({reason}); export it again") from reason
    return np.asarray(stored[frame.index], dtype=np.float32).T


def _rescale(dataset: Dataset, frame: Frame) -> tuple[float, float]:
    source = dataset
    if dataset.get("PerFrameFunctionalGroupsSequence"):
        source = merged_groups(dataset, frame.index, ("PixelValueTransformationSequence",))
        source = source if "RescaleSlope" in source else dataset
    try:
        slope, intercept = source.get("RescaleSlope"), source.get("RescaleIntercept")
        values = float(1 if slope in (None, "") else slope), float(intercept or 0)
    except (TypeError, ValueError, NotImplementedError) as error:  # the last for an unknown kind of value
        raise UnreadableFile(
            f"{frame.file}: a rescale slope or intercept that is not a number ({error}); correct the header"
        ) from error
    if not np.isfinite(values).all() or values[0] == 0:
        raise UnreadableFile(f"{frame.file}: RescaleSlope {slope} and RescaleIntercept {intercept}; correct the header")
    return values
