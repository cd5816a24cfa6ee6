"""`medcycle synthesize`: volumes in, synthetic ones out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from medcycle.cli.parameters import CtOffset, Irregular, KeepGoing, Model, Part, Retain, SiteFile
from medcycle.cli.reporting import report_synthesis
from medcycle.cli.say import RESEARCH_ONLY, say, say_written
from medcycle.errors import UsageError

__all__ = ["synthesize"]


def synthesize(  # noqa: PLR0913, PLR0917 - the command's options
    run_or_checkpoint: Model,
    input_path: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A volume, a DICOM series, or a folder of them; or pictures.")
    ],
    output: Annotated[Path, typer.Argument(help="A folder, or a .nii.gz file for a single case.")],
    to: Annotated[Literal["ct", "mr"], typer.Option(help="Modality of the output.")] = "ct",
    output_format: Annotated[
        Literal["nifti", "dicom", "both"], typer.Option("--format", help="Output format.")
    ] = "nifti",
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also write the expected error of each voxel.")
    ] = False,
    planes: Annotated[
        Literal["trained", "all"],
        typer.Option(help="2D: slice planes to translate: those used in training, or all three."),
    ] = "trained",
    flips: Annotated[bool, typer.Option("--flips", help="Also translate the mirrored volume, and combine.")] = False,
    shifts: Annotated[
        int, typer.Option(min=1, max=4, help="Number of translations to combine, each shifted by a few voxels.")
    ] = 1,
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="Also translate with another run or model, and combine; repeatable."),
    ] = None,
    fusion: Annotated[Literal["mean", "median"], typer.Option(help="How to combine several translations.")] = "mean",
    overlap: Annotated[
        float, typer.Option(min=0, max=0.9, help="3D: overlap of the sliding windows, as a fraction.")
    ] = 0.6,
    precision: Annotated[
        Literal["auto", "32-true", "bf16-mixed", "16-mixed"],
        typer.Option(help="Numerical precision of the network; auto picks the fastest."),
    ] = "auto",
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:0,cuda:1, ...; auto uses all GPUs, or else the CPU.")
    ] = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Slices or windows per batch; by default as many as memory allows.")
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            metavar="SEED|FILE",
            help="munit: seed of a random style, or a volume of the output modality to take it from.",
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="munit: number of outputs per volume, in random styles.")] = 1,
    any_region: Annotated[
        bool,
        typer.Option("--any-region", help="Also translate scans of another region than the model was trained on."),
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Judge the CT and write OUTPUT-report/report.html, to open in a browser.")
    ] = False,
    rtstruct: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An RT structure set drawn on INPUT, to copy to the synthetic series."),
    ] = None,
    site: SiteFile = None,
    deidentify: Annotated[bool, typer.Option("--deidentify", help="De-identify the DICOM output.")] = False,
    deidentify_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --deidentify: a secret key file, created if missing; see `to-dicom`."),
    ] = None,
    retain: Retain = None,
    resample_irregular: Irregular = False,
    ct_offset: CtOffset = 0.0,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only the scans that the run held out of its training.")
    ] = False,
    shard: Part = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make outputs again that were made from other data or in another way.")
    ] = False,
    keep_going: KeepGoing = False,
) -> None:
    """Make synthetic CT from MR, or MR from CT, on the input's grid.

    Cases already done are skipped. With --keep-going, refused ones are listed in OUTPUT/failed.csv (of a shard
    failed-3-of-16.csv); a full disk or lack of memory is still an error.
    """
    from medcycle.io.pictures import holds_pictures

    if holds_pictures(input_path):
        of_scans: dict[str, object] = {
            "--format": output_format != "nifti",
            "--uncertainty": uncertainty,
            "--ensemble": ensemble,
        }
        of_scans |= {"--report": report, "--rtstruct": rtstruct, "--site": site, "--deidentify": deidentify}
        _translate_pictures(run_or_checkpoint, input_path, output, to, device, of_scans | {"--shard": shard})
        return
    from medcycle.cli.inputs import deidentification
    from medcycle.config.site import read_site
    from medcycle.inference import Options, Windows, devices_of
    from medcycle.synthesis.driver import synthesize_path
    from medcycle.synthesis.order import Order
    from medcycle.synthesis.outputs import Outputs

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
        outputs=Outputs(
            output_format,
            rtstruct,
            deidentification(deidentify, deidentify_key, retain=retain or ()),
            read_site(site) if site else None,
        ),
        options=options,
        style=style,
        samples=samples,
        ensemble=tuple(ensemble or ()),
        devices=devices_of(device),
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
        any_region=any_region,
        held_out=held_out,
        shard=shard,
        replace=replace,
        keep_going=keep_going,
    )
    if report and shard:
        raise UsageError("--report is of all cases; leave out --shard, or use `medcycle report OUTPUT` afterwards")
    if report and to == "mr":
        raise UsageError("--report judges synthetic CT; for MR use `medcycle report OUTPUT` afterwards")
    made = synthesize_path(run_or_checkpoint, input_path, output, order, say=say)
    page = report_synthesis(input_path, output) if report else None
    say(RESEARCH_ONLY)
    where = str(made[0]) if len(made) == 1 else f"{len(made)} cases to {output}"
    scores = f"medcycle evaluate --real TRUE_{to.upper()} --synthetic {output} --output SCORES"
    if page:
        say_written(f"{where}, and {page}", "open it in a browser")
    else:
        say_written(where, scores if made else "")


def _translate_pictures(
    model: Path, given: Path, output: Path, to: Literal["ct", "mr"], device: str, of_scans: Mapping[str, object]
) -> None:
    from medcycle.synthesis.pictures import translate_pictures

    if wrong := next((name for name, value in of_scans.items() if value), ""):
        raise UsageError(f"{wrong} is for scans, and {given} holds pictures; leave it out")
    made = translate_pictures(model, given, output, to=to, device=device, say=say)
    say(RESEARCH_ONLY)
    say_written(f"{len(made)} pictures to {output}")
