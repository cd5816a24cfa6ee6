"""Every number of a configuration, and every choice, out of its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from medcycle.config import Config
from medcycle.config.sections import KINDS
from tests.attack import Attack, files

WRONG: dict[str, Any] = {
    "huge": 10**30,
    "negative": -(10**30),
    "not a number": float("nan"),
    "infinite": float("inf"),
    "a text": "many",
    "a list": [[1]],
    "a map": {"a": 1},
}

CALL = ("config", "check", "IN/config.yaml")


def keys() -> Iterator[tuple[str, str, str, FieldInfo]]:
    """Section, method or network, key and field of each key once, of the first that has it."""
    for section, field in Config.model_fields.items():
        owners: dict[str, Any] = dict(KINDS[section]) if section in KINDS else {"": field.annotation}
        seen: set[str] = {"name", "arguments"}  # those of a network of MONAI are a map, and no value by themselves
        for kind, owner in owners.items():
            for key, one in owner.model_fields.items():
                if key not in seen:
                    yield section, kind, key, one
                seen.add(key)


def numbers() -> Iterator[Attack]:
    """Every key that takes numbers, with what is none of it; two of each in turn are in the quick tests."""
    number = 0
    for section, kind, key, field in keys():
        if not _is_numeric(field.annotation):
            continue
        width = _width(field.annotation)
        number += 1
        for turn, (what, value) in enumerate(WRONG.items()):
            one = _attack(f"{section}.{key} {what}", section, kind, key, [value] * width if width else value)
            yield replace(one, slow=(turn - number) % len(WRONG) > 1)
        if width:
            yield _attack(f"{section}.{key} of a number", section, kind, key, 1)
            yield _attack(f"{section}.{key} of none", section, kind, key, [])


def choices() -> Iterator[Attack]:
    """Every other key, with what is none of it."""
    for section, kind, key, field in keys():
        if _is_numeric(field.annotation):
            continue
        for what, value in {"a list of lists": [[1]], "a map": {"a": 1}, "a number": 1e30}.items():
            yield _attack(f"{section}.{key} {what}", section, kind, key, value)


def names() -> Iterator[Attack]:
    """Keys and sections that there are not."""
    for section in Config.model_fields:
        for name in (
            "more",
            "",
            "NAME",
            "x" * 300,
            "\x1b[2J",
            "\u202e",
            "training.max_steps",
            "__class__",
            "model_fields",
        ):
            told = name if name.isascii() and name.isprintable() and len(name) < 100 else section
            yield _attack(f"{section}, {name[:40]!a}", section, "", name, 1, told=told)
    for name in ("more", "Training", "x" * 300, "__init__", "model_config", "\x07"):
        content = yaml.safe_dump({name: {"a": 1}}).encode()
        told = name if len(name) < 100 and name.isprintable() else "unknown key"
        yield Attack(f"section {name[:40]!a}", files(config__yaml=content), CALL, names=told, status=2)


def _attack(name: str, section: str, kind: str, key: str, value: Any, told: str = "") -> Attack:
    values = {section: ({"name": kind} if kind else {}) | {key: value}}
    content = yaml.safe_dump(values, allow_unicode=True).encode()
    return Attack(name, files(config__yaml=content), CALL, names=told or f"{section}.{key}", status=2)


def _is_numeric(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return all(isinstance(one, int) for one in get_args(annotation))
    parts = get_args(annotation)
    return annotation in (int, float) or any(_is_numeric(part) for part in parts)


def _width(annotation: Any) -> int:
    """How many numbers make a value; 0 for one that is no list."""
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is tuple:
            inside = get_args(part)
            return 2 if Ellipsis in inside else len(inside)
    return 0
