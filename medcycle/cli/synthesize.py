"""`medcycle synthesize`: volumes in, synthetic ones out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medcycle.cli.parameters import CtOffset, Irregular, Retain
from medcycle.cli.say import say

__all__ = ["synthesize"]


def synthesize(  # noqa: PLR0913, PLR0917 - the command's options
    run_or_checkpoint: Annotated[Path, typer.Argument(help="A run's folder, or a checkpoint.")],
    input_path: Annotated[Path, typer.Argument(metavar="INPUT", help="A volume, a DICOM series, or a folder of them.")],
    output: Annotated[Path, typer.Argument(help="A folder, or for one case a file ending in .nii.gz.")],
    to: Annotated[Literal["ct", "mr"], typer.Option(help="What to make.")] = "ct",
    output_format: Annotated[
        Literal["nifti", "dicom", "both"], typer.Option("--format", help="What to write.")
    ] = "nifti",
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Write the error to be expected of every voxel as well.")
    ] = False,
    planes: Annotated[
        Literal["trained", "all"],
        typer.Option(help="2D: translate slices of the planes trained on, or axial, coronal and sagittal ones."),
    ] = "trained",
    flips: Annotated[bool, typer.Option("--flips", help="Translate the mirrored volume as well.")] = False,
    shifts: Annotated[int, typer.Option(min=1, max=4, help="Translate it so many times, shifted by some voxels.")] = 1,
    ensemble: Annotated[
        list[Path] | None, typer.Option(metavar="RUN", help="Another run to translate with as well; repeatable.")
    ] = None,
    fusion: Annotated[
        Literal["mean", "median"], typer.Option(help="What voxels get of several translations.")
    ] = "mean",
    overlap: Annotated[float, typer.Option(min=0, max=0.9, help="3D: part that windows have in common.")] = 0.6,
    precision: Annotated[
        Literal["auto", "32-true", "bf16-mixed", "16-mixed"], typer.Option(help="Of the network; auto is the fastest.")
    ] = "auto",
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:0,cuda:1, ...; auto takes all accelerators there are.")
    ] = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Slices or windows computed together; by default as memory allows.")
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(metavar="SEED|FILE", help="munit: a random style, or that of a volume of what is made."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="munit: outputs of each volume, in random styles.")] = 1,
    rtstruct: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A structure set drawn on INPUT, to refer to the DICOM series that is made."),
    ] = None,
    deidentify: Annotated[bool, typer.Option("--deidentify", help="Take the patient's identity out of DICOM.")] = False,
    deidentify_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --deidentify: a secret key, made if absent; see `to-dicom`."),
    ] = None,
    retain: Retain = None,
    resample_irregular: Irregular = False,
    ct_offset: CtOffset = 0.0,
) -> None:
    """Make synthetic CT from MR, or MR from CT, on the input's grid.

    What is done already is not done again.
    """
    from medcycle.cli.inputs import deidentification
    from medcycle.inference import Options, Windows, devices_of
    from medcycle.synthesis.driver import synthesize_path
    from medcycle.synthesis.outputs import Outputs
    from medcycle.synthesis.runner import Order

    options = Options(
        planes=planes,
        fusion=fusion,
        flips=flips,
        shifts=shifts,
        uncertainty=uncertainty,
        windows=Windows(batch_size, overlap),
        precision=None if precision == "auto" else precision,
    )
    order = Order(
        to=to,
        outputs=Outputs(output_format, rtstruct, deidentification(deidentify, deidentify_key, retain=retain or ())),
        options=options,
        style=style,
        samples=samples,
        ensemble=tuple(ensemble or ()),
        devices=devices_of(device),
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
    )
    for path in synthesize_path(run_or_checkpoint, input_path, output, order, say=say):
        say(f"wrote {path}")
    say("Synthetic images, for research only: not for diagnosis or treatment.")
