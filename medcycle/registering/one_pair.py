"""One pair of MR and CT: registered, checked, drawn, and written if it can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from medcycle.body import OUTSIDE, Modality
from medcycle.cohort.vetting import vet
from medcycle.errors import DataError, RegistrationFailed
from medcycle.io.discover import Source, registered_name
from medcycle.io.files import seen_from
from medcycle.io.nifti import write_nifti
from medcycle.isolation import isolated
from medcycle.registering.pictures import draw_pair
from medcycle.registering.second_opinion import SecondOpinion, SecondReader
from medcycle.registration import Registration, register_rigid
from medcycle.resample import resample_to
from medcycle.volume import Volume

__all__ = ["line_of", "register_pair"]

Matrix = npt.NDArray[np.float64]

NOT_ASKED = "none was asked for"


class _Found(NamedTuple):
    """What both opinions say; `without` is why there is no second one."""

    first: Registration
    second: SecondOpinion | None
    without: str

    @property
    def problem(self) -> str:
        return self.first.problem or (self.second.problem if self.second else "")

    @property
    def remark(self) -> str:
        return self.second.remark if self.second and not self.problem else ""

    def to_json(self) -> dict[str, Any]:
        first = self.first
        return {
            "refused": self.problem,
            "remark": self.remark,
            "moving_to_fixed_ras_mm": first.matrix.tolist(),
            "disagreement_mm": round(first.disagreement, 3) if np.isfinite(first.disagreement) else None,
            "skin_distance_mm": round(first.skin_distance, 3) if np.isfinite(first.skin_distance) else None,
            "shared": round(first.shared, 3),
            "second_opinion": self.second.to_json() if self.second else None,
            "no_second_opinion": self.without,
        }


def register_pair(
    fixed: Source, moving: Source, output: Path, onto: Modality, reader: SecondReader | None
) -> dict[str, Any]:
    """Register one pair, draw it, and write the volume if it can be trusted.

    Args:
        fixed: the volume whose grid is kept.
        moving: the one that is brought onto it.
        output: the folder that gets the picture and the volume.
        onto: the modality of the fixed volume.
        reader: gives the second opinion; None to do without.

    Returns:
        What `registration.json` is to tell of it; `refused` is empty where the volume was written.

    Raises:
        OSError: if it can't be written.
    """
    other: Modality = "ct" if onto == "mr" else "mr"
    told: dict[str, Any] = {"fixed": seen_from(output, fixed.path), "moving": seen_from(output, moving.path)}
    try:
        with isolated(fixed.path):
            still, moved = fixed.read(), moving.read()
            vet(fixed, still, onto)
            vet(moving, moved, other)
            found = _opinions(still, moved, onto, other, reader)
            placed = resample_to(found.first.place(moved), still.grid, background=OUTSIDE[other])
            shown = [("", placed)]
            if found.second and (found.second.problem or found.second.remark):
                again = _placed_by(found.second, moved, still, onto)
                shown = [("by mutual information", placed), ("by the synthetic CT", again)]
        told |= found.to_json()
        with isolated(fixed.path, but=OSError):  # of the output's disk, which is the same for all
            title = [line_of(told), f"Refused: {found.problem}" if found.problem else found.remark]
            draw_pair(still, shown, other, "\n".join(filter(None, title)), output / f"{fixed.name}.png")
            if not found.problem:
                write_nifti(placed, output / registered_name(fixed.name, onto), like=fixed.path)
    except DataError as error:
        return told | {"refused": " ".join(str(error).split())[:500]}
    return told


def line_of(told: dict[str, Any]) -> str:
    """The measures of one pair in a line, of what `register_pair` returns; empty if nothing was measured."""
    if "shared" not in told:
        return ""
    skin, starts, second = told["skin_distance_mm"], told["disagreement_mm"], told["second_opinion"]
    parts = [
        "no outline in both" if skin is None else f"outlines {skin:.1f} mm apart",
        "only one start ended" if starts is None else f"starts {starts:.1f} mm apart",
        f"no second opinion: {told['no_second_opinion']}"
        if second is None
        else f"second opinion {second['shift_mm']:.1f} mm away ({second['max_shift_mm']:.1f} mm at most, correlation "
        f"{second['correlation']:.2f})",
    ]
    return ", ".join(parts)


def _opinions(fixed: Volume, moving: Volume, onto: Modality, other: Modality, reader: SecondReader | None) -> _Found:
    try:
        first = register_rigid(fixed, moving, fixed_modality=onto, moving_modality=other)
    except RuntimeError as error:  # SimpleITK's own
        raise RegistrationFailed(f"the registration failed ({' '.join(str(error).split())[-300:]})") from error
    if reader is None or first.problem:
        return _Found(first, None, "the first is refused" if first.problem else NOT_ASKED)
    mr, ct = (fixed, moving) if onto == "mr" else (moving, fixed)
    try:
        second = reader.opinion(mr, ct, _turned(first.matrix, onto))
    except DataError as error:
        return _Found(first, None, " ".join(str(error).split())[:300])
    return _Found(first, second, "")


def _placed_by(second: SecondOpinion, moving: Volume, fixed: Volume, onto: Modality) -> Volume:
    """The moving volume on the fixed one's grid, by the second opinion."""
    placed = Registration(_turned(second.matrix, onto), 0.0, 0.0, 1.0).place(moving)
    return resample_to(placed, fixed.grid, background=OUTSIDE["ct" if onto == "mr" else "mr"])


def _turned(matrix: Matrix, onto: Modality) -> Matrix:
    """From CT to MR what is from the moving volume to the fixed one, and the reverse."""
    return matrix if onto == "mr" else cast(Matrix, np.linalg.inv(matrix))
