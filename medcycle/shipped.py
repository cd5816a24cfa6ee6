"""The names of what ships with medcycle: only folders are read, so that a shell can complete them at once."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MODELS", "MODEL_SUFFIX", "config_names", "shipped_names"]

MODELS = Path(__file__).with_name("models")
"""Has a folder for each model."""

MODEL_SUFFIX = ".json"
"""Of a model's description."""


def config_names() -> dict[str, Path]:
    """The shipped recipes: name to file."""
    package = Path(__file__).parent
    for folder in (package / "_configs", package.parent / "configs"):  # in a wheel; in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def shipped_names() -> list[str]:
    """The names of the shipped models."""
    return sorted(path.stem for path in MODELS.glob(f"*/*{MODEL_SUFFIX}"))
