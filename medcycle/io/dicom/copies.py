"""Files and slices that are there twice."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence

from medcycle.errors import UnreadableFile
from medcycle.io.dicom.frames import Frame, ImageFile
from medcycle.io.dicom.pixels import same_pixels
from medcycle.io.dicom.stack import stack_of

__all__ = ["without_copies", "without_equal_slices"]


def without_copies(files: Sequence[ImageFile]) -> tuple[list[ImageFile], str, str]:
    """The files without exact copies, what was dropped, and which two differ but claim to be the same image.

    Where two do, all files are kept: the series is refused as a whole.
    """
    kept: list[ImageFile] = []
    copies: list[str] = []
    by_instance: dict[str, list[ImageFile]] = {}
    for item in files:
        by_instance.setdefault(item.frames[0].instance if item.frames else str(item.path), []).append(item)
    for group in by_instance.values():
        original, *others = sorted(group, key=lambda item: item.path)
        for other in others:
            if not _same(original, other):
                return list(files), "", f"{original.path.name} and {other.path.name} differ but have one SOPInstanceUID"
            copies.append(f"{other.path.name} of {original.path.name}")
        kept.append(original)
    return kept, _dropped(copies), ""


def without_equal_slices(frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], str]:
    """The frames without those that lie at the place of another and show the same, and what was dropped."""
    copies = []
    kept = list(frames)
    for first, second in stack_of(frames).same_place:
        if _equal_images(first, second):
            kept.remove(second)
            copies.append(f"{second.file.name} of {first.file.name}")
    return tuple(kept), _dropped(copies)


def _dropped(copies: Sequence[str]) -> str:
    """What is said of copies, or an empty string."""
    if not copies:
        return ""
    more = ", ..." if len(copies) > 1 else ""
    return f"{len(copies)} {'copy' if len(copies) == 1 else 'copies'} dropped: {copies[0]}{more}"


def _same(first: ImageFile, second: ImageFile) -> bool:
    """Whether two files are copies, be it in other compressions."""
    if filecmp.cmp(first.path, second.path, shallow=False):
        return True
    pairs = zip(first.frames, second.frames, strict=False)
    return len(first.frames) == len(second.frames) and all(_equal_images(*pair) for pair in pairs)


def _equal_images(first: Frame, second: Frame) -> bool:
    try:
        return first.position == second.position and same_pixels(first, second)
    except UnreadableFile:
        return False
