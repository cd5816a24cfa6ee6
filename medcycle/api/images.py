"""Images as the functions of this package take them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from medcycle.errors import UsageError
from medcycle.io.discover import Source, one_source
from medcycle.io.images import volume_of
from medcycle.volume import Array, Volume

__all__ = ["image_of", "path_or_none"]

GIVEN = Path("the image given")
"""The name in error messages of an image that is not a file."""


def path_or_none(path: Path | str | None) -> Path | None:
    """A path that need not be given."""
    return None if path is None else Path(path)


def image_of(image: Any, affine: Array | None = None) -> tuple[Source, Volume]:
    """An image of any kind that `synthesize` takes, and where it is from."""
    if affine is not None and not isinstance(image, np.ndarray):
        raise UsageError(f"affine is only for arrays, not for a {type(image).__name__}; leave it out")
    if isinstance(image, str | os.PathLike):
        source = one_source(Path(image))
        return source, source.read()
    return Source("image", GIVEN), volume_of(image, affine)
