"""Cohorts of generated heads as NIfTI files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medcycle.io.nifti import write_nifti
from medcycle.phantom.head import HeadPhantom, head_grid
from medcycle.phantom.tissue import T1_GRADIENT_ECHO, MrProtocol
from medcycle.volume import Grid, Volume

__all__ = ["write_cohort"]


def write_cohort(  # noqa: PLR0913 - all but the folder are named
    folder: Path,
    *,
    patients: int,
    seed: int = 0,
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0),
    ct_spacing: tuple[float, float, float] | None = None,
    paired_cases: int = 0,
    protocol: MrProtocol = T1_GRADIENT_ECHO,
    couch: bool = False,
) -> list[Path]:
    """Write an unpaired cohort, and paired cases to score it on, as NIfTI.

    `folder/mr` and `folder/ct` hold `patients` different people each; `folder/test/mr/<case>.nii.gz` and
    `folder/test/ct/<case>.nii.gz` are one anatomy on the MR grid. No one is in two of the three.

    Args:
        folder: made if it is not there.
        patients: scans of each modality.
        seed: another cohort a seed.
        shape: voxels of the MR grid; by default the whole head.
        spacing: mm, of the MR grid and of the CT grid.
        ct_spacing: mm, of the unpaired CT if it differs; the same field of view.
        paired_cases: scans of each modality in `folder/test`.
        protocol: of all MR.
        couch: put a headrest into the CT.

    Returns:
        All files written.
    """
    grid = head_grid(shape, spacing)
    ct_shape = None if shape is None else _resized(grid, ct_spacing or spacing)
    ct_grid = head_grid(ct_shape, ct_spacing or spacing)
    seeds = np.random.SeedSequence(seed).generate_state(2 * patients + paired_cases)
    people = [HeadPhantom.random(int(s)) for s in seeds]
    written = []
    for number, person in enumerate(people[:patients]):
        written.append(_write(person.mr(grid, protocol), folder / "mr" / f"mr{number:03d}.nii.gz"))
    for number, person in enumerate(people[patients : 2 * patients]):
        written.append(_write(person.ct(ct_grid, couch=couch), folder / "ct" / f"ct{number:03d}.nii.gz"))
    for number, person in enumerate(people[2 * patients :]):
        name = f"case{number:03d}.nii.gz"
        written.append(_write(person.mr(grid, protocol), folder / "test" / "mr" / name))
        written.append(_write(person.ct(grid, couch=couch), folder / "test" / "ct" / name))
    return written


def _resized(grid: Grid, spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    i, j, k = (max(1, round(extent / s)) for extent, s in zip(grid.field_of_view, spacing, strict=True))
    return i, j, k


def _write(volume: Volume, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(volume, path)
    return path
