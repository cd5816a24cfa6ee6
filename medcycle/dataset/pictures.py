"""Pictures as the store holds them: three slices, which are red, green and blue."""

from __future__ import annotations

import numpy as np

from medcycle.dataset.preparation import Prepared
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.io.pictures import WHITE, Picture
from medcycle.volume import Array, Grid, Volume

__all__ = ["CHANNELS", "from_network", "prepared_picture", "to_network"]

CHANNELS = 3

MAPS = {"mr": MrPercentile(0.0, WHITE, bottom=-1.0), "ct": HounsfieldWindow(0.0, WHITE)}
"""Both are linear, from black to white; the kinds are those that a store has for its two modalities."""


def prepared_picture(picture: Picture, modality: str) -> Prepared:
    """A picture as a volume of three slices, with 1 mm pixels, that is body as a whole.

    The body is said to be in the middle slice alone, so that training draws the three together.
    """
    image = to_network(picture.array)
    grid = Grid(image.shape, np.eye(4))
    body = np.zeros(image.shape, dtype=bool)
    body[:, :, CHANNELS // 2] = True
    return Prepared(Volume(image, grid), Volume(body, grid), MAPS[modality])


def to_network(array: Array) -> Array:
    """Pixels from 0 to 255, (rows, columns, 3), as values in [−1, 1], (columns, rows, 3)."""
    return np.ascontiguousarray((array / np.float32(WHITE / 2) - 1).transpose(1, 0, 2), dtype=np.float32)


def from_network(array: Array) -> Array:
    """Values in [−1, 1], (columns, rows, 3), as pixels from 0 to 255, (rows, columns, 3)."""
    return np.ascontiguousarray((array.clip(-1, 1) + 1) * np.float32(WHITE / 2)).transpose(1, 0, 2)
