"""The commands for patients who had both MR and CT: `register` and `adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medcycle.cli.commands import GO_ON
from medcycle.cli.parameters import CtOffset, Irregular, Model, Overrides, model_names_like
from medcycle.cli.say import say, say_written
from medcycle.errors import UsageError
from medcycle.words import counted

__all__ = ["adapt", "register"]


def register(
    output: Annotated[Path, typer.Argument(help="Folder for the registered volumes; new or empty.")],
    mr: Annotated[Path, typer.Option(help="An MR volume, or a folder of MR volumes.")],
    ct: Annotated[Path, typer.Option(help="A CT volume, or a folder of CT volumes, of the same patients.")],
    onto: Annotated[
        Literal["mr", "ct"], typer.Option(help="Which volume stays fixed; the other is resampled to its grid.")
    ] = "mr",
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="NAME|RUN",
            help="The model whose synthetic CT gives a second opinion; by default head, which ships with medcycle.",
            autocompletion=model_names_like,
        ),
    ] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="Do without a second opinion.")] = False,
    resample_irregular: Irregular = False,
    ct_offset: CtOffset = 0.0,
) -> None:
    """Register MR and CT of the same patients.

    Registrations that fail the quality checks are refused.
    """
    if model and no_model:
        raise UsageError("--model and --no-model can't be combined; give one of them")
    from medcycle.registering.driver import DEFAULT_MODEL, register_cohort

    written = register_cohort(
        mr,
        ct,
        output,
        onto=onto,
        model=None if no_model else model or DEFAULT_MODEL,
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
        say=say,
    )
    say_written(
        f"{counted(len(written), 'registered volume')} to {output}, and quality measures to registration.json there",
        "check the pictures beside them",
    )


def adapt(
    run_or_checkpoint: Model,
    mr: Annotated[Path, typer.Option(help="An MR volume, or a folder of MR volumes.")],
    ct: Annotated[Path, typer.Option(help="A CT volume, or a folder of CT volumes, of the same patients.")],
    output: Annotated[Path, typer.Option(help="Folder for the run; new or empty.")],
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in OUTPUT.")] = False,
    resample_irregular: Irregular = False,
    ct_offset: CtOffset = 0.0,
) -> None:
    """Fine-tune a model on a few patients who had both MR and CT.

    Each patient's CT is registered to the MR first. A quarter of the patients is held out, at least one of two or more.
    The model changes only as far as this lowers the mean error on them and raises it for none.
    """
    from medcycle.adapting import adapt as adapted

    made = adapted(
        run_or_checkpoint,
        output,
        mr=mr,
        ct=ct,
        overrides=overrides or (),
        resume=resume,
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
        say=say,
    )
    following = "the same call with --resume" if made.share is None else f"medcycle synthesize {output} MR OUTPUT"
    say(f"{made.text}; saved in {made.checkpoint}; next: {following}")
    if made.share is None:
        raise typer.Exit(GO_ON)
