"""`medcycle dose`: dose on a synthetic CT against dose on the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from medcycle.cli.say import answer, say, say_written

__all__ = ["dose"]


def dose(  # noqa: PLR0913, PLR0917 - the command's options
    output: Annotated[Path, typer.Option(help="Folder for the figures, doses and pictures.")],
    real: Annotated[Path | None, typer.Option(help="The real CT: a file or a DICOM series.")] = None,
    synthetic: Annotated[Path | None, typer.Option(help="The synthetic CT, in the same space.")] = None,
    structures: Annotated[
        Path | None,
        typer.Option(help="An RT structure set drawn on the real CT, or label files on its grid."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="The structure to treat; by default the only PTV, CTV or GTV.")
    ] = None,
    radiation: Annotated[
        Literal["photons", "protons"] | None, typer.Option(help="Of the default plan.  [default: photons]")
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="RTPLAN", help="Take beam angles, isocentre and prescription from a plan."),
    ] = None,
    prescription: Annotated[
        float | None, typer.Option("--dose", metavar="GY", help="Prescribed dose, all fractions.  [default: 60]")
    ] = None,
    fractions: Annotated[int | None, typer.Option(help="Number of fractions.  [default: 30]")] = None,
    hlut: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="The scanner's HU table: electron density, or stopping power for protons."),
    ] = None,
    spacing: Annotated[
        float | None,
        typer.Option(metavar="MM", help="Spacing of the dose grid, 1 to 3 mm.  [default: 2.5]"),
    ] = None,
    real_dose: Annotated[
        Path | None, typer.Option(help="A dose on the real CT from a planning system; nothing is calculated.")
    ] = None,
    synthetic_dose: Annotated[Path | None, typer.Option(help="The same plan's dose on the synthetic CT.")] = None,
) -> None:
    """Compare the dose on a synthetic CT with that on the real one.

    A plan is optimised on the real CT and recalculated on the synthetic one with pyRadPlan, or two doses are read.
    Prints dose-volume figures of each structure and gamma pass rates.
    """
    from medcycle.api import compare_dose

    found = compare_dose(
        output,
        real=real,
        synthetic=synthetic,
        structures=structures,
        target=target,
        radiation=radiation,
        plan=plan,
        dose=prescription,
        fractions=fractions,
        hlut=hlut,
        spacing=spacing,
        real_dose=real_dose,
        synthetic_dose=synthetic_dose,
        say=say,
    )
    _print(found)
    say_written(output, f"medcycle report {output} --output dose.html")


def _print(found: dict[str, Any]) -> None:
    if plan := found["plan"]:
        answer(
            f"{plan['radiation']}, {len(plan['gantry'])} beams, {plan['dose']:g} Gy in {plan['fractions']} fractions "
            f"to {plan['target']}; {plan['pencil_beams']} pencil beams, {plan['seconds']:.0f} s"
        )
    names = [*found["structures"]]
    if names:
        width = max(map(len, names))
        answer("Gy on the real CT, and what the synthetic CT differs by:")
        answer(f"{'':{width}}      D98     D95      D2    mean D0.03cc")
    for name in names:
        one = found["structures"][name]
        for label, values, form in ((name, one["real"], "7.2f"), ("", one["difference"], "+7.2f")):
            answer(f"{label:{width}}  " + " ".join(f"{value:{form}}" for value in values.values()))
    for criterion, passed in found["gamma"].items():
        answer(f"gamma {criterion}: {passed['pass_percent']:.1f} % of {passed['voxels']} voxels pass")
