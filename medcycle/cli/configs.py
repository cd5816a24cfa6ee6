"""`medcycle config`: what can be configured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from medcycle.cli.parameters import (
    AsJson,
    Dims,
    For,
    MethodName,
    Overrides,
    chosen,
    common_options,
    config_names_like,
    show_help_alone,
)
from medcycle.cli.say import answer, answer_json, say
from medcycle.errors import UsageError

__all__ = ["app"]

app = typer.Typer(help="Show and check configurations.", rich_markup_mode=None)

Name = Annotated[
    str, typer.Argument(help="A shipped configuration's name, or a YAML file.", autocompletion=config_names_like)
]


AUTO = "Settings that `prepare` and `train` plan from the scans and the device."


@app.callback(invoke_without_command=True)
def _options(context: typer.Context) -> None:
    show_help_alone(context)


def _require_written(name: str) -> None:
    if name == "auto":
        raise UsageError(
            "auto: nothing to show yet, since `medcycle prepare` and `medcycle train` plan it from the scans; "
            "`medcycle prepare --mr DIR --ct DIR STORE` prints the plan with its reasons and keeps it in "
            "STORE/config.yaml, which `medcycle config show` and `check` accept"
        )


@app.command("list", epilog="Example: medcycle config list")
@common_options
def list_names(as_json: AsJson = False) -> None:
    """List the shipped configurations."""
    from medcycle.cli.printing import print_configs
    from medcycle.config import config_names, read_recipe

    described = {name: read_recipe(name).description for name in config_names()} | {"auto": AUTO}
    if as_json:
        answer_json(described)
        return
    print_configs(described)
    say(
        "Each accepts --method, --dims (2, 2.5 or 3) and --device (cpu or gpu): "
        "medcycle config show head_mr_ct --method cut"
    )


@app.command(epilog="Example: medcycle config show head_mr_ct --method cut --dims 2.5 --set training.max_minutes=60")
@common_options
def show(
    name: Name,
    method: MethodName = None,
    dims: Dims = None,
    device: For = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print all keys of a configuration and the cost of a training step."""
    import yaml

    from medcycle.config import load_config
    from medcycle.planning.cost import step_cost

    _require_written(name)
    config = load_config(name, overrides or (), chosen(method, dims, device))
    cost = step_cost(config)
    if as_json:
        answer_json({"config": config.model_dump(mode="json"), "step": asdict(cost)})
        return
    answer(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), newline=False)
    say(
        f"# {cost.generators / 1e6:.3g} million parameters in generators, {cost.discriminators / 1e6:.3g} million in "
        f"discriminators; a step takes {cost.flop / 1e9:,.0f} GFLOP and about {cost.memory / 2**30:.2g} GiB"
    )


@app.command(epilog="Example: medcycle config check mine.yaml --device gpu")
@common_options
def check(file: Name, method: MethodName = None, dims: Dims = None, device: For = None) -> None:
    """Check a configuration file."""
    from medcycle.config import load_config

    _require_written(file)
    load_config(file, choice=chosen(method, dims, device))
    say(f"{file}: correct; next: medcycle train {file} --mr DIR --ct DIR --output RUN")


@app.command(epilog="Example: medcycle config schema > medcycle.schema.json")
@common_options
def schema() -> None:
    """Print the JSON schema, for editors."""
    from medcycle.config import Config

    answer_json(Config.model_json_schema())
