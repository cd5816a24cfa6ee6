"""The commands: read, do, write. Heavy modules are imported inside, so that `--help` is instant."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medcycle.cli.parameters import (
    AsJson,
    CtOffset,
    Dims,
    For,
    Irregular,
    MethodName,
    Model,
    Overrides,
    Part,
    Scratch,
    SourceFolder,
    chosen,
    config_names_like,
)
from medcycle.cli.say import RESEARCH_ONLY, answer_json, say, say_written
from medcycle.errors import CaseFailed, DataError, UsageError
from medcycle.processors import available_processors
from medcycle.words import duration

if TYPE_CHECKING:
    from medcycle.training.loop import TrainingResult

__all__ = ["GO_ON", "demo", "export", "inspect", "prepare", "runs", "train"]


PRINTED = Path("-")
"""The file that stands for standard output."""

GO_ON = 75
"""The exit status of a run that a signal ended: it is saved and goes on with --resume; EX_TEMPFAIL of sysexits.h."""


def inspect(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders to inspect.")],
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the findings to FILE; - prints them instead."),
    ] = None,
    ct_offset: CtOffset = 0.0,
    headers: Annotated[bool, typer.Option("--headers", help="Read headers only: faster, with fewer checks.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = available_processors(),
) -> None:
    """List volumes and any problems with them."""
    from medcycle.cli.printing import print_findings
    from medcycle.cohort.findings import inspect_paths, write_findings

    findings = inspect_paths(paths, workers=workers, voxels=not headers, ct_offset=ct_offset)
    if json_file == PRINTED:
        answer_json([asdict(one) for one in findings])
    else:
        print_findings(findings)
    if json_file and json_file != PRINTED:
        write_findings(findings, json_file)
        say_written(json_file)
    if json_file != PRINTED and (following := _use_of({one.modality for one in findings if one.verdict == "sound"})):
        say(f"next: {following}")
    _require_none_failed([f"{one.path}: {one.reason}" for one in findings if one.verdict == "failed"], len(findings))


def _use_of(kinds: set[str]) -> str:
    """What can be done next with sound scans of these modalities."""
    if {"mr", "ct"} <= kinds:
        return "medcycle train auto --mr MR_FOLDER --ct CT_FOLDER --output RUN"
    if "ct" in kinds:
        return "medcycle train head_ct_only --ct CT_FOLDER --output RUN, or body_ct_only"
    return "medcycle synthesize head HEAD_MR OUTPUT" if "mr" in kinds else ""


def prepare(  # noqa: PLR0913, PLR0917 - the command's options
    store: Annotated[Path, typer.Argument(help="Folder for the prepared data (the store).")],
    ct: Annotated[Path, typer.Option(help="Folder of CT volumes, of the same patients as the MR or of others.")],
    mr: SourceFolder = None,
    config: Annotated[
        str,
        typer.Option(help="A configuration's name or file, or auto to plan one.", autocompletion=config_names_like),
    ] = "auto",
    method: MethodName = None,
    dims: Dims = None,
    device: For = None,
    from_scratch: Scratch = False,
    overrides: Overrides = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes; by default one per processor for large cohorts.")
    ] = None,
    resample_irregular: Irregular = False,
    ct_offset: CtOffset = 0.0,
    shard: Part = None,
) -> None:
    """Check scans and prepare them for training.

    Give the same --config, --method, --dims, --device and --from-scratch to `train`. With --shard, the process that
    is done last finishes the store.
    """
    from medcycle.cohort.catalogue import prepare_cohort, require_place
    from medcycle.cohort.cohort import find_cohort
    from medcycle.cohort.sharding import prepare_shard
    from medcycle.config import load_config, told_briefly
    from medcycle.planning.automatic import keep_plan, require_readable, settings_for

    require_place(store)
    choice = chosen(method, dims, device)
    if from_scratch:
        overrides = [*(overrides or ()), "training.init_from=null"]
    require_readable(config, overrides or (), choice)
    pictures = config != "auto" and load_config(config, overrides or (), choice).data.pictures
    cohort = find_cohort(mr, ct, resample_irregular=resample_irregular, ct_offset=ct_offset, pictures=pictures)
    settings, plan = settings_for(config, overrides or (), cohort, known=store, choice=choice)
    if config != "auto":
        say(told_briefly(config, settings, choice, ["data"]), newline=False)
    failed: list[CaseFailed] = []
    if shard:
        finished = prepare_shard(cohort, store, settings.data, shard, workers=workers, on_failed=failed.append)
        if finished is None:
            say(f"{store}: shard {shard} prepared; the process that is done last finishes the store")
            return
        made = finished
    else:
        made = prepare_cohort(cohort, store, settings.data, workers=workers, on_failed=failed.append)
    if plan:
        say(f"{plan.text()}planned, with reasons: {keep_plan(plan, made)}")
    elif config == "auto" and (overrides or choice.flags):
        options = " ".join(filter(None, [choice.flags, "--set" if overrides else ""]))
        say(f"{store / 'config.yaml'}: earlier plan kept; also give {options} to `medcycle train`")
    same = " ".join(filter(None, [config, choice.flags, *(f"--set {shlex.quote(item)}" for item in overrides or ())]))
    say(f"{store}: {made.contents} prepared; next: medcycle train {same} --store {store} --output RUN")
    _require_none_failed([str(error) for error in failed], len(cohort))


def _require_none_failed(reasons: Sequence[str], of: int) -> None:
    """Raise `DataError` if volumes failed, not of what they hold, where the others are done."""
    if reasons:
        raise DataError(f"{len(reasons)} of {of} failed, the others are done; first failure: {reasons[0]}")


def train(  # noqa: PLR0913, PLR0917 - the command's options
    config: Annotated[
        str,
        typer.Argument(
            help="A configuration's name (see `medcycle config list`) or file, or auto to plan one.",
            autocompletion=config_names_like,
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the run.")],
    mr: SourceFolder = None,
    ct: Annotated[Path | None, typer.Option(help="Folder of CT volumes.")] = None,
    store: Annotated[
        Path | None, typer.Option(help="A store written by `medcycle prepare`, instead of --mr and --ct.")
    ] = None,
    method: MethodName = None,
    dims: Dims = None,
    device: For = None,
    overrides: Overrides = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Initialise from the networks of a run, a checkpoint or a shipped model; by default from the "
            "configuration's.",
        ),
    ] = None,
    from_scratch: Scratch = False,
    names: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FIRST SECOND", help="Pictures: what those of --mr and of --ct are called."),
    ] = None,
    begin_with: Annotated[Path | None, typer.Option("--begin-with", "--from", hidden=True)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in OUTPUT.")] = False,
    resample_irregular: Irregular = False,
    ct_offset: CtOffset = 0.0,
) -> None:
    """Train a model on MR and CT, or on CT alone."""
    from medcycle.training.begin import begin

    if begin_with:
        raise UsageError(f"--begin-with and --from are now --init-from; pass --init-from {begin_with}")
    if names:
        overrides = [*(overrides or ()), f"data.names={json.dumps(names)}"]
    result = begin(
        config,
        output,
        mr=mr,
        ct=ct,
        store=store,
        overrides=overrides or (),
        choice=chosen(method, dims, device),
        init_from=init_from,
        from_scratch=from_scratch,
        resume=resume,
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
        say=say,
    )
    _tell_end(result, output)


def _tell_end(result: TrainingResult, output: Path) -> None:
    """How a run ended; leaves with `GO_ON` if it could have gone on."""
    from medcycle.training.runs import score_in_words

    if result.skipped:
        told = output / "skipped.csv"
        say(f"{result.skipped} steps skipped because of exploding gradients; see {told}", err=True)
    if result.best:
        step, score = result.best
        named, best = score_in_words(output, score), output / "checkpoints" / "best.pt"
        say(f"best validation: step {step}, {named}, saved in {best}")
    following = "the same call with --resume" if result.by_signal else f"medcycle synthesize {output} INPUT OUTPUT"
    say(
        f"{result.step} steps in {duration(result.elapsed_seconds)} (ended by {result.stopped_by}); "
        f"saved in {result.checkpoint}, previews in {output / 'previews'}; next: {following}"
    )
    if result.by_signal:
        raise typer.Exit(GO_ON)


def runs(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")], as_json: AsJson = False
) -> None:
    """List training runs, their progress and best scores.

    Lower scores are better.
    """
    from medcycle.cli.printing import print_runs
    from medcycle.training.runs import find_runs

    found = find_runs(folder)
    if as_json:
        answer_json([asdict(run) for run in found])
    else:
        print_runs(found)


def export(
    run_or_checkpoint: Model,
    output: Annotated[
        Path,
        typer.Argument(
            help="An .onnx or .pt2 file, beside which OUTPUT.json says how to use it; or a bundle's folder."
        ),
    ],
    model_format: Annotated[
        Literal["onnx", "torch-export", "monai-bundle"],
        typer.Option("--format", help="ONNX (.onnx), PyTorch (.pt2), or the folder of a MONAI Bundle."),
    ] = "onnx",
    to: Annotated[Literal["ct", "mr"], typer.Option(help="Modality of the output.")] = "ct",
    style_input: Annotated[bool, typer.Option("--style-input", help="munit: make the style a second input.")] = False,
) -> None:
    """Export a model to ONNX, plain PyTorch or a MONAI Bundle."""
    from medcycle.export.bundle.writing import export_bundle
    from medcycle.export.model import description_of, export_model

    if model_format == "monai-bundle":
        if style_input:
            raise UsageError("--format monai-bundle has the image as its one input; leave out --style-input")
        difference, written = export_bundle(run_or_checkpoint, output, to=to), f"{output}"
    else:
        difference = export_model(run_or_checkpoint, output, to=to, model_format=model_format, style_input=style_input)
        written = f"{output} and {description_of(output)}"
    say(RESEARCH_ONLY)
    say_written(f"{written}; on random images its output differs by at most {difference:.1g}")


def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to; new or empty.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(min=0.01, help="Training time in minutes.")] = 5.0,
) -> None:
    """Run every step on generated heads; needs no data."""
    from medcycle.cli.demo import run_demo

    run_demo(output, minutes)
