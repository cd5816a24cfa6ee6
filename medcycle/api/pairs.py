"""Pairs of MR and CT of the same patients."""

from __future__ import annotations

from pathlib import Path

from medcycle.api.images import path_or_none
from medcycle.body import Modality

__all__ = ["register"]


def register(
    mr: Path | str,
    ct: Path | str,
    *,
    output: Path | str,
    onto: Modality = "mr",
    model: Path | str | None = "head",
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
) -> list[Path]:
    """Register MR and CT of the same patients rigidly, and write what can be trusted.

    Mutual information gives the place. The synthetic CT that a model makes of the MR gives a second opinion: a pair is
    refused if both lie more than 3 mm apart on average.

    Args:
        mr: an MR volume, or a folder of MR volumes.
        ct: the same of CT, in HU.
        output: a folder, new, empty or of an earlier call. It gets `NAME-ct-on-mr.nii.gz` (or `NAME-mr-on-ct.nii.gz`),
            NAME being that of the volume whose grid it has; a picture of each pair; and `registration.json` with
            matrices (4×4, RAS+ mm) and quality measures (mm).
        onto: the volume that stays fixed, `mr` or `ct`.
        model: a run or checkpoint, or the name of a model that ships with medcycle, for the second opinion; None to
            do without one.
        resample_irregular: resample series with gaps or uneven slice spacing instead of refusing them.
        ct_offset: subtracted from CT stored with an offset, such as 1024.

    Returns:
        The volumes written.

    Raises:
        UsageError: if a path or the model is missing, `output` holds other things, or no patient has both.
        BadCheckpoint: if the model is damaged.
        InUse: if another process registers into `output`.
        DataError: if pairs were refused; the others are written all the same.
    """
    from medcycle.registering.driver import register_cohort

    return register_cohort(
        Path(mr),
        Path(ct),
        Path(output),
        onto=onto,
        model=path_or_none(model),
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
    )
