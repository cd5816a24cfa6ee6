"""`medcycle convert`: a CT as what other programs calculate with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medcycle.cli.parameters import CtOffset, Irregular
from medcycle.cli.say import RESEARCH_ONLY, say, say_written

__all__ = ["convert"]


def convert(  # noqa: PLR0913, PLR0917 - the command's options
    ct: Annotated[Path, typer.Argument(metavar="CT", help="A CT volume, a DICOM series, or a folder of cases.")],
    output: Annotated[Path, typer.Argument(help="A new folder, or a .nii.gz file for one volume (not for skull).")],
    to: Annotated[
        Literal["mu-map", "red", "spr", "skull"],
        typer.Option(
            help="mu-map: attenuation at 511 keV for PET; red: relative electron density; spr: proton stopping-power "
            "ratio; skull: mask, surface and acoustic maps for ultrasound."
        ),
    ],
    kvp: Annotated[
        int | None, typer.Option(help="mu-map: tube voltage of the CT: 80, 100, 110, 120 (default), 130 or 140.")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(metavar="VOLUME", help="mu-map, red, spr: resample to the grid of this volume, such as the PET."),
    ] = None,
    fwhm: Annotated[
        float | None, typer.Option(metavar="MM", help="mu-map: smooth to this resolution, such as 5; by default not.")
    ] = None,
    hlut: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="red, spr: the scanner's table of HU and values; spr has no default."),
    ] = None,
    spacing: Annotated[
        float | None, typer.Option(metavar="MM", help="skull: size of isotropic voxels; by default the CT's own.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="HU", help="skull: where bone begins; by default 250.")
    ] = None,
    acoustics: Annotated[
        Literal["kwave", "aubry", "marsac"] | None,
        typer.Option(help="skull: how density and sound speed follow from HU; kwave by default."),
    ] = None,
    resample_irregular: Irregular = False,
    ct_offset: CtOffset = 0.0,
) -> None:
    """Convert CT to maps for PET, dose or ultrasound.

    Each output names its unit, and has a JSON file beside it with the formula, its source and the input.
    """
    from medcycle.converting import convert as converted

    written: list[Path] = []
    converted(
        ct,
        output,
        to=to,
        like=like,
        kvp=kvp,
        fwhm=fwhm,
        hlut=hlut,
        spacing=spacing,
        threshold=threshold,
        acoustics=acoustics,
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
        on_written=written.append,
    )
    say(RESEARCH_ONLY)
    for path in written:
        say_written(path)
