"""`medcycle to-dicom`: a synthetic volume as DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medcycle.cli.parameters import Retain
from medcycle.cli.say import say

__all__ = ["to_dicom"]


def to_dicom(  # noqa: PLR0913, PLR0917 - the command's options
    volume: Annotated[Path, typer.Argument(help="A synthetic volume that `medcycle synthesize` made.")],
    output: Annotated[Path, typer.Argument(help="Folder for the series; new or empty.")],
    reference: Annotated[
        Path | None,
        typer.Option(metavar="SERIES", help="The DICOM series it was made from; without it, an anonymous patient."),
    ] = None,
    modality: Annotated[Literal["ct", "mr"], typer.Option(help="What the volume is.")] = "ct",
    rtstruct: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A structure set drawn on SERIES, to refer to the synthetic one."),
    ] = None,
    deidentify: Annotated[bool, typer.Option("--deidentify", help="Take out the patient's identity.")] = False,
    deidentify_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --deidentify: a secret key, made if absent. The same key gives the same new identifiers.",
        ),
    ] = None,
    retain: Retain = None,
    with_source: Annotated[
        bool, typer.Option("--with-source", help="With --deidentify: write SERIES too, de-identified alike.")
    ] = False,
    body_part: Annotated[
        str | None, typer.Option(metavar="TERM", help="DICOM's term, as HEAD or PELVIS; by default the source's.")
    ] = None,
) -> None:
    """Write a synthetic volume as a DICOM series.

    It lies in the study of the series that it was made from.
    """
    from medcycle import __version__
    from medcycle.cli.inputs import deidentification, require_synthetic
    from medcycle.io.dicom.export import write_dicom
    from medcycle.io.dicom.header import Origin
    from medcycle.io.discover import one_series
    from medcycle.io.files import sha256_of

    made = require_synthetic(volume, modality)
    wanted = deidentification(deidentify, deidentify_key, retain=retain or (), with_source=with_source)
    files = write_dicom(
        made,
        output,
        modality=modality,
        reference=one_series(reference) if reference else None,
        origin=Origin(__version__, f"from a volume file of SHA-256 {sha256_of(volume)}", body_part=body_part),
        rtstruct=rtstruct,
        deidentify=wanted,
    )
    say(f"wrote {len(files)} files to {output}")
    say("Synthetic images, for research only: not for diagnosis or treatment.")
