"""`medcycle models`: the trained models that ship with medcycle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medcycle.cli.parameters import AsJson, common_options, shipped_names_like, show_help_alone
from medcycle.cli.say import answer, answer_json, say, say_written

if TYPE_CHECKING:
    from medcycle.models import Description

__all__ = ["app"]

app = typer.Typer(help="Trained models that ship with medcycle.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="A model's name.", autocompletion=shipped_names_like)]


@app.callback(invoke_without_command=True)
def _options(context: typer.Context) -> None:
    show_help_alone(context)


@app.command("list", epilog="Example: medcycle models list")
@common_options
def list_models(as_json: AsJson = False) -> None:
    """List the models."""
    from medcycle.cli.printing import print_models
    from medcycle.models import Description, shipped_file, shipped_names

    found = [Description.read(shipped_file(name)) for name in shipped_names()]
    if as_json:
        answer_json([_told(one) for one in found])
        return
    print_models(found)
    say("Use a name wherever a run is expected: medcycle synthesize head MR OUTPUT")


@app.command(epilog="Example: medcycle models info head")
@common_options
def info(name: Name, as_json: AsJson = False) -> None:
    """Print a model's card: training data, licence, figures and limits."""
    from medcycle.models import Description, card_of, shipped_file

    described = Description.read(shipped_file(name))
    if as_json:
        answer_json(_told(described))
    else:
        answer(card_of(described), newline=False)


def _told(described: Description) -> dict[str, Any]:
    """What a model's card tells, without the configuration and the hashes."""
    kept = {"name", "summary", "licence", "medcycle", "made_by", "training_data", "figures", "limits"}
    return described.model_dump(mode="json", include=kept)


@app.command(epilog="Example: medcycle models export head FOLDER")
@common_options
def export(name: Name, output: Annotated[Path, typer.Argument(help="Folder to write to.")]) -> None:
    """Copy a model's weights (safetensors), description (JSON) and card to a folder."""
    from medcycle.methods.model_file import copy_model
    from medcycle.models import shipped_file

    names = [path.name for path in copy_model(shipped_file(name), output)]
    say_written(f"{', '.join(names[:-1])} and {names[-1]} to {output}", f"medcycle synthesize {output} MR OUTPUT")
