"""How far a true CT lies from where its synthetic counterpart shows the patient."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medcycle.errors import RegistrationFailed
from medcycle.io.itk import RAS_FROM_LPS, to_itk
from medcycle.resample import coarsen, resample_to
from medcycle.volume import Array, Grid, Volume

__all__ = ["Misregistration", "measure_misregistration"]

Matrix = npt.NDArray[np.float64]

SPACINGS = (6.0, 3.0)
"""mm, one after the other."""

ITERATIONS = 100
NEAR_BODY = 8.0
"""mm around the body that count, for its outline."""

WINDOW = (-600.0, 1200.0)
"""HU, to which both are clipped: metal and air cells decide nothing."""

SAMPLES = 60_000
"""Voxels that the correlation is computed of, about."""

POINTS = 4000
"""Voxels of the body, about, whose motion is looked at."""

LEAST_CORRELATION = -0.01
"""ITK's measure is the negative of the squared correlation."""

SLACK = 0.005
"""By how much it may be worse in the end than at the start: by the samples that are taken, not by running away."""

FAILED = "the synthetic CT can't be registered to the true one; look at both, one may be empty"


class Misregistration(NamedTuple):
    """A rigid motion, and how far it moves the patient.

    Args:
        matrix: 4×4, RAS+ mm, from the synthetic volume's space to the true CT's.
        mean_mm: the mean distance that the body's voxels move.
        max_mm: the largest.
        translation_mm: of the body's centre, to right, anterior and superior.
        rotation_deg: a vector along the axis of rotation in these directions, of the angle as its length.
        affine_mean_mm: the mean distance by an affine map instead, a report only: stretch can hide errors of shape.
            None if no such map fits better.
    """

    matrix: Matrix
    mean_mm: float
    max_mm: float
    translation_mm: tuple[float, float, float]
    rotation_deg: tuple[float, float, float]
    affine_mean_mm: float | None

    def move(self, synthetic: Volume, grid: Grid, background: float) -> Volume:
        """The synthetic volume where the true CT has the patient, on a grid; `background` beyond its field of view."""
        placed = Volume(synthetic.array, Grid(synthetic.grid.shape, self.matrix @ synthetic.grid.affine))
        return resample_to(placed, grid, background=background)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {name: value for name, value in self._asdict().items() if name != "matrix"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}


def measure_misregistration(real: Volume, synthetic: Volume, body: Array) -> Misregistration:
    """Register a synthetic CT rigidly onto the true one, from where it is.

    Correlation of clipped HU near the body, by gradient descent of regular steps at 6 and then 3 mm. It measures what
    is left between MR and true CT of a pair, with what the synthesis itself displaces: on a pair without either it is
    0.

    Args:
        real: HU.
        synthetic: HU, on the same grid.
        body: boolean, of the grid's shape; not empty.

    Raises:
        RegistrationFailed: if the volumes can't be registered, as where they have a single value.
    """
    region = real.with_array(body)
    centre = region.grid.affine @ np.append(np.argwhere(body).mean(axis=0), 1)
    rigid = sitk.Euler3DTransform((RAS_FROM_LPS @ centre[:3]).tolist())
    for spacing in SPACINGS:
        _register(real, synthetic, region, rigid, spacing, spacing / 2)
    matrix = _to_real(rigid)
    moved = _distances(matrix, region)
    return Misregistration(
        matrix,
        float(moved.mean()),
        float(moved.max()),
        _three((matrix @ centre - centre)[:3]),
        _three(Rotation.from_matrix(matrix[:3, :3]).as_rotvec(degrees=True)),
        _affine_mean(real, synthetic, region, rigid),
    )


def _affine_mean(real: Volume, synthetic: Volume, body: Volume, rigid: sitk.Euler3DTransform) -> float | None:
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    try:
        _register(real, synthetic, body, affine, SPACINGS[-1], SPACINGS[-1] / 10)  # larger steps run away
    except RegistrationFailed:
        return None
    return float(_distances(_to_real(affine), body).mean())


def _register(
    real: Volume,
    synthetic: Volume,
    body: Volume,
    transform: sitk.Euler3DTransform | sitk.AffineTransform,
    spacing: float,
    step: float,
) -> None:
    """Move a transform, from the real volume's space to the synthetic one's, to where the two fit best."""
    images = [to_itk(coarsen(one.with_array(one.array.clip(*WINDOW)), spacing)) for one in (real, synthetic)]
    near = _near(body, spacing)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(near)
    if (voxels := near.GetNumberOfPixels()) > SAMPLES:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(SAMPLES / voxels, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step, minStep=0.002, numberOfIterations=ITERATIONS, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        before = method.MetricEvaluate(*images)
        method.Execute(*images)
    except RuntimeError as error:
        raise RegistrationFailed(FAILED) from error
    if not method.GetMetricValue() < min(LEAST_CORRELATION, before + SLACK):
        raise RegistrationFailed(FAILED)


def _near(body: Volume, spacing: float) -> sitk.Image:
    coarse = coarsen(body, spacing)
    distance = ndimage.distance_transform_edt(coarse.array < 0.5, sampling=coarse.grid.spacing)
    return to_itk(coarse.with_array(distance <= NEAR_BODY))


def _to_real(transform: sitk.Euler3DTransform | sitk.AffineTransform) -> Matrix:
    """From the synthetic volume's space to the true CT's, RAS+."""
    turn, centre = np.reshape(transform.GetMatrix(), (3, 3)), np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = RAS_FROM_LPS @ turn @ RAS_FROM_LPS
    matrix[:3, 3] = RAS_FROM_LPS @ (centre + transform.GetTranslation() - turn @ centre)
    return cast(Matrix, np.linalg.inv(matrix))


def _distances(matrix: Matrix, body: Volume) -> Array:
    """How far some thousand voxels of the body move, mm."""
    voxels = np.argwhere(body.array)
    points = body.grid.affine @ np.column_stack([voxels, np.ones(len(voxels))])[:: max(1, len(voxels) // POINTS)].T
    return cast(Array, np.linalg.norm((matrix @ points - points)[:3], axis=0))


def _three(values: Array) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
