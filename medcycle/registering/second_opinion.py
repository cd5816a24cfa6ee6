"""A second opinion of a registration, by the synthetic CT that a trained model makes of the MR.

Mutual information can have its optimum in a wrong place, where all starts end and the outlines fit. A synthetic CT lies
where the MR is, and is compared with the CT in Hounsfield units: it goes wrong in other ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from medcycle.body import OUTSIDE, body_mask
from medcycle.errors import RegistrationFailed
from medcycle.evaluation.head import head_regions
from medcycle.inference import Predictor, require_mr
from medcycle.io.files import sha256_of
from medcycle.io.itk import matrix_of, to_itk, transform_of
from medcycle.methods.checkpoint import checkpoint_of, load_method, told_of
from medcycle.models import shipped_file, shipped_names
from medcycle.registration import descent, near_body, points_in
from medcycle.resample import coarsen
from medcycle.volume import Array, Volume

__all__ = ["MAX_SHIFT", "SecondOpinion", "SecondReader", "refined"]

Matrix = npt.NDArray[np.float64]

MAX_SHIFT = 3.0
"""mm, mean over the body, between two opinions; docs/why/experiments/registration.md has those of right and
wrong ones."""

FITTING = 0.75
"""The correlation of synthetic and true CT from which the model fits the scans. Below, the synthetic CT can show bone
in a wrong place: a shift is a reason to look, but none to refuse."""

SPACING = 3.0
"""mm. From where mutual information ends, a coarser start gains nothing."""

TILTS = ((0.0, 0.0), (-5.0, 0.0), (5.0, 0.0), (0.0, -5.0), (0.0, 5.0))
"""Degrees about the left-right and the front-back axis by which starts are turned: about these a vault is round, and a
wrong place of mutual information can be a local optimum of the correlation too."""

ITERATIONS = 100

NEAR_BODY = 8.0
"""mm around the body of the MR that count, for its outline."""

WINDOW = (-600.0, 1200.0)
"""HU, to which both are clipped: metal and air cells decide nothing."""

SAMPLES = 60_000
"""Voxels that the correlation is computed of, about."""

POINTS = 4000
"""Voxels of the body, about, whose distance is looked at."""


@dataclass(frozen=True)
class SecondOpinion:
    """Where a CT lies on an MR by its synthetic CT, and how far that is from the first opinion.

    Args:
        matrix: 4×4, from a point of the CT's space to the MR's, rigid, RAS+ mm.
        shift: mm, the mean distance of the body's voxels between both opinions.
        max_shift: mm, the largest.
        correlation: of synthetic and true CT where both show the body, 0 to 1.
        model: what the synthetic CT was made with.
    """

    matrix: Matrix
    shift: float
    max_shift: float
    correlation: float
    model: str

    @property
    def problem(self) -> str:
        """Why the first opinion can't be trusted, or an empty string."""
        return self._told if self.shift > MAX_SHIFT and self.correlation >= FITTING else ""

    @property
    def remark(self) -> str:
        """Why to look at the picture of a pair that is not refused, or an empty string."""
        if self.shift <= MAX_SHIFT or self.problem:
            return ""
        return (
            f"{self._told}; the model fits these scans badly (correlation {self.correlation:.2f}): look at the picture"
        )

    @property
    def _told(self) -> str:
        return (
            f"registration to the synthetic CT places it {self.shift:.1f} mm away on average ({self.max_shift:.1f} mm "
            f"at most); the limit is {MAX_SHIFT:g} mm"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "model": self.model,
            "shift_mm": round(self.shift, 3),
            "max_shift_mm": round(self.max_shift, 3),
            "correlation": round(self.correlation, 3),
            "ct_to_mr_ras_mm": self.matrix.tolist(),
        }


class SecondReader:
    """Gives second opinions by one model.

    Args:
        model: a run's folder, a checkpoint, or the name of a model that ships with medcycle.

    Attributes:
        name: what the model is called in messages.
        sha256: of its file.

    Raises:
        UsageError: if there is no such model.
        BadCheckpoint: if it is damaged.
    """

    def __init__(self, model: Path) -> None:
        path = checkpoint_of(model)
        self.name, self.sha256 = told_of(path), sha256_of(path)
        self.knows_heads_only = path in map(shipped_file, shipped_names())
        saved = load_method(path)
        require_mr(saved, path)
        self.predictor = Predictor(saved)

    def opinion(self, mr: Volume, ct: Volume, first: Matrix) -> SecondOpinion:
        """Register a CT again, from the end of the first registration.

        Args:
            mr: signal; any orientation.
            ct: HU.
            first: 4×4, from a point of the CT's space to the MR's, RAS+ mm.

        Raises:
            DataError: if no second opinion can be had: the model is for heads and there is none, it can make no CT
                of this MR, or both CT can't be registered.
        """
        made = self.predictor.predict(mr)
        # the true CT may show too little of a head, or the synthetic one what is none
        if self.knows_heads_only and not any(head_regions(one.to_ras()) for one in (ct, made.volume)):
            raise RegistrationFailed(f"neither CT shows a head, which is all that {self.name}, can make")
        matrix, correlation = refined(made.volume, made.body, ct, first)
        points = points_in(made.body, POINTS)
        apart = np.linalg.norm((matrix @ np.linalg.inv(first) @ points - points)[:3], axis=0)
        return SecondOpinion(matrix, float(apart.mean()), float(apart.max()), correlation, self.name)


def refined(synthetic: Volume, body: Volume, ct: Volume, first: Matrix) -> tuple[Matrix, float]:
    """Register a CT onto a synthetic one, near a place that is known.

    Correlation of clipped HU near the body of the MR and within that of the CT, by gradient descent of regular steps
    from there and from starts that are tilted against it; the best end counts.

    Args:
        synthetic: HU.
        body: booleans on its grid, where its MR shows the body.
        ct: HU; any orientation and spacing.
        first: 4×4, from a point of the CT's space to the synthetic one's, RAS+ mm.

    Returns:
        A matrix like `first`, and the correlation there.

    Raises:
        RegistrationFailed: if they don't overlap, or have a single value.
    """
    coarse = coarsen(ct, SPACING)
    inside = body_mask(coarse, "ct")
    moving = coarse.with_array(np.where(inside.array, coarse.array, OUTSIDE["ct"]).clip(*WINDOW))
    fixed = coarsen(synthetic.with_array(synthetic.array.clip(*WINDOW)), SPACING)
    images, near, within = (to_itk(fixed), to_itk(moving)), near_body(body, SPACING, NEAR_BODY), to_itk(inside)
    centre = points_in(body, POINTS)[:3].mean(axis=1)
    ends = []
    for tilt in TILTS:
        transform = transform_of(cast(Matrix, np.linalg.inv(_tilted(tilt, centre) @ first)), centre=centre)
        # with ITK's relaxation of 0.5 it stops in the flat valleys of short fields of view
        method = descent(near, SAMPLES, SPACING, ITERATIONS, least_step=0.002, relaxation=0.8, tolerance=1e-8)
        method.SetMetricAsCorrelation()
        method.SetMetricMovingMask(within)
        method.SetInitialTransform(transform, inPlace=True)
        try:
            method.Execute(*images)
        except RuntimeError:  # too few voxels overlap
            continue
        # ITK's measure is the negative of the squared correlation
        ends.append((float(np.sqrt(max(0.0, -method.GetMetricValue()))), matrix_of(transform)))
    correlation, matrix = max(ends, key=lambda end: end[0], default=(0.0, first))
    if not correlation:
        raise RegistrationFailed("the synthetic CT can't be registered to the CT")
    return cast(Matrix, np.linalg.inv(matrix)), correlation


def _tilted(degrees: tuple[float, float], centre: Array) -> Matrix:
    """A turn about the left-right and the front-back axis through a point, RAS+ mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xy", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre
    return matrix
