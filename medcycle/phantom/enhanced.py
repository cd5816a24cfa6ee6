"""Enhanced multi-frame MR: all slices in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from medcycle.phantom.dicom_series import Identity, Slice, dataset_of, set_pixels

__all__ = ["enhanced", "two_stacks"]


def two_stacks(slices: Sequence[Slice]) -> list[Sequence[Slice]]:
    """The slices, and a second stack of half their brightness beyond them."""
    beyond = 2 * len(slices) * (slices[1].position - slices[0].position)
    return [slices, [replace(item, pixels=item.pixels / 2, position=item.position + beyond) for item in slices]]


def enhanced(stacks: Sequence[Sequence[Slice]], identity: Identity) -> Dataset:
    """One enhanced MR file: geometry in its functional groups."""
    slices = [item for stack in stacks for item in stack]
    single = dataset_of(slices[0], 1, "MR", identity)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SliceLocation"):
        delattr(single, name)
    single.SOPClassUID = EnhancedMRImageStorage
    single.NumberOfFrames = len(slices)
    single.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared, template = Dataset(), dataset_of(slices[0], 1, "MR", identity)
    shared.PlaneOrientationSequence = [_only(template, "ImageOrientationPatient")]
    shared.PixelMeasuresSequence = [_only(template, "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")]
    single.SharedFunctionalGroupsSequence = [shared]
    frames = []
    places = [(str(stack), number) for stack, items in enumerate(stacks, 1) for number in range(1, len(items) + 1)]
    for (stack, number), item in zip(places, slices, strict=True):
        frame, content = Dataset(), Dataset()
        content.StackID, content.InStackPositionNumber = stack, number
        content.DimensionIndexValues = [int(stack), number]
        frame.FrameContentSequence = [content]
        frame.PlanePositionSequence = [_only(dataset_of(item, number, "MR", identity), "ImagePositionPatient")]
        frames.append(frame)
    single.PerFrameFunctionalGroupsSequence = frames
    set_pixels(single, np.stack([item.pixels.T for item in slices]))
    return single


def _only(dataset: Dataset, *names: str) -> Dataset:
    result = Dataset()
    for name in names:
        result[name] = dataset[name]
    return result
