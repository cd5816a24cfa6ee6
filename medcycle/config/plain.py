"""YAML to plain values, within limits: a few lines of aliases can stand for more than any memory holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from medcycle.io.opening import read_text

__all__ = ["LARGEST_CONFIG", "parse_yaml", "read_yaml"]

LARGEST_CONFIG = 2**20
"""Bytes of a file."""

MOST_NODES = 20_000
"""Values and keys, those that aliases repeat counted each time; a configuration has a hundred."""

DEEPEST = 20

Loader = type[yaml.SafeLoader] | type[yaml.BaseLoader]


def read_yaml(path: Path, loader: Loader = yaml.SafeLoader) -> Any:
    """The values of a YAML file.

    Raises:
        yaml.YAMLError: as `parse_yaml` does.
        UnreadableFile: if it is larger than a configuration, or no regular file.
        OSError, UnicodeDecodeError: if it can't be read.
    """
    return parse_yaml(read_text(path, LARGEST_CONFIG), loader)


def parse_yaml(text: str, loader: Loader = yaml.SafeLoader) -> Any:
    """The values that a text in YAML stands for.

    Raises:
        yaml.YAMLError: if it is not YAML, nested too deeply, or stands for too many values.
    """
    try:
        return _of_kind(loader)(text).get_single_data()
    except yaml.YAMLError:
        raise
    except Exception as error:  # of a number, a date or a tag that Python can't make anything of
        reason = " ".join(str(error).split()) or type(error).__name__
        raise yaml.YAMLError(f"a value that can't be read: {reason}") from error


def _of_kind(loader: Loader) -> Any:
    class Bounded(loader):  # type: ignore[misc,valid-type]
        """Counts as it composes."""

        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.depth = self.nodes = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.depth >= DEEPEST:
                raise yaml.YAMLError(f"nested more than {DEEPEST} deep")
            is_alias, begun = self.check_event(yaml.AliasEvent), self.nodes
            self.depth += 1
            self.nodes += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            if not is_alias:
                node.within = self.nodes - begun  # itself and what is below it
            elif hasattr(node, "within"):
                self.nodes += node.within
            else:
                raise yaml.YAMLError("an alias inside its own value")
            if self.nodes > MOST_NODES:
                raise yaml.YAMLError(f"more than {MOST_NODES} values, including aliases")
            return node

    return Bounded
