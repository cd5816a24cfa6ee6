"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medcycle.shards import Shard

if TYPE_CHECKING:
    from medcycle.config import Choice

__all__ = [
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
    "config_names_like",
    "model_names_like",
    "show_help_alone",
]

Model = Annotated[Path, typer.Argument(help="A run's folder, a checkpoint, or a model that ships with medcycle.")]

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


def model_names_like(incomplete: str) -> list[str]:
    """The models that ship with medcycle whose names begin so, for shells."""
    from medcycle.models import shipped_names

    return [name for name in shipped_names() if name.startswith(incomplete)]


def config_names_like(incomplete: str) -> list[str]:
    """The names that a configuration's beginning can be completed to, for shells."""
    from medcycle.config import config_names

    return [name for name in ("auto", *config_names()) if name.startswith(incomplete)]


def show_help_alone(context: typer.Context) -> None:
    """Print the help of a group of commands that is called without one of them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
