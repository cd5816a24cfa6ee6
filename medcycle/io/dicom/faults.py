"""What is wrong with a series, in words that name its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from medcycle.io.dicom.frames import Frame, Skipped

__all__ = ["damage_beside", "grouped", "shared_uid", "stray_slices", "uneven_rescale"]

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

MOST_NAMED = 5
"""Files that a message names."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by their keys, in the order in which they come."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def shared_uid(owners: Sequence[tuple[tuple[str, str], ...]]) -> str:
    """What is said of a SeriesInstanceUID that several patients, studies or frames of reference share."""
    what = next(name for name, _ in owners[0] if len({dict(owner)[name] for owner in owners}) > 1)
    count = len({dict(owner)[what] for owner in owners})
    plural = {"patient": "patients", "study": "studies"}.get(what, "frames of reference")
    return f"its SeriesInstanceUID is that of {count} {plural}, which were taken apart"


def stray_slices(frames: Iterable[Frame], kinds: Sequence[str]) -> str:
    """What is said of slices of another kind inside a stack.

    Args:
        frames: of the stack.
        kinds: the labels by which some are another kind of image.
    """
    by_kind = grouped(frames, lambda frame: ", ".join(f"{n} {dict(frame.labels).get(n, 'missing')}" for n in kinds))
    usual = max(by_kind, key=lambda kind: len(by_kind[kind]))
    others = [f"{frame.file.name} ({kind})" for kind, some in by_kind.items() if kind != usual for frame in some]
    total = sum(map(len, by_kind.values()))
    return (
        f"{len(others)} of {total} slices are of another kind than the rest ({usual}): {_listed(others)}; export the "
        "series again, or leave them out"
    )


def uneven_rescale(frames: Sequence[Frame]) -> str:
    """What is said of slices whose values are in other units than the rest, or an empty string."""
    by_rescale = grouped(frames, lambda frame: frame.rescale)
    if len(by_rescale) == 1:
        return ""
    usual = max(by_rescale, key=lambda rescale: len(by_rescale[rescale]))
    others = [frame for rescale, found in by_rescale.items() if rescale != usual for frame in found]
    own, rest = (" and ".join(one) or "no RescaleSlope and RescaleIntercept" for one in (others[0].rescale, usual))
    return (
        f"{len(others)} of {len(frames)} slices have {own} where the rest have {rest}: "
        f"{_listed([frame.file.name for frame in others])}; their values would be in other units, export the series "
        "again"
    )


def damage_beside(files: Sequence[Path], damaged: Sequence[Skipped]) -> str:
    """What is said of damaged files that are named like a series' own, or an empty string.

    Args:
        files: of the series.
        damaged: those that lie beside them.
    """
    shapes = {(file.parent, _shape(file)) for file in files}

    def is_like_them(item: Skipped) -> bool:
        return item.path.suffix.lower() in DICOM_SUFFIXES or (item.path.parent, _shape(item.path)) in shapes

    found = [f"{item.path.name} ({item.reason})" for item in damaged if is_like_them(item)]
    if not found:
        return ""
    count = "a file" if len(found) == 1 else f"{len(found)} files"
    return (
        f"{count} beside it can't be read: {_listed(found)}; copy the series again, or pass --resample-irregular to go "
        "without"
    )


def _shape(file: Path) -> str:
    """A file's name with a sign for each number in it."""
    return re.sub(r"[0-9]+", "#", file.name.lower())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
