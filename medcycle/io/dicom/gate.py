"""DICOM images sorted into volumes by their headers, each with a verdict."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from medcycle.io.dicom.copies import without_copies, without_equal_slices
from medcycle.io.dicom.faults import damage_beside, grouped, shared_uid, stray_slices, uneven_rescale
from medcycle.io.dicom.frames import Frame, ImageFile, Skipped, read_image_file
from medcycle.io.dicom.labels import differing_kinds, with_common_values
from medcycle.io.dicom.stack import DIRECTION_TOLERANCE, Stack, axes_of, stack_of

__all__ = ["DicomSeries", "find_series", "gate"]

STEEPEST = 45.0
"""degrees; gantries tilt by 30 at most, planes of a localizer stand about upright on each other."""

LOCALIZER_SLICES = 15
"""A series of several orientations, none of them with more slices than this, is a localizer."""

SPACING_TOLERANCE = 1e-3
"""Relative difference at which pixel spacings count as one: headers round them."""


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
    read = [read_image_file(path) for path in sorted(files)]
    skipped = [item for item in read if isinstance(item, Skipped)]
    return gate((item for item in read if not isinstance(item, Skipped)), skipped)


def gate(files: Iterable[ImageFile], skipped: Sequence[Skipped] = ()) -> list[DicomSeries]:
    """Sort images into volumes, and say of each whether it is sound.

    Images are grouped by patient, study, frame of reference and SeriesInstanceUID, then by orientation, size, spacing
    and the attributes that tell volumes apart (`plane.labels_of`). Exact copies are dropped. Nothing but headers is
    read, except where two files claim to be the same image or lie at the same place.

    Args:
        files: with images.
        skipped: files without; a damaged one beside a sound series, and named like its files, makes it irregular.
    """
    volumes = []
    for group in grouped(files, lambda item: item.series).values():
        owners = grouped(group, lambda item: item.owner)
        notes = (shared_uid(list(owners)),) if len(owners) > 1 else ()
        volumes += [volume for own in owners.values() for volume in _volumes_of(own, notes)]
    damaged = grouped((item for item in skipped if item.looks_damaged), lambda item: item.path.parent)
    return [_with_damage(volume, damaged) for volume in volumes]


def _with_damage(series: DicomSeries, damaged: Mapping[Path, Sequence[Skipped]]) -> DicomSeries:
    """A sound series is irregular if damaged files lie beside its own."""
    folders = {file.parent for file in series.files}
    beside = [item for folder in sorted(folders & damaged.keys()) for item in damaged[folder]]
    problem = damage_beside(series.files, beside) if beside and series.verdict == "sound" else ""
    return replace(series, verdict="irregular", problem=problem) if problem else series


def _volumes_of(files: Sequence[ImageFile], notes: tuple[str, ...]) -> list[DicomSeries]:
    """All volumes of one series of one patient."""
    first = files[0]
    series = DicomSeries(first.series, first.modality, first.description, first.patient_id, ())
    kept, copies, clash = without_copies(files)
    remarks = [copies] * bool(copies) + [remark for item in kept for remark in item.remarks]
    frames = with_common_values([frame for item in kept for frame in item.frames])
    series = replace(series, notes=tuple(dict.fromkeys((*notes, *remarks))), frames=frames)
    damaged = [item for item in kept if item.problem]
    if clash or damaged:
        problem = clash or f"{damaged[0].path.name}: {damaged[0].problem}"
        more = f" ({len(damaged)} such files of {len(kept)})" if len(damaged) > 1 else ""
        return [_refused(series, problem + more, damaged=tuple(item.path for item in damaged))]
    planes = list(grouped(frames, _plane_key()).values())
    if len(planes) > 1 and max(map(len, planes)) <= LOCALIZER_SLICES and _across(frames):
        sizes = " + ".join(str(len(plane)) for plane in planes)
        return [replace(series, verdict="skipped", problem=f"a localizer: {sizes} slices of different planes")]
    return [volume for plane in planes for volume in _split_by_labels(_of_plane(series, plane, planes))]


def _of_plane(series: DicomSeries, plane: Sequence[Frame], planes: Sequence[Sequence[Frame]]) -> DicomSeries:
    """The part of a series in one of its planes, with a note if there are others."""
    if len(planes) == 1:
        return series
    firsts = [one[0] for one in planes]
    differs = {
        "orientation": len({one.orientation for one in firsts}) > 1,
        "matrix": len({one.size for one in firsts}) > 1,
        "pixel spacing": len({one.spacing for one in firsts}) > 1,
    }
    what = " and ".join(name for name, holds in differs.items() if holds)
    note = f"one of {len(planes)} stacks in this series, of different {what}"
    return replace(series, frames=tuple(plane), notes=(*series.notes, note))


def _plane_key() -> Callable[[Frame], Hashable]:
    """Orientation and pixel spacing within their tolerances, and size."""
    known: list[tuple[Frame, int]] = []

    def key(frame: Frame) -> Hashable:
        for first, number in known:
            if _in_plane(frame, first):
                return number
        known.append((frame, len(known)))
        return len(known) - 1

    return key


def _in_plane(frame: Frame, other: Frame) -> bool:
    return (
        frame.size == other.size
        and np.allclose(frame.orientation, other.orientation, rtol=0, atol=DIRECTION_TOLERANCE)
        and np.allclose(frame.spacing, other.spacing, rtol=SPACING_TOLERANCE, atol=0)
    )


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
    if not unsound and not _one_after_the_other(parts):
        return volumes
    # an attribute that changes along one stack, not several stacks of one place
    labels = [part.frames[0].labels for part in parts]
    if kinds := differing_kinds(labels):
        return [_refused(whole, stray_slices(whole.frames, kinds))]
    pairs = set().union(*labels)
    names = sorted({name for name, value in pairs if any((name, value) not in f.labels for f in series.frames)})
    return [replace(whole, notes=(*whole.notes, f"slices differ in {', '.join(names)}"))]


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
    series = replace(series, frames=tuple(_with_folder(frame) for frame in series.frames))
    names = list(dict.fromkeys(name for frame in series.frames for name, _ in frame.extras))
    for chosen in [*([name] for name in names), names] if names else []:
        parts = _split(series, partial(_chosen_extras, chosen))
        if not any(len(part.frames) > 1 and stack_of(part.frames).same_place for part in parts):
            return [_judged(part) for part in parts]
    return [_judged(_without_equal_images(series))]


def _with_folder(frame: Frame) -> Frame:
    """The folder, last, tells apart what an anonymisation has given one patient and one UID."""
    return replace(frame, extras=(*frame.extras, ("folder", frame.file.parent.name)))


def _chosen_extras(names: Sequence[str], frame: Frame) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in frame.extras if name in names)


def _split(series: DicomSeries, key: Callable[[Frame], tuple[tuple[str, str], ...]]) -> list[DicomSeries]:
    """One series a value of the key, labelled by what differs."""
    groups = grouped(series.frames, key)
    common = set.intersection(*(set(pairs) for pairs in groups))
    parts = []
    for pairs, frames in groups.items():
        own = [f"{name} {value}" for name, value in pairs if (name, value) not in common]
        label = ", ".join([series.label] * bool(series.label) + own)
        note = (f"one of {len(groups)} volumes in this series",) if len(groups) > 1 else ()
        parts.append(replace(series, frames=tuple(frames), label=label, notes=(*series.notes, *note)))
    return parts


def _without_equal_images(series: DicomSeries) -> DicomSeries:
    frames, dropped = without_equal_slices(series.frames)
    return replace(series, frames=frames, notes=(*series.notes, *([dropped] * bool(dropped))))


def _judged(series: DicomSeries) -> DicomSeries:
    """With a verdict, and the frames in order."""
    if len(series.frames) < 2:
        return _refused(series, "only one slice, so its thickness is unknown; give a whole series")
    stack = stack_of(series.frames)
    series = replace(series, frames=stack.frames)
    if problem := _no_magnitude(series) or uneven_rescale(stack.frames) or _same_place(stack):
        return _refused(series, problem)
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


def _no_magnitude(series: DicomSeries) -> str:
    """What is said of images of the complex signal that are no signal to translate, or an empty string."""
    component = dict(series.frames[0].labels).get("ImageComponent", "")
    wrong = series.modality == "MR" and component in ("phase", "imaginary")
    return f"{component} images, not the magnitude; leave them out" if wrong else ""


def _same_place(stack: Stack) -> str:
    """What is said of slices at one position, or an empty string."""
    if not stack.same_place:
        return ""
    first, second = stack.same_place[0]
    return (
        f"{len(stack.same_place) + 1} slices share a position with another, {first.file.name} and "
        f"{second.file.name} among them, with different pixels; leave one acquisition out"
    )


def _refused(series: DicomSeries, problem: str, damaged: tuple[Path, ...] = ()) -> DicomSeries:
    return replace(series, verdict="refused", problem=problem, damaged=damaged)
