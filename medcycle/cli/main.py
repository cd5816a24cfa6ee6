"""`medcycle`: the commands, and how they end."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout

import typer

from medcycle import __version__
from medcycle.cli import (
    commands,
    configs,
    converting,
    dicom,
    dosing,
    evaluating,
    models,
    node,
    pairs,
    reporting,
    synthesize,
)
from medcycle.cli.ending import INTERRUPTED, INTERRUPTION, explain
from medcycle.cli.parameters import DEBUG, QUIET, common_options, show_help_alone
from medcycle.cli.say import answer, say_error
from medcycle.processors import share_processors
from medcycle.progress import is_first_process, quietly
from medcycle.words import shown_traceback, told_in_a_line, warn_plainly

__all__ = ["app", "execute", "run"]

NAME = "medcycle"

app = typer.Typer(
    name=NAME,
    help="Synthetic CT from MR, and MR from CT. Research use only.",
    epilog="Every command takes --quiet and --debug.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
EXAMPLES: dict[str, tuple[Callable[..., None], str]] = {
    "inspect": (commands.inspect, "medcycle inspect MR_FOLDER CT_FOLDER --json findings.json"),
    "prepare": (commands.prepare, "medcycle prepare --mr MR_FOLDER --ct CT_FOLDER STORE --config head_mr_ct --dims 3"),
    "train": (
        commands.train,
        "medcycle train head_mr_ct --method cut --mr MR_FOLDER --ct CT_FOLDER --output runs/cut",
    ),
    "adapt": (pairs.adapt, "medcycle adapt head --mr MR_FOLDER --ct CT_FOLDER --output runs/adapted"),
    "runs": (commands.runs, "medcycle runs runs"),
    "synthesize": (synthesize.synthesize, "medcycle synthesize runs/first NEW_MR OUTPUT --format both"),
    "to-dicom": (dicom.to_dicom, "medcycle to-dicom sct.nii.gz OUTPUT --reference MR_SERIES"),
    "convert": (converting.convert, "medcycle convert sct.nii.gz OUTPUT --to mu-map --like PET_SERIES"),
    "node": (node.node, "medcycle node --model head --send-to PACS@192.0.2.7:104 --spool SPOOL"),
    "export": (commands.export, "medcycle export runs/first model.onnx"),
    "register": (pairs.register, "medcycle register --mr MR_FOLDER --ct CT_FOLDER OUTPUT"),
    "evaluate": (evaluating.evaluate, "medcycle evaluate --real CT_FOLDER --synthetic OUTPUT --output scores"),
    "compare": (evaluating.compare, "medcycle compare scores/cut scores/cyclegan --output comparison"),
    "dose": (
        dosing.dose,
        "medcycle dose --real CT --synthetic sct.nii.gz --structures RTSTRUCT.dcm --target PTV --output dose",
    ),
    "report": (reporting.report, "medcycle report scores --output report.html"),
    "demo": (commands.demo, "medcycle demo --output demo --minutes 2"),
}
"""The commands, each with a call that its help shows."""

for command, (function, example) in EXAMPLES.items():
    app.command(command, epilog=f"Example: {example}")(common_options(function))
app.add_typer(configs.app, name="config")
app.add_typer(models.app, name="models")


def _version(show: bool) -> None:
    if show:
        answer(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    _: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    show_help_alone(context)


def run() -> None:
    """The console script."""
    share_processors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where umlauts can't be printed, something of them can
            stream.reconfigure(errors="backslashreplace")
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 the data or the run failed, 2 the call is wrong."""
    debug, quiet = DEBUG in arguments, QUIET in arguments
    _configure_logging()
    try:
        with (
            nullcontext() if is_first_process() else redirect_stdout(io.StringIO()),
            quietly() if quiet else nullcontext(),
        ):
            given = [item for item in arguments if item not in (DEBUG, QUIET)]  # wherever they stand
            status = app(given, prog_name=NAME, standalone_mode=False)
        if status == INTERRUPTED:
            say_error(INTERRUPTION)
        return status if isinstance(status, int) else 0
    except SystemExit as ended:  # how typer ends what a shell asks for to complete a line
        return int(ended.code or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where every error ends
        message, status = explain(error, NAME)
        if debug:
            answer(shown_traceback(error), err=True)
        say_error(told_in_a_line(message))
        return status


def _configure_logging() -> None:
    warn_plainly()
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pydicom|monai|lightning_fabric|torch)\b.*")
