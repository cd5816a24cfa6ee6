"""The settings of a preparation, where there is no configuration of medcycle: in a bundle's scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medcycle.body import Kind
from medcycle.patch_geometry import Plane

__all__ = ["DataConfig"]


@dataclass(frozen=True)
class DataConfig:
    """What `prepare_volume` reads of the configuration's section of that name, whose docstring describes them."""

    plane: Plane
    spacing: tuple[float | None, float | None, float | None]
    hu_window: tuple[float, float]
    soft_tissue: tuple[float, float] | None
    mr_normalisation: Literal["percentile", "z-score", "nyul"]
    mr_percentile: float
    bias_correction: bool
    source: Kind
