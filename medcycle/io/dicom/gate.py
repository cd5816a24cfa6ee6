"""DICOM images sorted into volumes by their headers, each with a verdict."""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from medcycle.errors import UnreadableFile
from medcycle.io.dicom.frames import Frame, ImageFile, Skipped, read_image_file
from medcycle.io.dicom.pixels import same_pixels
from medcycle.io.dicom.stack import DIRECTION_TOLERANCE, axes_of, stack_of

__all__ = ["DicomSeries", "find_series", "gate"]

STEEPEST = 45.0
"""degrees; gantries tilt by 30 at most, planes of a localizer stand about upright on each other."""

LOCALIZER_SLICES = 15
"""A series of several orientations, none of them with more slices than this, is a localizer."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class DicomSeries:
    """One volume's worth of a series, before its voxels are looked at.

    Args:
        uid: SeriesInstanceUID.
        modality: Modality as the header says it, `MR`, `CT`, ....
        description: SeriesDescription, or an empty string.
        patient_id: PatientID, or an empty string.
        frames: its images, in order along their normal where they have one.
        label: what tells it from other volumes of the same series, or an empty string.
        problem: why it can't be used, or an empty string.
        verdict: `sound`; `irregular`, usable if it is rebuilt; `refused`; or `skipped`, as no volume was meant to be.
        notes: what was dropped, split or is to be said of it.
        damaged: files of it that have no usable frame.
    """

    uid: str
    modality: str
    description: str
    patient_id: str
    frames: tuple[Frame, ...]
    label: str = ""
    problem: str = ""
    verdict: Literal["sound", "irregular", "refused", "skipped"] = "sound"
    notes: tuple[str, ...] = ()
    damaged: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is read from, in the order of the frames."""
        return tuple(dict.fromkeys([frame.file for frame in self.frames])) + self.damaged


def find_series(files: Iterable[Path]) -> list[DicomSeries]:
    """The volumes among `files`, by their headers; what is not a DICOM image is left out."""
    return gate(item for item in map(read_image_file, sorted(files)) if not isinstance(item, Skipped))


def gate(files: Iterable[ImageFile]) -> list[DicomSeries]:
    """Sort images into volumes, and say of each whether it is sound.

    Images are grouped by SeriesInstanceUID, then by orientation, size, spacing and the attributes that tell volumes
    apart (`frames.TELLING`). Exact copies are dropped. Nothing but headers is read, except where two files claim to be
    the same image or lie at the same place.
    """
    by_uid = _grouped(files, lambda item: item.series)
    return [volume for group in by_uid.values() for volume in _volumes_of(group)]


def _volumes_of(files: Sequence[ImageFile]) -> list[DicomSeries]:
    """All volumes of one SeriesInstanceUID."""
    first = files[0]
    series = DicomSeries(first.series, first.modality, first.description, first.patient_id, ())
    kept, copies, clash = _without_copies(files)
    notes = tuple(dict.fromkeys([copies] * bool(copies) + [remark for item in kept for remark in item.remarks]))
    frames = tuple(frame for item in kept for frame in item.frames)
    series = replace(series, notes=notes, frames=frames)
    damaged = [item for item in kept if item.problem]
    if clash or damaged:
        problem = clash or f"{damaged[0].path.name}: {damaged[0].problem}"
        more = f" ({len(damaged)} such files of {len(kept)})" if len(damaged) > 1 else ""
        return [_refused(series, problem + more, damaged=tuple(item.path for item in damaged))]
    planes = list(_grouped(frames, _plane_key()).values())
    if len(planes) > 1 and max(map(len, planes)) <= LOCALIZER_SLICES and _across(frames):
        sizes = " + ".join(str(len(plane)) for plane in planes)
        return [replace(series, verdict="skipped", problem=f"a localizer: {sizes} slices of different planes")]
    return [volume for plane in planes for volume in _split_by_labels(replace(series, frames=tuple(plane)))]


def _without_copies(files: Sequence[ImageFile]) -> tuple[list[ImageFile], str, str]:
    """The files without exact copies, what was dropped, and which two differ but claim to be the same image.

    Where two do, all files are kept: the series is refused as a whole.
    """
    kept: list[ImageFile] = []
    copies: list[str] = []
    for group in _grouped(files, lambda item: item.frames[0].instance if item.frames else str(item.path)).values():
        original, *others = sorted(group, key=lambda item: item.path)
        for other in others:
            if not _same(original, other):
                return list(files), "", f"{original.path.name} and {other.path.name} differ but have one SOPInstanceUID"
            copies.append(f"{other.path.name} of {original.path.name}")
        kept.append(original)
    return kept, _dropped(copies), ""


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


def _plane_key() -> Callable[[Frame], Hashable]:
    """Orientation within the tolerance, size, and pixel spacing."""
    known: list[tuple[float, ...]] = []

    def key(frame: Frame) -> Hashable:
        near = (n for n, other in enumerate(known) if np.allclose(frame.orientation, other, atol=DIRECTION_TOLERANCE))
        number = next(near, len(known))
        if number == len(known):
            known.append(frame.orientation)
        return number, frame.size, tuple(round(width, 3) for width in frame.spacing)

    return key


def _across(frames: Sequence[Frame]) -> bool:
    """Whether planes cross each other steeply, as those of a localizer do."""
    normals = np.array([axes_of(frame)[2] for frame in frames])
    return bool(np.abs(normals @ normals[0]).min() < np.cos(np.deg2rad(STEEPEST)))


def _split_by_labels(series: DicomSeries) -> list[DicomSeries]:
    parts = _split(series, lambda frame: frame.labels)
    if len(parts) == 1:
        return _split_by_extras(series)
    volumes = [volume for part in parts for volume in _split_by_extras(part)]
    whole = _judged(series)
    unsound = whole.verdict == "sound" and any(volume.verdict != "sound" for volume in volumes)
    if unsound or _one_after_the_other(parts):
        # an attribute that changes along one stack, not several stacks of one place
        pairs = {pair for part in parts for pair in part.frames[0].labels}
        names = sorted({name for name, value in pairs if any((name, value) not in f.labels for f in series.frames)})
        return [replace(whole, notes=(*whole.notes, f"slices differ in {', '.join(names)}"))]
    return volumes


def _one_after_the_other(parts: Sequence[DicomSeries]) -> bool:
    """Whether parts of one stack follow each other, so that each shows another piece of the body."""
    if len({dict(part.frames[0].labels).get("StackID") for part in parts}) > 1:
        return False
    normal = axes_of(parts[0].frames[0])[2]
    places = [[float(np.dot(frame.position, normal)) for frame in part.frames] for part in parts]
    spans = sorted((min(offsets), max(offsets)) for offsets in places)
    return all(lower[1] < upper[0] for lower, upper in pairwise(spans))


def _split_by_extras(series: DicomSeries) -> list[DicomSeries]:
    """Where images share a place, look for what tells them apart; else they are copies, or refused."""
    if len(series.frames) < 2 or not stack_of(series.frames).same_place:
        return [_judged(series)]
    names = list(dict.fromkeys(name for frame in series.frames for name, _ in frame.extras))
    for chosen in [*([name] for name in names), names] if names else []:
        parts = _split(series, partial(_chosen_extras, chosen))
        if not any(len(part.frames) > 1 and stack_of(part.frames).same_place for part in parts):
            return [_judged(part) for part in parts]
    return [_judged(_without_equal_images(series))]


def _chosen_extras(names: Sequence[str], frame: Frame) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in frame.extras if name in names)


def _split(series: DicomSeries, key: Callable[[Frame], tuple[tuple[str, str], ...]]) -> list[DicomSeries]:
    """One series a value of the key, labelled by what differs."""
    groups = _grouped(series.frames, key)
    common = set.intersection(*(set(pairs) for pairs in groups))
    parts = []
    for pairs, frames in groups.items():
        own = [f"{name} {value}" for name, value in pairs if (name, value) not in common]
        label = ", ".join([series.label] * bool(series.label) + own)
        note = (f"one of {len(groups)} volumes in this series",) if len(groups) > 1 else ()
        parts.append(replace(series, frames=tuple(frames), label=label, notes=(*series.notes, *note)))
    return parts


def _without_equal_images(series: DicomSeries) -> DicomSeries:
    copies = []
    frames = list(series.frames)
    for first, second in stack_of(frames).same_place:
        if _equal_images(first, second):
            frames.remove(second)
            copies.append(f"{second.file.name} of {first.file.name}")
    return replace(series, frames=tuple(frames), notes=(*series.notes, *([_dropped(copies)] * bool(copies))))


def _judged(series: DicomSeries) -> DicomSeries:
    """With a verdict, and the frames in order."""
    if len(series.frames) < 2:
        return _refused(series, "one slice only, so that its thickness is not known; give a whole series")
    stack = stack_of(series.frames)
    series = replace(series, frames=stack.frames)
    if stack.same_place:
        first, second = stack.same_place[0]
        return _refused(
            series,
            f"{len(stack.same_place) + 1} slices share a position with another, {first.file.name} and "
            f"{second.file.name} among them, with different pixels; leave one acquisition out",
        )
    if not stack.regular:
        problem = f"{stack.irregularity()}; export it again, or rebuild it with --resample-irregular"
        return replace(series, verdict="irregular", problem=problem)
    if stack.tilt > STEEPEST:
        return _refused(
            series, f"slices that lean by {stack.tilt:.0f} degrees, which no gantry does; correct the positions"
        )
    if stack.tilted:
        note = f"a gantry tilt of {stack.tilt:.1f} degrees: resampled to an upright grid"
        return replace(series, notes=(*series.notes, note))
    return series


def _refused(series: DicomSeries, problem: str, damaged: tuple[Path, ...] = ()) -> DicomSeries:
    return replace(series, verdict="refused", problem=problem, damaged=damaged)


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
