"""Rigid registration of a patient's MR and CT, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from medcycle.body import Modality, body_mask
from medcycle.errors import RegistrationFailed
from medcycle.io.itk import matrix_of
from medcycle.io.itk_images import RAS_FROM_LPS, to_itk
from medcycle.resample import coarsen, resample_mask
from medcycle.volume import Array, Grid, Volume

__all__ = ["Registration", "descent", "near_body", "points_in", "register_rigid"]

SPACINGS = (8.0, 4.0, 2.0)
"""mm: all starts are run on the first, the best of them on the others."""

ITERATIONS = (60, 120, 120)
"""At most, on each spacing."""

OFFSETS = (-40.0, 0.0, 40.0)
"""mm along the body, from where the bodies' centres meet: fields of view are cut differently."""

PITCHES = (-15.0, 0.0, 15.0)
"""Degrees about the left-right axis: between coil and headrest a head nods more than it turns."""

FINISHED = 3
"""Starts that are run to the end; they should end in one place."""

BINS = 32

SAMPLES = 20_000
"""Voxels that the mutual information is computed of, about."""

POINTS = 2000
"""Voxels of the body, about, whose distance is looked at."""

NEAR_BODY = 10.0
"""mm around the body, the air that belongs to the picture of its outline."""

LOWEST_HU, HIGHEST_HU = -1000.0, 1500.0

MAX_DISAGREEMENT = 3.0
"""mm; more is no result but one of several."""

MAX_SKIN_DISTANCE = 3.0
"""mm; heads of one patient came to 1.7 with slices of 5 mm, heads of two patients to 3.9 and more."""

LEAST_SHARE = 0.2
"""of the smaller body, that both fields of view must show."""


@dataclass(frozen=True)
class Registration:
    """Where a moving volume lies in a fixed one's space, and how far that can be trusted.

    Args:
        matrix: 4×4, from a point of the moving volume's space to the fixed one's, rigid, RAS+ mm.
        disagreement: mm, the mean distance of the body's voxels between the best end and the nearer of the next two.
        skin_distance: mm, the mean distance of the bodies' outlines where both fields of view show them.
        shared: the part of the smaller body that lies in both fields of view.
    """

    matrix: npt.NDArray[np.float64]
    disagreement: float
    skin_distance: float
    shared: float

    @property
    def problem(self) -> str:
        """Why it can't be trusted, or an empty string."""
        if self.shared < LEAST_SHARE:
            return f"only {self.shared:.0%} of the body is in both fields of view"
        if self.disagreement > MAX_DISAGREEMENT:
            return f"independent starts end {self.disagreement:.1f} mm apart"
        if not np.isfinite(self.skin_distance):
            return "no outline is in both fields of view"
        if self.skin_distance > MAX_SKIN_DISTANCE:
            return f"the outlines are {self.skin_distance:.1f} mm apart on average; are they of one patient?"
        return ""

    def place(self, moving: Volume) -> Volume:
        """The moving volume in the fixed one's space: the same voxels with another affine."""
        return _placed(moving, self.matrix)


def register_rigid(
    fixed: Volume, moving: Volume, *, fixed_modality: Modality, moving_modality: Modality
) -> Registration:
    """Find the rigid motion between two volumes of one patient, from several starts.

    Mattes mutual information (Mattes et al. 2003, IEEE TMI 22:120) near the fixed body, by gradient descent of regular
    steps on three resolutions. What lies outside the bodies, as a couch, is not seen. Takes some seconds.

    Args:
        fixed: HU for CT, signal for MR; any orientation.
        moving: what is moved onto it.
        fixed_modality: of the fixed volume.
        moving_modality: of the moving one.

    Returns:
        The best end. Whether it is good enough is for `Registration.problem` to say.

    Raises:
        RegistrationFailed: if a volume shows no body, or no start makes the bodies overlap.
    """
    still, moved = _Body.of(fixed, fixed_modality), _Body.of(moving, moving_modality)
    ends = _starts(still, moved)
    for spacing, iterations in zip(SPACINGS, ITERATIONS, strict=True):
        ends = _improved(still, moved, ends, spacing, iterations)[:FINISHED]
    points = still.points()
    reached = [matrix_of(end) @ points for end in ends]
    apart = [float(np.linalg.norm((other - reached[0])[:3], axis=0).mean()) for other in reached[1:]]
    matrix = cast(npt.NDArray[np.float64], np.linalg.inv(matrix_of(ends[0])))
    return Registration(matrix, min(apart, default=np.inf), *_outlines(still.mask, moved.mask, matrix))


@dataclass(frozen=True)
class _Body:
    """A volume on the finest spacing with nothing outside the body, and its mask there."""

    image: Volume
    mask: Volume

    @classmethod
    def of(cls, volume: Volume, modality: Modality) -> _Body:
        image = coarsen(volume, SPACINGS[-1])
        mask = body_mask(image, modality)
        if not mask.array.any():
            raise RegistrationFailed(f"no body found in the {modality.upper()}; check that it shows a patient")
        low, high = LOWEST_HU, HIGHEST_HU
        if modality == "mr":
            low, high = 0.0, float(np.percentile(image.array[mask.array], 99.5))
        return cls(image.with_array(np.where(mask.array, np.clip(image.array, low, high), low)), mask)

    def points(self) -> Array:
        """Centres of some thousand voxels of the body, homogeneous, RAS+ mm, of shape (4, n)."""
        return points_in(self.mask, POINTS)

    def near(self, spacing: float) -> sitk.Image:
        """The body and what is around it, on a coarser grid."""
        return near_body(self.mask, spacing, NEAR_BODY)


def _starts(fixed: _Body, moving: _Body) -> list[sitk.Euler3DTransform]:
    """The headers' word, and the centres of both bodies on each other in several offsets and pitches."""
    centre, other = (RAS_FROM_LPS @ body.points()[:3].mean(axis=1) for body in (fixed, moving))
    starts = [sitk.Euler3DTransform(centre.tolist())]
    for offset, pitch in product(OFFSETS, PITCHES):
        shift = other - centre + [0, 0, offset]
        starts.append(sitk.Euler3DTransform(centre.tolist(), np.deg2rad(pitch), 0.0, 0.0, shift.tolist()))
    return starts


def _improved(
    fixed: _Body, moving: _Body, starts: Sequence[sitk.Euler3DTransform], spacing: float, iterations: int
) -> list[sitk.Euler3DTransform]:
    """Where the starts lead on one resolution, the best first; those without overlap are left out."""
    images = [to_itk(coarsen(body.image, spacing)) for body in (fixed, moving)]
    near = fixed.near(spacing)
    ends = []
    for start in starts:
        method = descent(near, SAMPLES, spacing, iterations)
        method.SetMetricAsMattesMutualInformation(BINS)
        transform = sitk.Euler3DTransform(start)
        method.SetInitialTransform(transform, inPlace=True)
        try:
            method.Execute(*images)
        except RuntimeError:  # too few voxels overlap
            continue
        ends.append((method.GetMetricValue(), transform))
    if not ends:
        raise RegistrationFailed(
            "the volumes don't overlap from any starting position; check that they show the same region"
        )
    return [transform for _, transform in sorted(ends, key=lambda end: end[0])]


def descent(
    near: sitk.Image,
    samples: int,
    spacing: float,
    iterations: int,
    *,
    least_step: float = 0.005,
    relaxation: float = 0.5,
    tolerance: float = 1e-6,
) -> sitk.ImageRegistrationMethod:
    """Gradient descent of regular steps, to which the caller adds a metric and a start.

    Args:
        near: mask of the fixed image, outside which it doesn't count.
        samples: voxels of it that are looked at, about.
        spacing: of the images, mm; the first step is half of it.
        iterations: at most.
        least_step: mm, below which it ends.
        relaxation: what steps get shorter by where the direction turns, 0 to 1.
        tolerance: of the gradient's size, below which it ends.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricFixedMask(near)
    if (voxels := near.GetNumberOfPixels()) > samples:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(samples / voxels, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=spacing / 2,
        minStep=least_step,
        numberOfIterations=iterations,
        relaxationFactor=relaxation,
        gradientMagnitudeTolerance=tolerance,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    return method


def points_in(mask: Volume, about: int) -> Array:
    """Centres of about so many voxels of a mask, homogeneous, RAS+ mm, of shape (4, n)."""
    voxels = np.argwhere(mask.array)
    voxels = voxels[:: max(1, len(voxels) // about)]
    return cast(Array, mask.grid.affine @ np.column_stack([voxels, np.ones(len(voxels))]).T)


def near_body(mask: Volume, spacing: float, distance: float) -> sitk.Image:
    """A body and what lies within a distance of it (mm), on a coarser grid."""
    coarse = coarsen(mask, spacing)
    apart = ndimage.distance_transform_edt(coarse.array < 0.5, sampling=coarse.grid.spacing)
    return to_itk(coarse.with_array(apart <= distance))


def _placed(volume: Volume, matrix: npt.NDArray[np.float64]) -> Volume:
    return Volume(volume.array, Grid(volume.grid.shape, matrix @ volume.grid.affine))


def _outlines(fixed: Volume, moving: Volume, matrix: npt.NDArray[np.float64]) -> tuple[float, float]:
    """`skin_distance` and `shared` of two body masks."""
    placed = _placed(moving, matrix)
    other = resample_mask(placed, fixed.grid).array
    seen = resample_mask(placed.with_array(np.ones_like(placed.array)), fixed.grid).array
    voxel = abs(np.linalg.det(fixed.grid.affine[:3, :3])), abs(np.linalg.det(moving.grid.affine[:3, :3]))
    smaller = min(np.count_nonzero(fixed.array) * voxel[0], np.count_nonzero(moving.array) * voxel[1])
    shared = float(np.count_nonzero(fixed.array & seen) * voxel[0] / smaller)
    # the last voxels of a field of view are an end of the picture, not of the body
    inner = ndimage.binary_erosion(seen, iterations=2, border_value=1)
    edges = [mask & ~ndimage.binary_erosion(mask, border_value=1) for mask in (fixed.array, other)]
    distances = [ndimage.distance_transform_edt(~edge, sampling=fixed.grid.spacing) for edge in edges]
    apart = np.concatenate([distances[0][edges[1] & inner], distances[1][edges[0] & inner]])
    return (float(apart.mean()) if apart.size else np.inf), min(shared, 1.0)
