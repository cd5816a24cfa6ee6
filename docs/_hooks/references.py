"""References that are made of the code when the site is built: commands, configuration, functions, messages."""

import html
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import medcycle
from medcycle import errors
from medcycle.cli.main import app
from medcycle.config import METHODS, NETWORKS, Config
from medcycle.config.site import CouchSection, SiteSection
from medcycle.report.metrics import METRICS

__all__ = ["GENERATED"]

UNITS = {
    "data.spacing": "mm",
    "data.patch_size": "pixels or voxels",
    "data.hu_window": "HU",
    "data.soft_tissue": "HU",
    "data.mr_percentile": "%",
    "data.slices": "slices",
    "data.min_body_fraction": "fraction",
    "data.validation_fraction": "fraction",
    "data.body_share": "fraction",
    "data.bone_air_sampling": "0 to 1",
    "randomize.thickness": "mm",
    "randomize.thick_share": "fraction",
    "randomize.measured_share": "fraction",
    "training.max_minutes": "minutes",
    "training.max_steps": "steps",
    "training.warm_up": "steps",
    "training.warm_start": "fraction",
    "training.log_every": "steps",
    "training.preview_every": "steps",
    "training.checkpoint_every": "steps",
    "training.patience": "validations",
    "training.batch_size": "slices or patches",
    "training.accumulate": "batches",
    "method.largest_displacement": "voxels",
    "network.filters": "channels",
    "network.discriminator_filters": "channels",
    "network.multiple": "pixels",
    "kvp": "kV",
    "slice_spacing": "mm",
    "overrides": "HU",
    "couch.width": "mm",
    "couch.thickness": "mm",
    "couch.shell": "mm",
    "couch.gap": "mm",
    "couch.shell_hu": "HU",
    "couch.core_hu": "HU",
}
"""The unit of each key that has one."""


def commands() -> str:
    """All commands, each with its arguments, options and example."""
    return "\n\n".join(_commands(typer.main.get_command(app), "medcycle"))


def _commands(command: Any, name: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for own, below in command.commands.items():
            yield from _commands(below, f"{name} {own}")
        return
    context = typer.Context(command, info_name=name)
    shown = [item for item in command.params if not getattr(item, "hidden", False) and item.name != "help"]
    rows = [_parameter(item, context) for item in shown]
    parts = [f"## {name}", inspect.cleandoc(command.help or "").replace("\f", "")]
    if rows:
        parts.append(_table(("argument or option", "meaning", "default, range"), rows))
    if command.epilog:
        parts.append(f"```bash\n{' '.join(command.epilog.removeprefix('Example: ').split())}\n```")
    yield "\n\n".join(parts)


def _parameter(item: Any, context: Any) -> tuple[str, ...]:
    """As `--help` tells it: name and values, meaning, and the default and range that stand in brackets."""
    told, meaning = (" ".join(text.split()) for text in item.get_help_record(context))
    text, bracket, rest = meaning.rpartition("[")
    is_extra = bracket and re.match(r"(default|required|env|x[<>]|[\d.]+<)", rest)
    name = html.escape(told).replace("|", "&#124;<wbr>")  # long lists of choices may break after each
    return f"<code>{name}</code>", text.strip() if is_extra else meaning, rest.rstrip("]") if is_extra else ""


def configuration() -> str:
    """The keys of all sections, of each method and network."""
    parts = []
    for section, field in Config.model_fields.items():
        kinds = {"method": METHODS, "network": NETWORKS}.get(section)
        if not kinds:
            parts += [f"## {section}", _meaning(field.annotation), _keys(section, field.annotation)]
            continue
        parts += [f"## {section}", f"`{section}.name` chooses the keys that there are."]
        shared = set.intersection(*(set(kind.model_fields) for kind in kinds.values())) - {"name"}
        first = next(iter(kinds.values()))
        parts += [f"### All {section}s", _keys(section, first, only=shared)]
        for name, kind in kinds.items():
            parts += [f"### {section}.name: {name}", _meaning(kind)]
            if own := [key for key in kind.model_fields if key not in shared | {"name"}]:
                parts.append(_keys(section, kind, only=own))
    return "\n\n".join(parts)


def site_keys() -> str:
    """The keys of a site's file."""
    parts = [
        _keys("", SiteSection, only=[key for key in SiteSection.model_fields if key != "couch"]),
        "`couch` has keys of its own:",
    ]
    return "\n\n".join([*parts, _keys("couch", CouchSection)])


def _keys(section: str, kind: type[BaseModel], only: Any = None) -> str:
    rows = []
    for key, field in kind.model_fields.items():
        if only is None or key in only:
            dotted = f"{section}.{key}" if section else key
            kind_told = _type(field.annotation, field.metadata)
            told = (field.description or "", kind_told, _default(field), UNITS.get(dotted, ""))
            rows.append((f"`{dotted}`", *told))
    return _table(("key", "meaning", "type and range", "default", "unit"), rows)


def _meaning(kind: Any) -> str:
    return inspect.getdoc(kind) or ""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    return "required" if value is PydanticUndefined else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    """A value as YAML has it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def _type(kind: Any, metadata: Any = ()) -> str:
    """A type as a user writes it, with its range."""
    origin, inner = get_origin(kind), get_args(kind)
    if hasattr(kind, "__metadata__"):
        return _type(inner[0], [*metadata, *kind.__metadata__])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(item, metadata if item is not types.NoneType else ()) for item in inner))
    if origin is tuple:
        many = "list of" if inner[-1] is Ellipsis else f"list of {len(inner)}: each"
        return f"{many} {_type(inner[0])}"
    return _single(kind, origin, inner) + "".join(_range(metadata))


def _single(kind: Any, origin: Any, inner: tuple[Any, ...]) -> str:
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in inner)
    if origin in (dict, Mapping):
        return "names and values"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "a section"
    return {int: "integer", float: "number", str: "text", bool: "true or false", types.NoneType: "null"}[kind]


def _range(metadata: Any) -> Iterator[str]:
    flat = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    for part in flat:
        for name, sign in signs.items():
            if isinstance(part, getattr(annotated_types, name.capitalize())):
                value = getattr(part, name)
                yield f", {sign}\N{NO-BREAK SPACE}{value:g}"


def functions() -> str:
    """The public functions, classes and exceptions, for mkdocstrings."""
    names = [name for name in medcycle.__all__ if not hasattr(errors, name)]
    kinds = {"Functions": [n for n in names if n[0].islower()], "Classes": [n for n in names if n[0].isupper()]}
    return "\n\n".join(
        part for title, own in kinds.items() for part in (f"## {title}", *(f"::: medcycle.{name}" for name in own))
    )


def exceptions() -> str:
    """All exceptions, with their exit status."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    rows = [
        (f"`{kind.__name__}`", f"`{kind.__mro__[1].__name__}`", str(kind.exit_status), inspect.getdoc(kind) or "")
        for kind in sorted(kinds, key=lambda kind: [base.__name__ for base in kind.__mro__[::-1]])
    ]
    return _table(("exception", "is a", "exit status", "meaning"), rows)


def metrics() -> str:
    """All metrics that have names of their own."""
    rows = [
        (one.label, f"`{name}`", one.unit, one.range, one.better.replace("neither", "–"), one.meaning)
        for name, one in METRICS.items()
    ]
    return _table(("in the report", "in tables", "unit", "range", "better", "meaning"), rows)


def _table(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    cells = [[" ".join(cell.replace("|", "\\|").split()) for cell in row] for row in (heading, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(heading), *lines[1:]])


GENERATED: dict[str, Callable[[], str]] = {
    "commands": commands,
    "configuration": configuration,
    "site keys": site_keys,
    "functions": functions,
    "exceptions": exceptions,
    "metrics": metrics,
}
"""What a comment `<!-- generated: NAME -->` in a page stands for."""
