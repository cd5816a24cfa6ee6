"""Recipes: files of sections, what they are based on, and what another method, dimension or device changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medcycle.config.choice import CHOICES, Choice
from medcycle.config.explaining import unknown_key
from medcycle.config.layering import Layered
from medcycle.config.plain import read_yaml
from medcycle.config.removed import REMOVED_RECIPES
from medcycle.config.sections import KINDS, Config
from medcycle.errors import ConfigError
from medcycle.shipped import config_names
from medcycle.words import meant, quoted

__all__ = ["Recipe", "config_names", "read_recipe", "recipe_layers"]

LONGEST_REASON = 400
"""Characters of what YAML's parser says: two places with what stands there."""

USUAL = {"method": {"name": "cyclegan"}, "network": {"spatial_dims": 2}, "data": {"slices": 1}}
"""What is chosen where neither a file nor anybody else says anything."""


@dataclass(frozen=True)
class Variant:
    """What another choice changes.

    Args:
        when: the values of `method`, `dims` or `device` that it is for.
        sections: what it lays over the sections above it.
        instead: the recipe to use instead, where this one is not for such a choice.
    """

    when: Mapping[str, tuple[Any, ...]]
    sections: dict[str, Any]
    instead: str = ""

    def is_for(self, choice: Choice) -> bool:
        """Whether a choice is one that this variant is for."""
        chosen = {"method": choice.method, "dims": choice.dims, "device": choice.kind}
        return all(chosen[name] in values for name, values in self.when.items())


@dataclass(frozen=True)
class Recipe:
    """A file, read and checked but for its sections.

    Args:
        sections: its own.
        base: the configuration that it changes; empty for none.
        description: one or two sentences.
        variants: in order.
    """

    sections: dict[str, Any]
    base: str
    description: str
    variants: tuple[Variant, ...]


def recipe_layers(name_or_file: str, choice: Choice) -> list[dict[str, Any]]:
    """The sections of a recipe and of what it is based on, in order from the lowest, with the variants chosen.

    What a file says itself of method, dimensions and accelerator also selects the variants of its base, unless `choice`
    says otherwise.

    Raises:
        ConfigError: if there is no such recipe, it is not for the choice, or its file is wrong.
    """
    return _layers(name_or_file, choice, choice, ())


def _layers(name_or_file: str, asked: Choice, known: Choice, above: tuple[str, ...]) -> list[dict[str, Any]]:
    """As `recipe_layers`; `known` is the choice with what the files `above`, which are based on this one, say."""
    if name_or_file in above:
        raise ConfigError(
            f"{above[0]}: based on itself through {' and '.join(above[1:] or above)}; change one of the bases"
        )
    _require_base_is_known(name_or_file, above)
    recipe = read_recipe(name_or_file)
    for variant in recipe.variants:
        if variant.instead and variant.is_for(asked):
            raise ConfigError(f"{name_or_file} is not for {asked.flags}; use {variant.instead} {asked.flags}")
    known = known.filled(recipe.sections)
    below = _layers(recipe.base, asked, known, (*above, name_or_file)) if recipe.base else []
    layers = [*below, recipe.sections]
    known = known.filled(_merged([USUAL, *layers]))
    return [*layers, *(variant.sections for variant in recipe.variants if variant.is_for(known))]


def _require_base_is_known(base: str, above: tuple[str, ...]) -> None:
    """Raise `ConfigError` if a file is based on a recipe that has gone, whose new call is no base."""
    now = REMOVED_RECIPES.get(base)
    if above and now and not Path(base).is_file():
        name, flags = now.split(maxsplit=1)
        raise ConfigError(f"{above[-1]}: base: {base} is now {now}; write base: {name}, and call with {flags}")


def _merged(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    merged = Layered()
    for number, values in enumerate(layers):
        merged.lay(values, number)
    return merged.values


def read_recipe(name_or_file: str) -> Recipe:
    """Read a shipped recipe by name, or a YAML file.

    Raises:
        ConfigError: if there is no such file, or it is not one of a recipe.
    """
    path = _path_of(name_or_file)
    try:
        values = read_yaml(path) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())[:LONGEST_REASON]}); correct it") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: not a configuration (no sections such as `data:` and `training:`); give a YAML file like the "
            "one that `medcycle config show head_mr_ct` prints, or a name from `medcycle config list`"
        )
    base, description = values.pop("base", None), values.pop("description", None)
    if not isinstance(description, str | None):
        raise ConfigError(f"{path}: description: give a text, not {quoted(description)}")
    variants = values.pop("variants", None) or []
    if not isinstance(variants, list):
        raise ConfigError(f"{path}: variants: give a list, not {quoted(variants)}")
    checked = tuple(_variant(given, f"{path}: variant {number}") for number, given in enumerate(variants, 1))
    return Recipe(values, str(base or ""), " ".join((description or "").split()), checked)


def _path_of(name_or_file: str) -> Path:
    shipped = config_names()
    path = shipped.get(name_or_file) or Path(name_or_file)
    if path.is_file():
        return path
    if now := REMOVED_RECIPES.get(name_or_file):
        raise ConfigError(f"{name_or_file}: now {now}")
    hint = meant(name_or_file, shipped, most=3, cutoff=0.5)
    raise ConfigError(
        f"{name_or_file}: no such configuration; {hint}{' ' if hint else ''}give a file or a name that `medcycle "
        "config list` prints; `prepare` and `train` also take auto, which plans one"
    )


def _variant(given: Any, where: str) -> Variant:
    """One item of `variants`, checked."""
    if not isinstance(given, dict) or not isinstance(given.get("when"), dict) or not given["when"]:
        raise ConfigError(f"{where}: needs when, with one or more of {', '.join(CHOICES)}, as in when: {{device: cpu}}")
    sections = {name: values for name, values in given.items() if name not in {"when", "instead"}}
    instead = given.get("instead", "")
    if not isinstance(instead, str) or bool(instead) == bool(sections):
        raise ConfigError(f"{where}: give either sections or instead, the name of the recipe to use instead")
    for name, values in sections.items():
        _check_section(name, values, where)
    return Variant({name: _chosen(name, value, where) for name, value in given["when"].items()}, sections, instead)


def _chosen(name: Any, value: Any, where: str) -> tuple[Any, ...]:
    """The values of a key of `when`, which has one or a list."""
    if name not in CHOICES:
        raise ConfigError(f"{where}: when.{name}: unknown; choose from {', '.join(CHOICES)}")
    values = value if isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, bool) or one not in CHOICES[name]:
            allowed = ", ".join(map(str, CHOICES[name]))
            raise ConfigError(f"{where}: when.{name}: {quoted(one)} is not available; choose one of {allowed}")
    return tuple(values)


def _check_section(name: Any, values: Any, where: str) -> None:
    """Whether there is such a section, with such keys; which values they take is checked where the variant is used."""
    if name not in Config.model_fields:
        raise ConfigError(f"{where}: unknown section {name}; the sections are {', '.join(Config.model_fields)}")
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {name}: give keys and values, not {quoted(values)}")
    kinds = KINDS[name].values() if name in KINDS else [Config.model_fields[name].annotation]
    known = {key for kind in kinds if kind for key in kind.model_fields}
    for key in values:
        if key not in known:
            raise ConfigError(f"{where}: {unknown_key(f'{name}.{key}')}")
