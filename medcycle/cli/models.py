"""`medcycle models`: the trained models that ship with medcycle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcycle.cli.parameters import model_names_like, show_help_alone
from medcycle.cli.say import say

__all__ = ["app"]

app = typer.Typer(help="Trained models that ship with medcycle.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="A model's name.", autocompletion=model_names_like)]


@app.callback(invoke_without_command=True)
def _options(context: typer.Context) -> None:
    show_help_alone(context)


@app.command("list", epilog="Example: medcycle models list")
def list_models() -> None:
    """List the models."""
    from medcycle.cli.printing import print_models
    from medcycle.models import Description, shipped_file, shipped_names

    print_models([Description.read(shipped_file(name)) for name in shipped_names()])
    say("Use a name wherever a run is expected: medcycle synthesize head MR OUTPUT")


@app.command(epilog="Example: medcycle models info head")
def info(name: Name) -> None:
    """Print a model's card: training data, licence, figures and limits."""
    from medcycle.models import Description, card_of, shipped_file

    say(card_of(Description.read(shipped_file(name))), newline=False)


@app.command(epilog="Example: medcycle models export head FOLDER")
def export(name: Name, output: Annotated[Path, typer.Argument(help="Folder to write to.")]) -> None:
    """Copy a model's weights (safetensors), description (JSON) and card to a folder."""
    from medcycle.methods.model_file import copy_model
    from medcycle.models import shipped_file

    for path in copy_model(shipped_file(name), output):
        say(f"wrote {path}")
