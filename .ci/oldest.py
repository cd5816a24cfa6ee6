#!/usr/bin/env python3
"""Prints the lowest version of each direct dependency that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
groups = [project["dependencies"], *project["optional-dependencies"].values()]
for line in sorted({line for group in groups for line in group}):
    if not line.startswith(project["name"] + "["):  # its own extras
        oldest, count = re.subn(r"^([\w.-]+)>=", r"\1==", line)
        if not count:
            raise SystemExit(f"error: pyproject.toml has no lower bound for {line}")
        print(oldest)
