"""`medcycle to-dicom`: a synthetic volume as DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medcycle.cli.parameters import Retain, SiteFile
from medcycle.cli.say import RESEARCH_ONLY, say, say_written

__all__ = ["to_dicom"]


def to_dicom(  # noqa: PLR0913, PLR0917 - the command's options
    volume: Annotated[Path, typer.Argument(help="A volume written by `medcycle synthesize`.")],
    output: Annotated[Path, typer.Argument(help="Folder for the series; new or empty.")],
    reference: Annotated[
        Path | None,
        typer.Option(metavar="SERIES", help="The source DICOM series; without it, the patient is anonymous."),
    ] = None,
    modality: Annotated[Literal["ct", "mr"], typer.Option(help="Modality of the volume.")] = "ct",
    made_from: Annotated[
        Literal["mr", "ct", "cbct"] | None,
        typer.Option(help="What the volume was made from; by default MR, or CT if it is MR."),
    ] = None,
    rtstruct: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An RT structure set drawn on SERIES, to copy to the synthetic series."),
    ] = None,
    site: SiteFile = None,
    deidentify: Annotated[bool, typer.Option("--deidentify", help="De-identify the output.")] = False,
    deidentify_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --deidentify: a secret key file, created if missing. The same key gives the same identifiers.",
        ),
    ] = None,
    retain: Retain = None,
    with_source: Annotated[
        bool, typer.Option("--with-source", help="With --deidentify: also write SERIES, de-identified the same way.")
    ] = False,
    body_part: Annotated[
        str | None,
        typer.Option(
            metavar="TERM",
            help="A DICOM term, such as HEAD or PELVIS; by default the source's, or HEAD where one is seen.",
        ),
    ] = None,
) -> None:
    """Write a synthetic volume as a DICOM series.

    The series joins the study of its source, if --reference is given.
    """
    from medcycle import __version__
    from medcycle.cli.inputs import deidentification, require_synthetic
    from medcycle.config.site import read_site
    from medcycle.evaluation.head import body_part_of
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
        origin=Origin(
            __version__,
            f"from a volume file of SHA-256 {sha256_of(volume)}",
            body_part=body_part,
            recognised=body_part_of(made) if modality == "ct" else "WHOLEBODY",
            made_from=(made_from or "").upper(),
        ),
        rtstruct=rtstruct,
        deidentify=wanted,
        site=read_site(site) if site else None,
    )
    say(RESEARCH_ONLY)
    say_written(f"{len(files)} files to {output}")
