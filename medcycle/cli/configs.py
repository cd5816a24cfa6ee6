"""`medcycle config`: what can be configured."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from medcycle.cli.options import Overrides, config_names_like, show_help_alone
from medcycle.cli.say import say
from medcycle.errors import UsageError

__all__ = ["app"]

app = typer.Typer(help="Show and check configurations.", rich_markup_mode=None)

Name = Annotated[
    str, typer.Argument(help="A shipped configuration's name, or a YAML file.", autocompletion=config_names_like)
]


@app.callback(invoke_without_command=True)
def _options(context: typer.Context) -> None:
    show_help_alone(context)


def _require_written(name: str) -> None:
    if name == "auto":
        raise UsageError(
            "auto: planned from the scans by `medcycle prepare` and `medcycle train`, so there is nothing to read yet; "
            "`medcycle prepare --mr DIR --ct DIR STORE` prints the plan with its reasons and keeps it in "
            "STORE/config.yaml, which `medcycle config show` and `check` take"
        )


@app.command("list", epilog="Example: medcycle config list")
def list_names() -> None:
    """List the shipped configurations."""
    from medcycle.config import config_names

    for name, path in config_names().items():
        first_line = path.read_text(encoding="utf-8").splitlines()[0]
        say(f"{name}: {first_line.lstrip('# ')}")
    say("auto: Planned from the scans and the device, by `prepare` and `train`.")


@app.command(epilog="Example: medcycle config show head_ct_only --set training.max_minutes=60")
def show(name: Name, overrides: Overrides = None) -> None:
    """Print every key of a configuration, and what a training step takes."""
    import yaml

    from medcycle.config import load_config
    from medcycle.methods.cost import step_cost

    _require_written(name)
    config = load_config(name, overrides or ())
    say(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), newline=False)
    cost = step_cost(config)
    say(
        f"# {cost.generators / 1e6:.3g} million parameters in generators, {cost.discriminators / 1e6:.3g} million in "
        f"discriminators; a step takes {cost.flop / 1e9:,.0f} GFLOP and about {cost.memory / 2**30:.2g} GiB"
    )


@app.command(epilog="Example: medcycle config check mine.yaml")
def check(file: Name) -> None:
    """Check a configuration file."""
    from medcycle.config import load_config

    _require_written(file)
    load_config(file)
    say(f"{file}: correct")


@app.command(epilog="Example: medcycle config schema > medcycle.schema.json")
def schema() -> None:
    """Print the JSON schema, for editors."""
    from medcycle.config import Config

    say(json.dumps(Config.model_json_schema(), indent=1))
