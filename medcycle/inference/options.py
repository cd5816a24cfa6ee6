"""What can be chosen of a prediction, and the passes through the network that follow from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from medcycle.config import Config
from medcycle.errors import UsageError
from medcycle.inference.device import Precision
from medcycle.inference.windows import Windows
from medcycle.volume import Grid

__all__ = ["Options", "config_for"]

MOST_SHIFTS = 4
"""There are no more: generators halve their input twice."""


@dataclass(frozen=True)
class Options:
    """How volumes are translated.

    Args:
        planes: the planes whose slices a 2D network translates: those it was trained on, or axial, coronal and sagittal
            ones, from one spacing along all axes.
        fusion: what voxels get of several passes.
        flips: translate the mirrored volume as well.
        shifts: how many times to translate it, each time with the network's strides elsewhere; 1 to 4.
        uncertainty: whether the standard deviation over passes is wanted, and what comes back of a cycle.
        windows: how a volume is taken apart.
        precision: None for the fastest of the device.

    Raises:
        UsageError: if there are not 1 to 4 shifts, or windows overlap by less than nothing or by all.
    """

    planes: Literal["trained", "all"] = "trained"
    fusion: Literal["mean", "median"] = "mean"
    flips: bool = False
    shifts: int = 1
    uncertainty: bool = False
    windows: Windows = field(default_factory=Windows)
    precision: Precision | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.shifts <= MOST_SHIFTS:
            raise UsageError(f"--shifts {self.shifts}: give 1 to {MOST_SHIFTS}")
        if not 0 <= self.windows.overlap < 1:
            raise UsageError(f"--overlap {self.windows.overlap}: give a fraction of the window, from 0 to less than 1")

    def to_dict(self) -> dict[str, Any]:
        """Plain values of all that the result depends on."""
        values = asdict(self)
        del values["windows"]["batch_size"]
        return values


def config_for(config: Config, options: Options, grid: Grid) -> Config:
    """The configuration that a volume is prepared and translated by: with `planes` all, of one spacing.

    Raises:
        UsageError: if the network is not one of slices.
    """
    if options.planes == "trained" or config.data.plane == "all":
        return config
    if config.network.spatial_dims == 3:
        raise UsageError("--planes all is only for 2D networks; this one is 3D, leave it out")
    widths = config.geometry.widths[:2]
    width = min(own for own in widths if own) if any(widths) else min(grid.spacing)
    return config.model_copy(
        update={"data": config.data.model_copy(update={"plane": "all", "spacing": (width, width, width)})}
    )
