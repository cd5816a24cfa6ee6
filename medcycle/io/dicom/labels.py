"""What tells the volumes of one series apart, and which differences make slices another kind of image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from medcycle.io.dicom.frames import Frame

__all__ = ["differing_kinds", "with_common_values"]

SAME: dict[str, tuple[float, float]] = {
    "EchoTime": (0.01, 0.01),
    "InversionTime": (0.01, 1.0),
    "DiffusionBValue": (0.01, 5.0),
    "DiffusionGradientOrientation": (0.0, 0.01),
    "TriggerTime": (0.0, 1.0),
}
"""How far values may be apart, relative and absolute (ms, s/mm²), and still be of one protocol: scanners round them."""

CLEARLY_OTHER = 0.1
"""Echo times, inversion times and b values that differ by more than this part are of another contrast."""

CONTRASTS = frozenset(
    (
        *("WATER", "W", "FAT", "F", "IN_PHASE", "IP", "IN", "OPP_PHASE", "OUT_PHASE", "OP", "OUT"),
        *("ADC", "EADC", "FA", "TRACEW", "B0", "FIELD_MAP", "SWI", "MNIP", "TTP", "RCBV", "RCBF", "MTT", "PBP"),
        *("T1 MAP", "T1_MAP", "T2 MAP", "T2_MAP", "T2_STAR MAP", "R2 MAP", "R2_STAR MAP", "FAT_FRACTION"),
        *("LOCALIZER", "MASK", "SUBTRACTION", "SUB"),
    )
)
"""Terms of ImageType that name another contrast or a map, not another reconstruction of the same."""


def with_common_values(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames with numbers in labels and extras that are the same but for rounding made equal.

    Values are compared in rising order, each with the first of its group, within the tolerances of `SAME`.
    """
    common = {name: _common(name, frames) for name in SAME}

    def made_common(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((name, common.get(name, {}).get(value, value)) for name, value in pairs)

    return tuple(replace(one, labels=made_common(one.labels), extras=made_common(one.extras)) for one in frames)


def differing_kinds(labels: Sequence[tuple[tuple[str, str], ...]]) -> list[str]:
    """The attributes by which stacks are clearly another kind of image.

    These are: magnitude, phase, real or imaginary, of which images that don't say are taken for magnitude; a contrast
    or map named in ImageType; and echo times, inversion times or b values that differ by more than a tenth.

    Args:
        labels: of each stack.
    """
    values = [{"ImageComponent": "magnitude"} | dict(pairs) for pairs in labels]
    names = dict.fromkeys(name for one in values for name in one)
    return [name for name in names if _clearly_other(name, [one[name] for one in values if name in one])]


def _clearly_other(name: str, values: Sequence[str]) -> bool:
    if name == "ImageComponent":
        return len(set(values)) > 1
    if name == "ImageType":
        return len({frozenset(value.upper().split("\\")[2:]) & CONTRASTS for value in values}) > 1
    if name in ("EchoTime", "InversionTime", "DiffusionBValue"):
        numbers = list(chain.from_iterable(filter(None, map(_numbers, values))))
        return bool(numbers) and max(numbers) - min(numbers) > CLEARLY_OTHER * max(map(abs, numbers))
    return False


def _common(name: str, frames: Iterable[Frame]) -> dict[str, str]:
    """The text that stands for each text of an attribute."""
    pairs = chain.from_iterable((*frame.labels, *frame.extras) for frame in frames)
    texts = dict.fromkeys(value for label, value in pairs if label == name)
    known: list[tuple[tuple[float, ...], str]] = []
    result = {}
    for numbers, text in sorted((numbers, text) for text in texts if (numbers := _numbers(text))):
        near = (first for values, first in known if _close(name, values, numbers))
        first = next(near, "")
        if not first:
            first = "\\".join(f"{number:.5g}" for number in numbers)
            known.append((numbers, first))
        result[text] = first
    return result


def _close(name: str, first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    relative, absolute = SAME[name]
    pairs = zip(first, second, strict=False)
    return len(first) == len(second) and all(abs(a - b) <= max(absolute, relative * abs(a)) for a, b in pairs)


def _numbers(text: str) -> tuple[float, ...]:
    """The numbers in a value; none if it holds something else."""
    try:
        return tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return ()
