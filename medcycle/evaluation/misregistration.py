"""How far a true CT lies from where its synthetic counterpart shows the patient."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medcycle.errors import RegistrationFailed
from medcycle.io.itk import matrix_of
from medcycle.io.itk_images import RAS_FROM_LPS, to_itk
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
        pair = _Pair.of(real, synthetic, region, spacing)
        pair.register(rigid, spacing / 2)
    matrix = _to_real(rigid)
    moved = _distances(matrix, region)
    affine = pair.affine(rigid, SPACINGS[-1] / 10)  # larger steps run away
    return Misregistration(
        matrix,
        float(moved.mean()),
        float(moved.max()),
        _three((matrix @ centre - centre)[:3]),
        _three(Rotation.from_matrix(matrix[:3, :3]).as_rotvec(degrees=True)),
        None if affine is None else float(_distances(_to_real(affine), region).mean()),
    )


class _Pair(NamedTuple):
    """The real volume, the synthetic one, and what is near the body, on one spacing."""

    real: sitk.Image
    synthetic: sitk.Image
    near: sitk.Image

    @classmethod
    def of(cls, real: Volume, synthetic: Volume, body: Volume, spacing: float) -> _Pair:
        first, second = (to_itk(coarsen(one.with_array(one.array.clip(*WINDOW)), spacing)) for one in (real, synthetic))
        coarse = coarsen(body, spacing)
        distance = ndimage.distance_transform_edt(coarse.array < 0.5, sampling=coarse.grid.spacing)
        return cls(first, second, to_itk(coarse.with_array(distance <= NEAR_BODY)))

    def register(self, transform: sitk.Euler3DTransform | sitk.AffineTransform, step: float) -> None:
        """Move a transform, from the real volume's space to the synthetic one's, to where the two fit best."""
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsCorrelation()
        method.SetMetricFixedMask(self.near)
        if (voxels := self.near.GetNumberOfPixels()) > SAMPLES:
            method.SetMetricSamplingStrategy(method.REGULAR)
            method.SetMetricSamplingPercentage(SAMPLES / voxels, seed=1)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=step, minStep=0.002, numberOfIterations=ITERATIONS, gradientMagnitudeTolerance=1e-8
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        try:
            before = method.MetricEvaluate(self.real, self.synthetic)
            method.Execute(self.real, self.synthetic)
        except RuntimeError as error:
            raise RegistrationFailed(FAILED) from error
        if not method.GetMetricValue() < min(LEAST_CORRELATION, before + SLACK):
            raise RegistrationFailed(FAILED)

    def affine(self, rigid: sitk.Euler3DTransform, step: float) -> sitk.AffineTransform | None:
        """The best affine transform about a rigid one; None if none fits better."""
        found = sitk.AffineTransform(3)
        found.SetCenter(rigid.GetCenter())
        found.SetMatrix(rigid.GetMatrix())
        found.SetTranslation(rigid.GetTranslation())
        try:
            self.register(found, step)
        except RegistrationFailed:
            return None
        return found


def _to_real(transform: sitk.Euler3DTransform | sitk.AffineTransform) -> Matrix:
    """From the synthetic volume's space to the true CT's, RAS+."""
    return cast(Matrix, np.linalg.inv(matrix_of(transform)))


def _distances(matrix: Matrix, body: Volume) -> Array:
    """How far some thousand voxels of the body move, mm."""
    voxels = np.argwhere(body.array)
    points = body.grid.affine @ np.column_stack([voxels, np.ones(len(voxels))])[:: max(1, len(voxels) // POINTS)].T
    return cast(Array, np.linalg.norm((matrix @ points - points)[:3], axis=0))


def _three(values: Array) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
