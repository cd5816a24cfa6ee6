"""A trained model's calibration, found again on pairs of MR and CT that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from medcycle.body import OUTSIDE, body_mask
from medcycle.dataset.preparation import prepare_volume
from medcycle.errors import DataError
from medcycle.evaluation.surfaces import depths
from medcycle.inference.device import best_device
from medcycle.inference.image_predictor import ImagePredictor
from medcycle.inference.options import Options
from medcycle.inference.translator import Floats
from medcycle.inference.uncertainty import CLASSES, Calibration, classes_of, smoothed
from medcycle.methods.checkpoint import SavedMethod
from medcycle.resample import resample_to
from medcycle.volume import Array, Volume

__all__ = ["Errors", "calibration_of", "errors_on"]


class Errors(NamedTuple):
    """Voxels whose true CT is known, one-dimensional and of one length.

    Args:
        deviations: over passes, `smoothed`, HU.
        errors: synthetic less true CT, HU.
        classes: as `classes_of` gives them, none negative.
    """

    deviations: Floats
    errors: Floats
    classes: Array


def errors_on(
    saved: SavedMethod,
    mr: Volume,
    ct: Volume,
    *,
    region: Volume | None = None,
    outline: bool = True,
    device: torch.device | None = None,
) -> Errors:
    """What a model does with a pair, for `calibration_of`.

    Args:
        saved: a model that makes CT.
        mr: MR signal; any orientation and spacing.
        ct: HU, registered to the MR; couch and mask are left out.
        region: boolean, where the pair counts, as within the field of view of both; everywhere by default.
        outline: whether the layers at the body's outline count. They don't of an MR that was simulated within the body
            mask of its CT, whose outline is no other.
        device: what the network computes on; None for a GPU if there is one.

    Returns:
        Of the body in the MR, and with `outline` of a layer around it, on the grid of the prepared MR.

    Raises:
        DataError: if no body is found in the MR, or no voxel of it counts.
    """
    on = device or best_device()
    saved.method.to(on).eval()
    prepared = prepare_volume(mr, "mr", saved.config.data, saved.intensity["mr"].corners[1])
    body, grid = prepared.body.array, prepared.body.grid
    if not body.any():
        raise DataError("no body found; check that the MR shows a patient")
    images = ImagePredictor(saved.method, saved.config.geometry, saved.intensity, "ct", Options(uncertainty=True), on)
    made, deviation = images.estimate(prepared.image.array, body)
    assert deviation is not None
    kinds = classes_of(made, depths(body, grid))
    known = kinds >= (0 if outline else CLASSES.index("air"))
    if region is not None:
        known &= _placed(region.with_array(region.array.astype(np.float32)), prepared.body, 0.0) > 0.5
    if not known.any():
        raise DataError("no voxel of the body counts; check the region, and that MR and CT lie on each other")
    patient = np.where(body_mask(ct, "ct").array, ct.array, OUTSIDE["ct"]).astype(np.float32)
    wrong = np.where(body, made, OUTSIDE["ct"]) - _placed(ct.with_array(patient), prepared.body, OUTSIDE["ct"])
    return Errors(smoothed(deviation)[known], wrong[known].astype(np.float32), kinds[known])


def calibration_of(found: Iterable[Errors]) -> Calibration:
    """The calibration that fits pairs: what is usual of them, as `Curve.fit` has it.

    Args:
        found: of at least one pair, as `errors_on` gives them.

    Raises:
        DataError: if no class of tissue has enough voxels.
    """
    each = list(found)
    scans = np.repeat(np.arange(len(each)), [len(one.errors) for one in each])
    deviations, errors, classes = (np.concatenate(parts) for parts in zip(*each, strict=True))
    fitted = Calibration.fit_classes(deviations, errors, classes, scans)
    if not fitted.by_class:
        raise DataError(f"{len(errors)} voxels are too few to calibrate on; give more or larger pairs")
    return fitted


def _placed(volume: Volume, onto: Volume, outside: float) -> Array:
    return resample_to(volume, onto.grid, background=outside, interpolation="linear").array
