"""From a file and overrides to a checked configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from medcycle.config.choice import Choice
from medcycle.config.explaining import explain, unknown_key
from medcycle.config.layering import GENERATED, Layered
from medcycle.config.plain import parse_yaml
from medcycle.config.recipe import read_recipe, recipe_layers
from medcycle.config.removed import ANY, REMOVED, SUPERSEDED
from medcycle.config.sections import KINDS, Config
from medcycle.config.unused import Unused, tell_unused
from medcycle.errors import ConfigError, RemovedVariant
from medcycle.words import quoted

__all__ = [
    "check_override",
    "load_config",
    "load_stored",
    "parse_config",
    "parse_override",
    "parse_planned",
    "parse_stored",
]


log = logging.getLogger(__name__)


def load_config(name_or_file: str, overrides: Sequence[str] = (), choice: Choice | None = None) -> Config:
    """Read a shipped recipe by name, or a YAML file, and set `key=value` overrides with dotted keys.

    A file whose `base` names another configuration has its keys, but for those that it gives itself. Where it, the
    choice or an override changes the method or the network, keys from below that the new one doesn't have are left out.

    Args:
        name_or_file: what to read.
        overrides: `key=value`; they are set above everything else.
        choice: method, dimensions and device. Without one, the recipe's own method and dimensions are taken, and no
            variant for a device, so that the result is the same on every machine.

    Raises:
        ConfigError: if there is no such configuration, or it is not for that choice, or a key or value is wrong, or a
            key does nothing.
    """
    chosen = choice or Choice()
    given = Layered()
    layers = recipe_layers(name_or_file, chosen)
    for number, values in enumerate(layers):
        given.lay(values, number)
    given.lay(chosen.sections(given.values), len(layers))
    return _checked(given, name_or_file, overrides, layer=len(layers) + 1)


def load_stored(
    path: Path,
    overrides: Sequence[str] = (),
    below: Mapping[str, Any] | None = None,
    choice: Choice | None = None,
) -> Config:
    """Read the `config.yaml` of a run or a store, which may be older than this version: see `parse_stored`.

    Args:
        path: the file.
        overrides: `key=value`.
        below: dotted keys and values that lie between the two.
        choice: what is set above those and below the overrides.

    Raises:
        ConfigError: as `load_config` does.
    """
    given = _stored(read_recipe(str(path)).sections, str(path))
    for key, value in (below or {}).items():
        section, _, name = key.partition(".")
        given.lay({section: {name: value}}, 0)
    if choice:
        given.lay(choice.sections(given.values), 1)
    return _checked(given, str(path), overrides, layer=2)


def parse_config(values: Mapping[str, Any], where: str) -> Config:
    """Check plain values.

    Raises:
        ConfigError: naming the first wrong key, `where` it stands and what is allowed.
    """
    given = Layered()
    given.lay(values, 0)
    return _checked(given, where)


def parse_stored(values: Mapping[str, Any], where: str) -> Config:
    """Check what a checkpoint holds. Keys that do nothing, of which older versions stored many, are left out.

    Raises:
        ConfigError: as `parse_config` does.
    """
    return _checked(_stored(values, where), where)


def parse_planned(planned: Mapping[str, Any], by_hand: Mapping[str, Any], where: str) -> Config:
    """Check plain values and those that are set by hand. Of the others, keys that do nothing are left out.

    Raises:
        ConfigError: as `parse_config` does.
    """
    given = Layered()
    given.lay(planned, GENERATED)
    given.lay(by_hand, 0)
    return _checked(given, where)


def _stored(values: Mapping[str, Any], where: str) -> Layered:
    """What an older version may have stored, without the keys that are no longer there.

    Raises:
        RemovedVariant: if one of them makes other networks than there are now.
    """
    given = Layered()
    given.lay(values, GENERATED)
    for new, before, value in SUPERSEDED:
        section, _, name = new.partition(".")
        kept = given.values.get(section)
        if isinstance(kept, dict) and (old := {key: kept.pop(key) for key in before if key in kept}):
            given.lay({section: {name: kept.get(name, value(old))}}, GENERATED)
    for key, (usual, _, vital) in REMOVED.items():
        section, _, name = key.partition(".")
        kept = given.values.get(section)
        if not isinstance(kept, dict) or name not in kept:
            continue
        if usual is not ANY and kept[name] != usual:
            if vital:
                raise RemovedVariant(
                    f"{where}: was trained with {key}: {quoted(kept[name])}, which is no longer supported; use "
                    "the version that wrote it"
                )
            log.warning(
                "%s: %s was %s; the key no longer exists, and its value is now always %s",
                where,
                key,
                quoted(kept[name]),
                quoted(usual),
            )
        given.drop(key)
    return given


def _checked(given: Layered, where: str, overrides: Sequence[str] = (), layer: int = 0) -> Config:
    for override in overrides:
        _set(given, override, layer)
    given.drop_other_kinds()
    while True:
        try:
            return Config.model_validate(given.values)
        except ValidationError as error:
            first = error.errors()[0]
            if first["type"] != "unused":
                raise ConfigError(f"{where}: {explain(error)}") from None
            unused: list[Unused] = first["ctx"]["unused"]
            if by_hand := [one for one in unused if not given.is_below(one.key, one.causes)]:
                raise ConfigError(f"{where}: {tell_unused(by_hand)}") from None
            for key in {one.key for one in unused}:
                given.drop(key)


def parse_override(override: str) -> tuple[str, Any]:
    """The dotted key and the value of `key=value`. Raises `ConfigError` if it is not of that form."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: give key=value, as in training.max_steps=1000")
    try:
        return key, parse_yaml(text)
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
    trials = [{section: {name: value}}]
    if section in KINDS and name != "name":  # it is enough that any method or network has the key
        kinds = [kind for kind, fields in KINDS[section].items() if name in fields.model_fields]
        trials = [{section: {"name": kind, name: value}} for kind in kinds]
    faults = [fault for trial in trials if (fault := _fault(trial))]
    if len(faults) == len(trials):
        raise ConfigError(f"--set {override}: {faults[0] if faults else unknown_key(key)}")
    return key, value


def _fault(values: dict[str, Any]) -> str:
    """What is wrong with values; not that others' defaults don't fit them."""
    try:
        Config.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        if not (fault["type"] in {"value_error", "unused"} and isinstance(fault["input"], dict)):
            return explain(error)
    return ""


def _set(given: Layered, override: str, layer: int) -> None:
    key, value = parse_override(override)
    section, dot, name = key.partition(".")
    if not dot:
        given.set(section, value, layer)
    elif "." in name or not isinstance(given.values.get(section, {}), dict):
        raise ConfigError(f"--set {override}: {key} is not a key; see `medcycle config show`")
    else:
        given.lay({section: {name: value}}, layer)
