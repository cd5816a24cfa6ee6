"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["CtOffset", "Irregular", "Overrides"]

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
