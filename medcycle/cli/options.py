"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Irregular", "Overrides"]

Irregular = Annotated[
    bool,
    typer.Option(
        "--resample-irregular",
        help="Rebuild DICOM series with gaps or varying slice distances instead of refusing them.",
    ),
]

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key, as in training.max_steps=1000.")
]
