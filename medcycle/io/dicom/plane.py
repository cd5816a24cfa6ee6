"""Where an image plane lies and what it shows, from single-frame headers and enhanced functional groups alike.

Attribute names are those of DICOM PS3.3: of single-frame images in C.7.6.2 (Image Plane) and C.8.3.1 (MR Image), of
enhanced multi-frame ones in C.7.6.16 (functional groups).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

__all__ = ["TELLING", "Misfit", "dimensions_of", "geometry_of", "labels_of", "merged_groups", "texts_of"]

LARGEST_COORDINATE = 1e5
"""mm; what lies further out is not a place in a scanner."""

TELLING = ("ImageType", "EchoTime", "InversionTime", "TemporalPositionIdentifier", "DiffusionBValue")
"""Attributes that tell the volumes in one series apart, beside what the pixels show of the complex signal."""

GE_IMAGE_TYPE = 0x0043102F
"""GE's private element of magnitude (0), phase, real and imaginary images."""

COMPONENTS = {
    **{"M": "magnitude", "MAGNITUDE": "magnitude", "P": "phase", "PHASE": "phase", "PHASE MAP": "phase"},
    **{"R": "real", "REAL": "real", "I": "imaginary", "IMAGINARY": "imaginary"},
}
"""What terms of ImageType and ComplexImageComponent say of the pixels; Philips adds the sequence, as in `M_FFE`."""


class Misfit(Exception):
    """Why the frames of a file can't be used."""


MACROS = (
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence", "FrameContentSequence"),
    *("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "MREchoSequence", "MRDiffusionSequence"),
    *("MRModifierSequence", "PixelValueTransformationSequence"),
)
"""Functional groups that say where a frame is and what it shows."""

RENAMED = {
    "FrameType": "ImageType",
    "EffectiveEchoTime": "EchoTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "InversionTimes": "InversionTime",
}
"""Enhanced images' names of attributes in `TELLING`."""


def merged_groups(header: Dataset, index: int, macros: Sequence[str] = MACROS) -> Dataset:
    """The attributes in a frame's functional groups in one flat data set, named as in single-frame images."""
    groups, shared = header.PerFrameFunctionalGroupsSequence[index], _first(header, "SharedFunctionalGroupsSequence")
    flat = Dataset()
    for macro in macros:
        flat.update(_first(groups, macro) or _first(shared, macro))
    for gradient in flat.get("DiffusionGradientDirectionSequence") or []:
        flat.update(gradient)
    for name, plain in RENAMED.items():
        if name in flat:
            setattr(flat, plain, flat[name].value)
    return flat


def _first(dataset: Dataset, name: str) -> Dataset:
    sequence = dataset.get(name)
    return sequence[0] if sequence else Dataset()


def geometry_of(plane: Dataset) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Position (mm) and orientation (cosines) in LPS+, and the spacing of rows and columns (mm), checked.

    Raises:
        Misfit: if one is missing, or not what a scan has.
    """
    needed = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
    missing = [name for name in needed if not plane.get(name)]
    if missing:
        raise Misfit(f"no {', '.join(missing)}: the position of its voxels is unknown")
    position, orientation, spacing = (_numbers(plane, name, count) for name, count in needed.items())
    row, column = orientation[:3], orientation[3:]
    products = (math.hypot(*row) - 1, math.hypot(*column) - 1, sum(a * b for a, b in zip(row, column, strict=True)))
    if max(map(abs, products)) > 0.01:
        raise Misfit(f"ImageOrientationPatient {list(orientation)} is not two perpendicular directions")
    if not all(0 < width < 100 for width in spacing):
        raise Misfit(f"PixelSpacing {list(spacing)} is not a valid spacing")
    return position, orientation, spacing


def _numbers(plane: Dataset, name: str, count: int) -> tuple[float, ...]:
    value = plane.get(name)
    try:
        # a wrong value representation leaves several values as one text
        numbers = tuple(float(item) for item in (value.split("\\") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        commas = ", but has decimal commas; correct the header" if "," in str(value) else ""
        raise Misfit(f"{name} {value!r} is not {count} numbers{commas}") from None
    if len(numbers) != count or not all(abs(item) < LARGEST_COORDINATE for item in numbers):
        raise Misfit(f"{name} {list(numbers)} is not {count} sensible numbers")
    return numbers


def labels_of(plane: Dataset) -> tuple[tuple[str, str], ...]:
    """The attributes that tell the volumes of one series apart, and `ImageComponent`, which `component_of` finds."""
    component = component_of(plane)
    found = (("ImageComponent", component),) if component else ()
    return (*found, *texts_of(plane, (*TELLING, "DiffusionGradientOrientation", "StackID")))


def component_of(plane: Dataset) -> str:
    """Magnitude, phase, real or imaginary, as far as the header says; else an empty string."""
    terms = plane.get("ImageType")
    given = [plane.get("ComplexImageComponent"), *(list(terms)[2:] if isinstance(terms, Sequence) else [])]
    for term in (str(term or "").upper().strip() for term in given):
        if known := COMPONENTS.get(term) or COMPONENTS.get(term.split("_")[0] if "_" in term else ""):
            return known
    private = plane.get(GE_IMAGE_TYPE)
    number = str(private.value) if private is not None else ""
    return dict(zip("0123", ("magnitude", "phase", "real", "imaginary"), strict=True)).get(number, "")


def dimensions_of(plane: Dataset, pointers: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """The frame's index in every dimension but the place, named by what the dimension points to."""
    places = {"InStackPositionNumber", "ImagePositionPatient", "StackID"}
    values = plane.get("DimensionIndexValues")
    numbers = [values] if isinstance(values, int) else list(values or [])
    names = [keyword_for_tag(pointer) or f"{pointer:08X}" for pointer in pointers]
    return tuple((name, str(n)) for name, n in zip(names, numbers, strict=False) if name not in places)


def texts_of(dataset: Dataset, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Those of the attributes that are there, as text, several values by backslashes."""
    return tuple((name, _text(dataset[name].value)) for name in names if dataset.get(name) not in (None, "", []))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, str) or not isinstance(value, Sequence):
        return str(value)
    return "\\".join(_text(item) for item in value)
