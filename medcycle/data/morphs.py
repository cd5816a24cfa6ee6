"""More heads from few: each CT in the shape of others."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from medcycle.data.prepare import Prepared
from medcycle.data.store import Store, StoredCase, read_case, write_case
from medcycle.errors import DataError, RegistrationFailed
from medcycle.io.itk import from_itk, to_itk
from medcycle.progress import ProgressLine
from medcycle.resample import coarsen
from medcycle.volume import Array, Grid, Volume

__all__ = ["morphed", "with_morphs"]

log = logging.getLogger(__name__)

FOLDER = "morphs"
"""In the store."""

VERSION = 1
"""Of how they are made; kept ones of another are made again."""

SPACING = 4.0
"""mm, on which registration goes."""

LOWEST_HU, HIGHEST_HU = -300.0, 1000.0
"""Between which registration sees CT: without them air cavities and dense bone, which differ from patient to patient,
would count more than outlines."""

AFFINE_ITERATIONS, DEMONS_ITERATIONS = 100, 60

SMOOTHNESS = 1.5
"""Standard deviation, voxels, of the Gaussian that smooths the displacements after every iteration."""

MOST_STRETCHED = 1.5
"""times that the affine part may stretch or compress along any direction."""

MOST_FOLDED = 0.001
"""of the voxels, where the deformation may turn space inside out."""

LEAST_AGREEMENT = 0.9
"""Dice coefficient of the bodies, where both fields of view show them; less is no shape of the other's."""


def with_morphs(store: Store, count: int, run: Path) -> Store:
    """A store with so many CT more, or as many as can be made.

    Each is a CT of the store in the shape of another: its tissues, with the other's size and outline. Of n CT there are
    n (n − 1) at most, and every CT gives and takes equally often. They are kept for other runs.

    Args:
        store: the cases to train on, and none that are held out.
        count: how many morphs.
        run: a folder for them if nothing may be written to the store's.
    """
    cases = store.ct
    couples = [(one, cases[(n + step) % len(cases)]) for step in range(1, len(cases)) for n, one in enumerate(cases)]
    if not couples[:count]:
        return store
    root = (store.root if os.access(store.root, os.W_OK) else run) / FOLDER
    made = []
    with ProgressLine("morphing", len(couples[:count])) as progress:
        for moving, fixed in couples[:count]:
            told = f"{moving.record.name} as {fixed.record.name}"
            try:
                made.append(_kept(root, moving, fixed, told))
            except RegistrationFailed as error:
                log.info("no morph %s: %s", told, error)
            progress.advance(told)
    if not made:
        log.warning("no CT takes the shape of another (%s tried): do they show one region?", len(couples[:count]))
    return replace(store, ct=(*cases, *made))


def _kept(root: Path, moving: StoredCase, fixed: StoredCase, told: str) -> StoredCase:
    """The morph that was made before, or a new one. Raises as `morphed` does."""
    key = hashlib.sha256(json.dumps([VERSION, moving.record.key, fixed.record.key]).encode()).hexdigest()[:16]
    name = f"morph-{key}"  # the names of two cases may be too long for a folder
    if known := read_case(root, "ct", name):
        return known
    prepared = morphed(*(Prepared(*_volumes(case), case.intensity) for case in (moving, fixed)))
    if known := read_case(root, "ct", name):
        return known  # another run, which reads it by now, was faster
    write_case(root, prepared, name=name, modality="ct", patient=told, sha256=key, voxels=key, key=key)
    case = read_case(root, "ct", name)
    if case is None:
        raise DataError(f"{root / 'ct' / name} can't be read back; is there room on the disk?")
    return case


def _volumes(case: StoredCase) -> tuple[Volume, Volume]:
    image: Array = np.asarray(case.image, dtype=np.float32)
    grid = Grid(image.shape, np.array(case.record.affine))
    return Volume(image, grid), Volume(np.asarray(case.body), grid)


def morphed(moving: Prepared, fixed: Prepared) -> Prepared:
    """A CT in the shape of another: on its grid, and where its own field of view ends, nothing.

    Affine, then diffeomorphic demons (Vercauteren et al. 2009, "Diffeomorphic demons: efficient non-parametric image
    registration", NeuroImage 45:S61), by SimpleITK.

    Args:
        moving: whose tissues.
        fixed: whose shape.

    Raises:
        RegistrationFailed: if the two don't overlap, can't be of one region, or their outlines don't come to agree.
    """
    grid = fixed.image.grid
    everywhere = moving.image.with_array(np.ones(moving.image.grid.shape, dtype=np.float32))
    inside = moving.body.with_array(moving.body.array.astype(np.float32))
    try:
        transform = _transform(*(_seen(one) for one in (fixed, moving)))
        image = _warped(moving.image, grid, transform, sitk.sitkBSpline3, -1.0)
        body = _warped(inside, grid, transform, sitk.sitkLinear, 0.0) > 0.5
        covered = _warped(everywhere, grid, transform, sitk.sitkNearestNeighbor, 0.0) > 0
    except RuntimeError as error:  # SimpleITK's: too little overlap, or a grid with shear
        raise RegistrationFailed("the registration failed") from error
    other = fixed.body.array & covered
    if (agreement := 2 * (body & other).sum() / max(1, body.sum() + other.sum())) < LEAST_AGREEMENT:
        raise RegistrationFailed(f"the outlines agree by {agreement:.2f} only")
    values = np.where(body, np.clip(image, -1, 1), np.float32(-1))
    return Prepared(fixed.image.with_array(values), fixed.body.with_array(body), moving.intensity)


def _seen(one: Prepared) -> sitk.Image:
    """What registration sees of a CT."""
    units = np.clip(one.intensity.inverse(one.image.array), LOWEST_HU, HIGHEST_HU).astype(np.float32)
    return to_itk(coarsen(one.image.with_array(units), SPACING))


def _transform(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    """From points of the fixed image to those of the moving one. Raises `RegistrationFailed` or `RuntimeError`."""
    affine = _affine(fixed, moving)
    stretched = np.linalg.svd(np.reshape(affine.GetMatrix(), (3, 3)), compute_uv=False)
    if max(stretched.max(), 1 / stretched.min()) > MOST_STRETCHED:
        raise RegistrationFailed("it would be stretched as no two patients differ; is it of another region?")
    placed = sitk.Resample(moving, fixed, affine, sitk.sitkLinear, LOWEST_HU)
    covered = sitk.Resample(moving * 0 + 1, fixed, affine, sitk.sitkNearestNeighbor, 0.0)
    placed = placed * covered + fixed * (1 - covered)  # where the one ends, nothing is to be drawn to
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfIterations(DEMONS_ITERATIONS)
    demons.SetStandardDeviations(SMOOTHNESS)
    demons.SetSmoothDisplacementField(True)
    field = sitk.Cast(demons.Execute(fixed, placed), sitk.sitkVectorFloat64)
    folded = sitk.GetArrayViewFromImage(sitk.DisplacementFieldJacobianDeterminant(field)) <= 0
    if folded.mean() > MOST_FOLDED:
        raise RegistrationFailed("the deformation folds")
    return sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])


def _affine(fixed: sitk.Image, moving: sitk.Image) -> sitk.AffineTransform:
    transform = sitk.AffineTransform(
        sitk.CenteredTransformInitializer(
            fixed, moving, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
        )
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-3, numberOfIterations=AFFINE_ITERATIONS
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    return transform


def _warped(volume: Volume, grid: Grid, transform: sitk.Transform, interpolator: int, outside: float) -> Array:
    reference = to_itk(Volume(np.zeros(grid.shape, dtype=np.uint8), grid))
    return from_itk(sitk.Resample(to_itk(volume), reference, transform, interpolator, outside)).array
