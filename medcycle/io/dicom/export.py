"""A synthetic volume as DICOM: the series, a structure set that refers to it, de-identified if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import Dataset

from medcycle.body import Modality
from medcycle.errors import DataError, DefectiveSeries, UsageError, WrongModality
from medcycle.io.dicom.axial import axial_volume
from medcycle.io.dicom.beside import OUTLINES, STRUCTURE_SET
from medcycle.io.dicom.companion import write_deidentified
from medcycle.io.dicom.deidentify import Deidentifier, Deidentify
from medcycle.io.dicom.encoding import HU_RANGE
from medcycle.io.dicom.gate import DicomSeries
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.hidden import hidden_names, names_of
from medcycle.io.dicom.outlines import outlined
from medcycle.io.dicom.preparing import prepared_for
from medcycle.io.dicom.rebuild import upright_grid
from medcycle.io.dicom.rtstruct import read_structure_set, require_same_space, retarget, write_structure_set
from medcycle.io.dicom.series import read_headers
from medcycle.io.dicom.site import Site
from medcycle.io.dicom.stack import stack_of
from medcycle.io.dicom.writer import require_new, write_slices
from medcycle.io.files import atomic_path
from medcycle.volume import Grid, Volume

__all__ = ["require_site_possible", "write_dicom"]

SOURCE_FOLDER = "source"

LEAST_OVERLAP = 0.5
"""of the volume's voxels lie in the field of view of the series it was made from."""

SAMPLES = 16
"""Voxels along an axis by which the overlap is measured."""


def write_dicom(
    volume: Volume,
    folder: Path,
    *,
    modality: Modality,
    reference: DicomSeries | None,
    origin: Origin,
    rtstruct: Path | None = None,
    deidentify: Deidentify | None = None,
    site: Site | None = None,
) -> list[Path]:
    """Write a synthetic volume as a DICOM series in the study and frame of reference of the series it was made from.

    `folder` gets the slices, as `write_series` writes them, with `rtstruct.dcm` beside them and, de-identified, the
    source series in `source/`. It appears under its name only when all of it is complete.

    Args:
        volume: synthetic CT in HU or MR signal, any orientation.
        folder: where to; must not exist, or be empty.
        modality: what the volume is.
        reference: the series it was made from, MR or CBCT for CT and CT for MR; `None` for a new study of an anonymous
            patient.
        origin: what made the volume.
        rtstruct: a structure set that was drawn on the reference, to be retargeted; see `retarget`.
        deidentify: how to take the patient's identity out of everything that is written; `None` keeps it.
        site: what the planning system of a site wants of a synthetic CT; see `Site`.

    Returns:
        The files: slices from the feet to the head, then structure sets, then the source's.

    Raises:
        UsageError: if the folder holds anything, there is no reference for a structure set or de-identification, or a
            site's file doesn't fit what else is given.
        WrongModality: if the reference is of another kind.
        UnreadableFile: if the structure set, or a file of the reference, is not readable.
        DataError: if the volume does not lie in the reference's field of view, the structure set belongs to another
            patient, study or frame of reference, or as `write_series` does.
    """
    require_new(folder)
    _require_possible(modality, reference, rtstruct, deidentify, site)
    names = _names(reference, rtstruct) if reference and deidentify else None
    with hidden_names(names) if names else nullcontext():
        headers = _headers(reference, volume.grid, modality, origin) if reference else None
        structures = deidentifier = None
        if headers and rtstruct:
            structures = read_structure_set(rtstruct)
            require_same_space(structures, headers[0])
        if headers and deidentify:
            deidentifier = Deidentifier(deidentify, headers[0], structures=bool(structures))
            origin = replace(origin, created=deidentifier.shift(origin.created))
            for dataset in [*headers, *([structures] if structures else [])]:
                deidentifier.apply(dataset)
        with atomic_path(folder) as partial:
            partial.mkdir()
            files = _written(volume, partial, modality, headers, origin, structures, site)
            if reference and deidentifier and deidentify and deidentify.with_source:
                files += write_deidentified(reference.files, partial / SOURCE_FOLDER, deidentifier)
    return [folder / file.relative_to(partial) for file in files]


def _require_possible(
    modality: Modality,
    reference: DicomSeries | None,
    rtstruct: Path | None,
    deidentify: Deidentify | None,
    site: Site | None,
) -> None:
    """Raise `UsageError` where what is wanted needs what is not given, or excludes it."""
    if reference is None and (rtstruct or deidentify):
        raise UsageError("a structure set or de-identification needs the source series; give it with --reference")
    if site:
        require_site_possible(site, modality, rtstruct, deidentify)


def require_site_possible(site: Site, modality: Modality, rtstruct: Path | None, deidentify: Deidentify | None) -> None:
    """Raise `UsageError` where what a site's file says doesn't fit what else is given."""
    if modality != "ct":
        raise UsageError("a site's file is for synthetic CT; leave it out")
    if deidentify and site.names_equipment:
        raise UsageError(
            "the site's file names a station, a device or an institution, which --deidentify removes; delete these "
            "keys, or leave out --deidentify"
        )
    if site.overrides and not rtstruct:
        raise UsageError("overrides are of named structures; give the structure set with --rtstruct")


def _written(
    volume: Volume,
    folder: Path,
    modality: Modality,
    headers: Sequence[Dataset] | None,
    origin: Origin,
    structures: Dataset | None,
    site: Site | None,
) -> list[Path]:
    """The slices, and the structure sets that refer to them."""
    ready, resampled = _ready(volume, site, structures, headers) if site else (volume, False)
    written = write_slices(
        ready, folder, modality=modality, reference=headers, origin=origin, site=site, resampled=resampled
    )
    files = list(written.files)
    if structures:
        moved = retarget(structures, written, modality=modality, origin=origin)
        files.append(write_structure_set(moved, folder / STRUCTURE_SET))
    if site and site.outlines:
        files.append(write_structure_set(outlined(written, site.outlines, origin), folder / OUTLINES))
    return files


def _ready(
    volume: Volume, site: Site, structures: Dataset | None, headers: Sequence[Dataset] | None
) -> tuple[Volume, bool]:
    """A synthetic CT as a site wants it, and whether voxels were interpolated."""
    axial, resampled = axial_volume(volume, HU_RANGE[0])
    position = str(headers[0].get("PatientPosition") or "") if headers else ""
    ready = prepared_for(site, axial, structures, position)
    return ready, resampled or ready.grid.spacing[2] != axial.grid.spacing[2]


def _names(reference: DicomSeries, rtstruct: Path | None) -> dict[str, str]:
    """What messages of a de-identified call say instead of names of files, which may tell the patient's."""
    called = {file: f"source file {number}" for number, file in enumerate(reference.files, 1)}
    called |= {file.parent: "the source series" for file in reference.files}
    return names_of(called | ({rtstruct: "the structure set"} if rtstruct else {}))


def _headers(reference: DicomSeries, grid: Grid, modality: Modality, origin: Origin) -> list[Dataset]:
    """The headers of a series that a volume on `grid` can have been made from."""
    where = reference.files[0].parent
    source = origin.source_of(modality)
    if reference.modality != source.removeprefix("CB"):
        raise WrongModality(
            f"{where}: a series of modality {reference.modality or 'unknown'}; a synthetic {modality.upper()} is made "
            f"from {source}: give that series, or another --modality or --made-from"
        )
    if reference.verdict in ("refused", "skipped"):
        raise DefectiveSeries(f"{where}: {reference.problem}")
    stack = stack_of(reference.frames)
    field = stack.grid() if stack.regular and not stack.tilted else upright_grid(stack)
    overlap = _overlap(grid, field)
    if overlap < LEAST_OVERLAP:
        raise DataError(
            f"{where}: only {overlap:.0%} of the volume lies in this series' field of view; check that it was made "
            "from this patient, and give the series it was made from"
        )
    return read_headers(reference)


def _overlap(grid: Grid, field: Grid) -> float:
    """The fraction of a grid's voxels that lie in a field of view, by a lattice of them."""
    lattice = np.meshgrid(*(np.linspace(0, n - 1, min(n, SAMPLES)) for n in grid.shape), indexing="ij")
    points = np.stack([axis.ravel() for axis in lattice] + [np.ones(lattice[0].size)])
    index = (np.linalg.inv(field.affine) @ grid.affine @ points)[:3].T
    return float(np.mean(((index > -0.5) & (index < np.array(field.shape) - 0.5)).all(axis=1)))
