"""Dose on synthetic CT, against dose on the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcycle.api.images import path_or_none
from medcycle.errors import UsageError

if TYPE_CHECKING:
    from medcycle.dose import Radiation

__all__ = ["compare_dose"]

FINEST, COARSEST = 1.0, 3.0
"""mm, of a dose grid. From 4 mm on, pyRadPlan's margin around the target is lost, and its rim gets 75 % of the dose."""


def compare_dose(
    output: Path | str,
    *,
    real: Path | str | None = None,
    synthetic: Path | str | None = None,
    structures: Path | str | None = None,
    target: str | None = None,
    radiation: Radiation | None = None,
    plan: Path | str | None = None,
    dose: float | None = None,
    fractions: int | None = None,
    hlut: Path | str | None = None,
    spacing: float | None = None,
    real_dose: Path | str | None = None,
    synthetic_dose: Path | str | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compare the dose on a synthetic CT with that on the real one.

    A plan is optimised on the real CT and recalculated on the synthetic one by pyRadPlan, with generic machines; or two
    doses of a planning system are read.

    Args:
        output: a folder for `summary.json`, the doses, their difference and gamma as NIfTI, and a picture.
        real: the real CT, a file or a DICOM series.
        synthetic: the synthetic CT, in the same space.
        structures: an RT structure set drawn on the real CT; or labels on its grid, one file of numbers or a folder
            with a mask for each structure.
        target: the structure that is treated; None for the only PTV, else CTV, else GTV.
        radiation: `photons` (seven beams; the default) or `protons` (three).
        plan: an RT Plan or RT Ion Plan whose angles, isocentre and prescription are taken instead.
        dose: prescribed, Gy in all; None for 60, or the plan's.
        fractions: None for 30, or the plan's.
        hlut: a CSV of HU and relative electron density, or stopping power for protons; None for pyRadPlan's.
        spacing: of the dose grid, mm, 1 to 3; None for 2.5. Coarser ones leave the target's rim without dose.
        real_dose: an RT Dose, or an image file in Gy, instead of a calculation.
        synthetic_dose: likewise.
        say: told what takes long before it begins.

    Returns:
        `structures` by name, each with D98, D95, D2, mean and D0.03cc (Gy) of both and their differences; `gamma` by
        criterion; `plan`, or None.

    Raises:
        UsageError: if files are missing or exclude each other, there is no single target, or pyRadPlan, pymedphys or
            numba is not installed.
        ConfigError: if the table can't be used.
        DataError: if a file can't be read or does not fit the others, or the calculation fails.
    """
    from medcycle.dose import DEFAULT_SPACING, compare_planned_doses, default_plan, read_plan, recalculate_dose

    drawn = path_or_none(structures)
    if spacing is not None and not FINEST <= spacing <= COARSEST:
        raise UsageError(f"a dose grid of {spacing:g} mm; give {FINEST:g} to {COARSEST:g}")
    if real_dose or synthetic_dose:
        if not (real_dose and synthetic_dose):
            raise UsageError("a real and a synthetic dose go together; give both")
        of_calculations = (synthetic, target, radiation, plan, dose, fractions, hlut, spacing)
        if any(value is not None for value in of_calculations):
            raise UsageError(
                "with doses that are read only the real CT and structures have an effect; leave out the rest"
            )
        return compare_planned_doses(
            Path(real_dose), Path(synthetic_dose), Path(output), real=path_or_none(real), structures=drawn
        )
    if not (real and synthetic and drawn):
        raise UsageError("give a real CT, a synthetic CT and structures, or a real and a synthetic dose")
    if plan is not None and radiation:
        raise UsageError("the radiation is that of the plan; leave it out")
    how = read_plan(Path(plan), dose, fractions) if plan else default_plan(radiation or "photons", dose, fractions)
    return recalculate_dose(
        Path(real),
        Path(synthetic),
        drawn,
        Path(output),
        plan=how,
        target=target,
        hlut=path_or_none(hlut),
        spacing=DEFAULT_SPACING if spacing is None else spacing,
        say=say,
    )
