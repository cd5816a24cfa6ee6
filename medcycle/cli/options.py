"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["CtOffset", "Irregular", "Overrides", "Retain", "config_names_like", "show_help_alone"]

Irregular = Annotated[
    bool,
    typer.Option(
        "--resample-irregular",
        help="Rebuild DICOM series with gaps or varying slice distances instead of refusing them.",
    ),
]

CtOffset = Annotated[
    float,
    typer.Option("--ct-offset", metavar="HU", help="Take this off CT that have it added to their Hounsfield units."),
]

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key, as in training.max_steps=1000.")
]

Retain = Annotated[
    list[str] | None,
    typer.Option(
        metavar="device|dates|patient|descriptions|roi-names",
        help="With --deidentify: keep the scanner's identity, dates as they are, sex, age and weight, known words of "
        "descriptions, or names of ROIs as typed; repeatable.",
    ),
]


def config_names_like(incomplete: str) -> list[str]:
    """The names that a configuration's beginning can be completed to, for shells."""
    from medcycle.config import config_names

    return [name for name in ("auto", *config_names()) if name.startswith(incomplete)]


def show_help_alone(context: typer.Context) -> None:
    """Print the help of a group of commands that is called without one of them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
