"""From a file and overrides to a checked configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from medcycle.config.sections import Config
from medcycle.errors import ConfigError

__all__ = ["check_override", "config_names", "load_config", "parse_config", "parse_override"]


def config_names() -> dict[str, Path]:
    """The shipped configurations: name to file."""
    package = Path(__file__).parents[1]
    for folder in (package / "_configs", package.parent / "configs"):  # in a wheel; in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def load_config(name_or_file: str, overrides: Sequence[str] = ()) -> Config:
    """Read a shipped configuration by name, or a YAML file, and set `key=value` overrides with dotted keys.

    A file whose `base` names another configuration has its keys, but for those that it gives itself.

    Raises:
        ConfigError: if there is no such configuration, or a key or value is wrong.
    """
    return parse_config(_values(name_or_file, ()), name_or_file, overrides)


def _values(name_or_file: str, above: tuple[str, ...]) -> dict[str, Any]:
    """The values of a configuration and of what it is based on; `above` are those that are based on it."""
    if name_or_file in above:
        raise ConfigError(
            f"{above[0]}: based on itself, by way of {' and '.join(above[1:] or above)}; break the circle"
        )
    shipped = config_names()
    path = shipped.get(name_or_file) or Path(name_or_file)
    if not path.is_file():
        near = difflib.get_close_matches(name_or_file, shipped, n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(
            f"{name_or_file}: no such configuration; {meant}give a file or a name that `medcycle config "
            "list` prints; `prepare` and `train` also take auto, which plans one"
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())}); correct it") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of sections, not {type(values).__name__}")
    base = values.pop("base", None)
    return _merged(_values(str(base), (*above, name_or_file)), values) if base else values


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def parse_config(values: dict[str, Any], where: str, overrides: Sequence[str] = ()) -> Config:
    """Set overrides in plain values and check them.

    Raises:
        ConfigError: naming the first wrong key, `where` it stands and what is allowed.
    """
    for override in overrides:
        _set(values, override)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from None


def parse_override(override: str) -> tuple[str, Any]:
    """The dotted key and the value of `key=value`. Raises `ConfigError` if it is not of that form."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: give key=value, as in training.max_steps=1000")
    try:
        return key, yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not YAML; quote it") from None


def check_override(override: str) -> tuple[str, Any]:
    """`parse_override`, with the key and the value checked alone, before it is known what else is set.

    Raises:
        ConfigError: if the key is not of the form `section.key`, or is unknown, or the value is not of its kind.
    """
    key, value = parse_override(override)
    section, dot, name = key.partition(".")
    if not dot or "." in name:
        raise ConfigError(f"--set {override}: give section.key=value, as in training.max_steps=1000")
    field = Config.model_fields.get(section)
    kind: Any = field.annotation if field else Config
    try:
        kind.model_validate({name: value} if field else {section: value})
    except ValidationError as error:
        wrong_alone = any(fault["loc"] for fault in error.errors())  # else it only doesn't fit others' defaults
        if wrong_alone:
            raise ConfigError(f"--set {override}: {_explain(error)}") from None
    return key, value


def _set(values: dict[str, Any], override: str) -> None:
    key, value = parse_override(override)
    *parents, last = key.split(".")
    section: Any = values
    for parent in parents:
        section = section.setdefault(parent, {}) if isinstance(section, dict) else None
    if not isinstance(section, dict):
        raise ConfigError(f"--set {override}: {key} is not a key; see `medcycle config show`")
    section[last] = value


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, list(_keys()), n=1, cutoff=0.5)
        suggestion = f"did you mean {near[0]}?" if near else f"the sections are {', '.join(Config.model_fields)}"
        return f"unknown key {key}; {suggestion}"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict):  # of a section whose keys don't fit each other
        return message
    return f"{key}: {message}, not {first['input']!r}" if key else message


def _keys() -> Iterator[str]:
    for section, field in Config.model_fields.items():
        yield section
        annotation: Any = field.annotation
        for key in annotation.model_fields:
            yield f"{section}.{key}"
