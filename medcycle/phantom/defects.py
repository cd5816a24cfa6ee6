"""Series with the defects that hospital exports have, each known exactly."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage, RawDataStorage, SecondaryCaptureImageStorage

from medcycle.errors import UsageError
from medcycle.phantom.dicom_series import (
    Identity,
    Modality,
    Slice,
    dataset_of,
    set_pixels,
    slices_of,
    write_dataset,
    write_series,
)
from medcycle.phantom.enhanced import enhanced, two_stacks
from medcycle.volume import Volume

__all__ = ["DEFECTS", "Defect", "write_defective_series"]

Defect = Literal[
    "missing_slice",
    "duplicate_position",
    "same_file_twice",
    "two_echoes",
    "dixon",
    "localizer",
    "gantry_tilt",
    "spacing_change",
    "jitter",
    "per_slice_rescale",
    "enhanced_multiframe",
    "enhanced_two_stacks",
    "junk",
    "ct_padding",
]
DEFECTS: tuple[Defect, ...] = get_args(Defect)

JITTER = 0.02
"""mm, alternating along the slice normal."""

TILT_DEGREES = 15.0
"""The gantry's tilt: each slice is moved along its columns by the slice distance times the tangent."""

SPACING_CHANGE = 1.5
"""The second half of the stack has this many times the slice distance of the first."""

PADDING = -3024
"""HU outside the scanner's circle."""

OVERFLOW = 15_000
"""HU of metal beyond 12 bits."""


def write_defective_series(
    volume: Volume, folder: Path, defect: Defect, *, modality: Modality, identity: Identity | None = None
) -> list[Path]:
    """Write a series with one defect.

    Args:
        volume: HU for CT, signal from 0 to 4095 for MR; at least four slices along the third axis.
        folder: made if it is not there.
        defect: what is wrong:

            - missing_slice: the slice in the middle is not there.
            - duplicate_position: the slice in the middle twice, with different pixels.
            - same_file_twice: an exact copy of one file.
            - two_echoes, dixon: every position twice in one series, told apart by EchoTime or by ImageType.
            - localizer: three slices in each of three orthogonal planes.
            - gantry_tilt: slices moved along their columns by `TILT_DEGREES`, pixels sampled there.
            - spacing_change: the second half of the stack further apart by `SPACING_CHANGE`.
            - jitter: positions off by `JITTER` along the normal.
            - per_slice_rescale: another RescaleSlope (CT) for every slice, the same real values.
            - enhanced_multiframe: one enhanced MR file of all slices.
            - enhanced_two_stacks: the same with a second, darker stack beyond the first, told apart by StackID.
            - junk: a text file, an empty file, an empty DICOMDIR, a secondary capture and raw data without pixels
              beside a sound series.
            - ct_padding: `PADDING` outside the inscribed circle and one voxel of metal at `OVERFLOW`.
        modality: which of the two.
        identity: patient and UIDs; the default one if None.

    Returns:
        All files written.

    Raises:
        UsageError: if the defect is not known, or not one of this modality.
    """
    if defect not in DEFECTS:
        raise UsageError(f"{defect}: no such defect; known are {', '.join(DEFECTS)}")
    wanted = {
        "per_slice_rescale": "CT",
        "ct_padding": "CT",
        "enhanced_multiframe": "MR",
        "enhanced_two_stacks": "MR",
    }.get(defect, modality)
    if modality != wanted:
        raise UsageError(f"{defect} is a defect of {wanted} only")
    identity = identity or Identity()
    if defect in ("enhanced_multiframe", "enhanced_two_stacks"):
        stacks = [slices_of(volume)] if defect == "enhanced_multiframe" else two_stacks(slices_of(volume))
        return [write_dataset(enhanced(stacks, identity), folder / "enhanced.dcm")]
    if defect == "junk":
        return write_series(volume, folder, modality=modality, identity=identity) + _junk(folder, identity)
    datasets = _MAKERS[defect](volume, modality, identity)
    return [write_dataset(item, folder / f"{number:04d}.dcm") for number, item in enumerate(datasets, 1)]


def _datasets(slices: Sequence[Slice], modality: Modality, identity: Identity, first: int = 1) -> list[Dataset]:
    return [dataset_of(item, number, modality, identity) for number, item in enumerate(slices, first)]


def _missing_slice(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    datasets = _datasets(slices_of(volume), modality, identity)
    del datasets[len(datasets) // 2]
    return datasets


def _duplicate_position(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    slices = slices_of(volume)
    middle = slices[len(slices) // 2]
    other = replace(middle, pixels=middle.pixels + 7)
    return _datasets([*slices, other], modality, identity)


def _same_file_twice(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    datasets = _datasets(slices_of(volume), modality, identity)
    return [*datasets, copy.deepcopy(datasets[len(datasets) // 2])]


def _two_echoes(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    first, second = _twice(volume, modality, identity)
    for item in second:
        item.EchoTime, item.EchoNumbers = 90, 2
    return first + second


def _dixon(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    water, fat = _twice(volume, modality, identity)
    for group, name in ((water, "WATER"), (fat, "FAT")):
        for item in group:
            item.ImageType = ["DERIVED", "PRIMARY", "DIXON", name]
    return water + fat


def _twice(volume: Volume, modality: Modality, identity: Identity) -> tuple[list[Dataset], list[Dataset]]:
    slices = slices_of(volume)
    darker = [replace(item, pixels=item.pixels / 2) for item in slices]
    return _datasets(slices, modality, identity), _datasets(darker, modality, identity, len(slices) + 1)


def _localizer(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    slices = []
    for axes in ((0, 1, 2), (1, 2, 0), (0, 2, 1)):
        affine = volume.grid.affine[:, [*axes, 3]]
        array = volume.array.transpose(axes)
        planes = slices_of(Volume(array, type(volume.grid)(array.shape, affine)))
        slices += [planes[len(planes) * part // 4] for part in (1, 2, 3)]
    return _datasets(slices, modality, identity)


def _gantry_tilt(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    slices = slices_of(volume)
    shift = np.tan(np.deg2rad(TILT_DEGREES)) * volume.grid.spacing[2]
    tilted = []
    for number, item in enumerate(slices):
        rows = number * shift / item.spacing[1]
        pixels = _moved_along_rows(item.pixels, rows)
        tilted.append(
            replace(item, pixels=pixels, position=item.position + rows * item.spacing[1] * item.orientation[3:])
        )
    return _datasets(tilted, modality, identity)


def _moved_along_rows(pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]], rows: float) -> np.ndarray[
    tuple[int, ...], np.dtype[np.float64]
]:  # fmt: skip
    """What the pixels show `rows` further along the second axis; linear between rows, the last row beyond the end."""
    index = np.arange(pixels.shape[1])
    return np.stack([np.interp(index + rows, index, column) for column in pixels])


def _spacing_change(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    slices = slices_of(volume)
    half, step = len(slices) // 2, slices[1].position - slices[0].position
    stretched = [
        replace(item, position=item.position + max(0, number - half) * (SPACING_CHANGE - 1) * step)
        for number, item in enumerate(slices)
    ]
    return _datasets(stretched, modality, identity)


def _jitter(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    moved = []
    for number, item in enumerate(slices_of(volume)):
        normal = np.cross(item.orientation[:3], item.orientation[3:])
        moved.append(replace(item, position=item.position + (JITTER if number % 2 else -JITTER) * normal))
    return _datasets(moved, modality, identity)


def _per_slice_rescale(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    return [
        dataset_of(item, number, modality, identity, slope=1 + number % 5 / 4)
        for number, item in enumerate(slices_of(volume), 1)
    ]


def _ct_padding(volume: Volume, modality: Modality, identity: Identity) -> list[Dataset]:
    column, row = np.ogrid[: volume.grid.shape[0], : volume.grid.shape[1]]
    centre = (np.array(volume.grid.shape[:2]) - 1) / 2
    outside = np.hypot((column - centre[0]) / (centre[0] + 0.5), (row - centre[1]) / (centre[1] + 0.5)) > 1
    datasets = []
    for number, item in enumerate(slices_of(volume), 1):
        pixels = np.where(outside, PADDING, item.pixels)
        pixels[int(centre[0]), int(centre[1])] = OVERFLOW
        dataset = dataset_of(item, number, modality, identity)
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1
        dataset.PixelData = (pixels.T - float(dataset.RescaleIntercept)).round().astype("<i2").tobytes()
        datasets.append(dataset)
    return datasets


def _junk(folder: Path, identity: Identity) -> list[Path]:
    (folder / "readme.txt").write_text("exported by nobody in particular\n", encoding="utf-8")
    (folder / "VERSION").touch()
    capture, raw = Dataset(), Dataset()
    for item, sop_class, name in ((capture, SecondaryCaptureImageStorage, "capture"), (raw, RawDataStorage, "raw")):
        item.SOPClassUID, item.SOPInstanceUID = sop_class, identity.uid(name)
        item.PatientID, item.StudyInstanceUID = identity.patient_id, identity.uid("study")
        item.SeriesInstanceUID, item.Modality = identity.uid("series", name), "OT"
    set_pixels(capture, np.zeros((16, 16)))
    directory = Dataset()
    directory.SOPClassUID, directory.SOPInstanceUID = MediaStorageDirectoryStorage, identity.uid("directory")
    directory.FileSetID, directory.DirectoryRecordSequence = "EXPORT", []
    named = ((capture, "capture.dcm"), (raw, "raw.dcm"), (directory, "DICOMDIR"))
    files = [write_dataset(item, folder / name) for item, name in named]
    return [folder / "readme.txt", folder / "VERSION", *files]


_MAKERS: dict[str, Callable[[Volume, Modality, Identity], list[Dataset]]] = {
    "missing_slice": _missing_slice,
    "duplicate_position": _duplicate_position,
    "same_file_twice": _same_file_twice,
    "two_echoes": _two_echoes,
    "dixon": _dixon,
    "localizer": _localizer,
    "gantry_tilt": _gantry_tilt,
    "spacing_change": _spacing_change,
    "jitter": _jitter,
    "per_slice_rescale": _per_slice_rescale,
    "ct_padding": _ct_padding,
}
