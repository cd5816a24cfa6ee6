"""Modules of medcycle as a package of their own, so that a bundle does what medcycle does without it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

__all__ = ["MODULES", "write_scripts"]

MODULES = (
    *("errors", "volume", "intensity", "patch_geometry", "processors"),
    *("blank_slices", "resample", "body"),
    *("io.itk_images", "dataset.bias_field", "dataset.preparation"),
    *("inference.device", "inference.passes", "inference.windows", "inference.translator"),
    *("export.bundle.settings", "export.bundle.steps"),
)
"""What `steps` imports of medcycle, and what those import; no two have the same last name."""

INSTEAD = {"config": "settings"}
"""Modules that are too much for a bundle, and what takes their place."""

IMPORT = re.compile(r"^from medcycle\.(?:\w+\.)*(\w+) import ", re.MULTILINE)

FIRST = '''"""Preparation, translation and restoring of volumes: modules of medcycle {version}, copied.

Copyright of medcycle's authors, Apache License 2.0. Only their imports were changed: to this package.
"""

from .steps import PrepareVolumed, RestoreVolumed, TranslationInferer

__all__ = ["PrepareVolumed", "RestoreVolumed", "TranslationInferer"]
'''


def write_scripts(folder: Path, version: str) -> None:
    """Write the package.

    Args:
        folder: where to, absent so far.
        version: medcycle's.
    """
    folder.mkdir()
    (folder / "__init__.py").write_text(FIRST.format(version=version), encoding="utf-8")
    for module in MODULES:
        *rooms, name = module.split(".")
        text = files("medcycle").joinpath(*rooms, f"{name}.py").read_text(encoding="utf-8")
        (folder / f"{name}.py").write_text(IMPORT.sub(_imported_here, text), encoding="utf-8")


def _imported_here(found: re.Match[str]) -> str:
    return f"from .{INSTEAD.get(found[1], found[1])} import "
