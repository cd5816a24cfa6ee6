"""Options that several commands have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from medcycle.shards import Shard
from medcycle.shipped import config_names, shipped_names

if TYPE_CHECKING:
    from medcycle.config import Choice

__all__ = [
    "DEBUG",
    "QUIET",
    "AsJson",
    "CtOffset",
    "Dims",
    "For",
    "Irregular",
    "KeepGoing",
    "MethodName",
    "Model",
    "Overrides",
    "Part",
    "Retain",
    "Scratch",
    "SiteFile",
    "chosen",
    "common_options",
    "config_names_like",
    "model_names_like",
    "shipped_names_like",
    "show_help_alone",
]

QUIET, DEBUG = "--quiet", "--debug"
"""Options of every command, which `execute` takes out of the call."""


def common_options(function: Callable[..., None]) -> Callable[..., None]:
    """A command with the options that all take, which its help shows and a shell completes."""
    own = inspect.signature(function, eval_str=True)
    common = {
        "quiet": Annotated[bool, typer.Option(QUIET, help="Print results, warnings and errors only.")],
        "debug": Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")],
    }
    added = [Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=kind) for name, kind in common.items()]

    @wraps(function)
    def command(**options: Any) -> None:
        function(**{name: value for name, value in options.items() if name not in common})

    command.__annotations__ = function.__annotations__ | common
    command.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]
    return command


def shipped_names_like(incomplete: str) -> list[str]:
    """The models that ship with medcycle whose names begin so, for shells."""
    return [name for name in shipped_names() if name.startswith(incomplete)]


def model_names_like(incomplete: str) -> list[str]:
    """The models that ship with medcycle whose names begin so, and files and folders beside them, for shells."""
    return _completed(incomplete, shipped_names())


def config_names_like(incomplete: str) -> list[str]:
    """The names that a configuration's beginning can be completed to, for shells."""
    return _completed(incomplete, ["auto", *config_names()])


def _completed(incomplete: str, names: list[str]) -> list[str]:
    """The names that begin so; with files and folders that do, which a shell looks for itself only where nothing is."""
    found = [name for name in names if name.startswith(incomplete)]
    beside = [path for path in sorted(Path().iterdir()) if path.name.startswith(incomplete)] if found else []
    return found + [f"{path}/" if path.is_dir() else f"{path}" for path in beside if path.name[:1] != "."]


Model = Annotated[
    Path,
    typer.Argument(
        help="A run's folder, a checkpoint, or a model that ships with medcycle.", autocompletion=model_names_like
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead, for scripts.")]

Irregular = Annotated[
    bool,
    typer.Option(
        "--resample-irregular",
        help="Resample DICOM series with gaps or uneven slice spacing instead of refusing them.",
    ),
]

SourceFolder = Annotated[
    Path | None,
    typer.Option(
        "--mr", "--cbct", help="Folder of MR volumes, or of CBCT; not needed by method randomized and by cbct."
    ),
]

CtOffset = Annotated[
    float,
    typer.Option("--ct-offset", metavar="HU", help="Subtract this from CT stored with an offset, such as 1024."),
]

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a key, for example training.max_steps=1000; repeatable."),
]

MethodName = Annotated[
    Literal["cyclegan", "randomized", "pix2pix", "hybrid", "cut", "unit", "munit", "regcyclegan"] | None,
    typer.Option("--method", help="Training method; by default the configuration's."),
]

Dims = Annotated[
    Literal["2", "2.5", "3"] | None,
    typer.Option("--dims", help="2D slices, 2.5D (several slices) or 3D; by default the configuration's."),
]

For = Annotated[
    Literal["cpu", "gpu"] | None,
    typer.Option("--device", help="Device to choose settings for and train on; by default a GPU if there is one."),
]

Part = Annotated[
    Shard | None,
    typer.Option(
        "--shard",
        metavar="NUMBER/OF",
        parser=Shard.parse,
        help="Do one part of the cases, such as 3/16; other processes do the others, at once or later.",
    ),
]

KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Exit with 0 even if cases are refused or missing; they are listed. For pipelines.",
    ),
]

Scratch = Annotated[
    bool,
    typer.Option("--from-scratch", help="Train new networks, even if the configuration starts from a shipped model."),
]

Retain = Annotated[
    list[str] | None,
    typer.Option(
        metavar="device|dates|patient|descriptions|roi-names",
        help="With --deidentify: keep the scanner's identity; the original dates; sex, age and weight; known words in "
        "descriptions; or ROI names. Repeatable.",
    ),
]


SiteFile = Annotated[
    Path | None,
    typer.Option(
        "--site",
        metavar="YAML",
        help="What your planning system wants of a CT series: station name, kernel, matrix, couch, outlines, ...",
    ),
]


def chosen(method: str | None, dims: str | None, device: Literal["cpu", "gpu"] | None) -> Choice:
    """What `--method`, `--dims` and `--device` say, and the kind of device that this machine has."""
    from medcycle.config import Choice
    from medcycle.planning.plan import chosen_here

    return chosen_here(Choice(method, float(dims) if dims else None, device))


def show_help_alone(context: typer.Context) -> None:
    """Print the help of a group of commands that is called without one of them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
