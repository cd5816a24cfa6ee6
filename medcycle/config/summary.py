"""A configuration in brief: what is set, and what it is for."""

from __future__ import annotations

import json
from collections.abc import Iterable

from medcycle.config.choice import Choice
from medcycle.config.sections import Config

__all__ = ["told_briefly"]

DEVICES = {"cpu": ", for a processor", "gpu": ", for a GPU", None: ""}


def told_briefly(name: str, config: Config, choice: Choice, sections: Iterable[str] = Config.model_fields) -> str:
    """A line on the method, the dimensions and the device, and below it the keys that differ from their defaults.

    Args:
        name: that of the recipe or file.
        config: what it comes to.
        choice: what it was read with.
        sections: those whose keys are told.

    Returns:
        The lines, the keys as YAML.
    """
    slices = "2.5D" if config.data.slices > 1 else "2D"
    dims = "3D" if config.network.spatial_dims == 3 else slices
    device = choice.filled({"training": {"accelerator": config.training.accelerator}}).kind
    lines = [f"{name}: method {config.method.name}, {dims}{DEVICES[device]}"]
    for section in sections:
        if keys := _changed(config, section):
            lines += [f"{section}:", *keys]
    return "\n".join(lines) + "\n"


def _changed(config: Config, section: str) -> list[str]:
    values, usual = getattr(config, section), Config.model_fields[section].default
    shown = values.model_dump(mode="json")
    fields = type(values).model_fields
    different = [
        key for key in fields if getattr(values, key) != (usual.name if key == "name" else fields[key].default)
    ]
    return [f"  {key}: {json.dumps(shown[key], ensure_ascii=False)}" for key in different]
