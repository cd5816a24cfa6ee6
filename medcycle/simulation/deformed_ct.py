"""More heads from few: each CT in the shape of others."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from medcycle.dataset.preparation import Prepared
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import RegistrationFailed
from medcycle.io.files import remove_torn, write_text
from medcycle.io.itk import from_itk, to_itk
from medcycle.progress import ProgressLine, is_first_process
from medcycle.resample import coarsen
from medcycle.simulation.keeping import keep, kept, key_of, place_for, prepared_of
from medcycle.volume import Array, Grid, Volume
from medcycle.words import about

__all__ = ["deformed", "with_deformed_ct"]

log = logging.getLogger(__name__)

FOLDER = "deformed"
"""In the store."""

FAILED = "failed"
"""In that one: why a CT can't take the shape of another, a file each."""

PREFIX = "deformed-"

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


def with_deformed_ct(store: Store, count: int, run: Path) -> Store:
    """A store with so many CT more, or as many as can be made.

    Each is a CT of the store in the shape of another: its tissues, with the other's size and outline. Of n CT there are
    n (n − 1) at most, and every CT gives and takes as equally often as the count allows. They are kept for other runs,
    and so is which ones can't be made. How long the new ones will take is said after the first.

    Args:
        store: the cases to train on, and none that are held out.
        count: how many deformed CT.
        run: a folder for them if nothing may be written to the store's.
    """
    roots = store.root / FOLDER, run / FOLDER
    if is_first_process():
        remove_torn(roots[0] / "ct")
    couples = list(islice(_couples(store.ct), count))
    made, failed = [], []
    new = [name for name in (_name(*couple) for couple in couples) if not _is_known(roots, name)]
    with ProgressLine("deforming CT", len(new), quiet=not new) as progress:
        for couple in couples:
            told, begun = " as ".join(case.record.name for case in couple), time.monotonic()
            try:
                made.append(_kept(roots, *couple, told))
            except RegistrationFailed as error:
                failed.append(f"{told}: {error}")
            if _name(*couple) in new:
                if not progress.done and len(new) > 1:
                    length = about(len(new) * (time.monotonic() - begun))
                    progress.say(
                        f"preparing: deforming {len(new)} CT, {length}, before training's minutes begin; "
                        "data.deformed_ct=0 leaves it out"
                    )
                progress.advance(told)
    if count and is_first_process():
        _tell(len(store.ct), made, failed)
    return replace(store, ct=(*store.ct, *made)) if made else store


def _couples(cases: Sequence[StoredCase]) -> Iterator[tuple[StoredCase, StoredCase]]:
    for step in range(1, len(cases)):
        yield from ((one, cases[(number + step) % len(cases)]) for number, one in enumerate(cases))


def _tell(cases: int, made: Sequence[StoredCase], failed: Sequence[str]) -> None:
    if cases == 1:
        log.warning("data.deformed_ct: of one CT alone there is no other's shape to take")
    elif failed:
        hint = "" if made else " Do they show one region?"
        tried = len(made) + len(failed)
        log.warning("%s of %s CT can't take the shape of another; %s.%s", len(failed), tried, failed[0], hint)


def _kept(roots: tuple[Path, Path], moving: StoredCase, fixed: StoredCase, told: str) -> StoredCase:
    """The deformed CT that was made before, in any of the folders, or a new one. Raises as `deformed` does."""
    name = _name(moving, fixed)
    key = name.removeprefix(PREFIX)
    for root in roots:
        if known := kept(root, "ct", name, key):
            return known
        if (failure := root / FAILED / f"{name}.txt").is_file():
            raise RegistrationFailed(failure.read_text(encoding="utf-8"))
    root = place_for(roots, "ct")
    try:
        prepared = deformed(prepared_of(moving), prepared_of(fixed))
    except RegistrationFailed as error:
        write_text(root / FAILED / f"{name}.txt", str(error))
        raise
    return keep(root, "ct", prepared, name=name, key=key, told=told)


def _name(moving: StoredCase, fixed: StoredCase) -> str:
    """Characters of a deformed CT's folder."""
    return PREFIX + key_of(VERSION, moving.record.key, fixed.record.key)


def _is_known(roots: tuple[Path, Path], name: str) -> bool:
    """Whether a deformed CT was made, or could not be."""
    return any((root / "ct" / name).exists() or (root / FAILED / f"{name}.txt").is_file() for root in roots)


def deformed(moving: Prepared, fixed: Prepared) -> Prepared:
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
    except RuntimeError as error:  # SimpleITK's: too little overlap, too few slices, or a grid with shear
        raise RegistrationFailed(f"the registration failed ({str(error).strip().splitlines()[-1]})") from error
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
            *(one - LOWEST_HU for one in (fixed, moving)),  # masses, for their centres: air has none
            sitk.AffineTransform(3),
            sitk.CenteredTransformInitializerFilter.MOMENTS,
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
