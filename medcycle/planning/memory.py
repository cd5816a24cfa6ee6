"""What of a plan has to fit into the memory of a device."""

from __future__ import annotations

from functools import cache

from medcycle.config import Config, DataConfig
from medcycle.planning.cost import step_memory
from medcycle.planning.plan import Choices, Device, Plan

__all__ = ["SIDES_3D", "filters_of", "fitting_batch", "fitting_filters", "largest_side"]

USABLE = 0.7
"""of the memory; the rest is workspace and fragments."""

SIDES_3D = (160, 128, 96)
"""Sides of 3D patches, the largest that fits in memory being taken."""

LEAST_FILTERS = 16

LARGEST_BATCH = 4
"""A step of twice the batch takes less than twice the time on a GPU, up to a few images."""


def filters_of(count: int, why: str = "") -> Choices:
    """So many channels of the first layers, and why; the usual reason if none is given."""
    why = why or {32: "half of Zhu et al. 2017, for time or memory", 64: "as in Zhu et al. 2017"}[count]
    return {"network.filters": (count, why), "network.discriminator_filters": (count, why)}


def fitting_filters(choices: Choices, device: Device) -> Choices:
    """Fewer filters, if a step of one patch does not fit into memory; nothing for a network that has none."""
    filters = choices.get("network.filters", (0,))[0]
    if not filters or _memory(choices, 1) <= USABLE * device.memory:
        return {}
    while filters > LEAST_FILTERS:
        filters //= 2
        fewer = filters_of(filters, f"more don't fit on a {device}")
        if _memory(choices | fewer, 1) <= USABLE * device.memory:
            return fewer
    return filters_of(filters, f"even so a step may not fit on a {device}; lower data.patch_size")


def fitting_batch(choices: Choices, device: Device) -> Choices:
    """As many patches as fit, up to `LARGEST_BATCH`; nothing if that is chosen already."""
    if "training.batch_size" in choices:
        return {}
    if device.kind != "cuda" and choices["network.name"][0] != "unet":
        return {"training.batch_size": (1, "as in Zhu et al. 2017")}
    batch = 1
    while batch < LARGEST_BATCH and _memory(choices, 2 * batch) <= USABLE * device.memory:
        batch *= 2
    needed = _memory(choices, batch) / 2**30
    return {"training.batch_size": (batch, f"a step takes about {needed:.1f} GiB, on a {device}")}


@cache
def largest_side(device: Device) -> int | None:
    """The side of the largest 3D patch that fits, if one does."""
    for side in SIDES_3D:
        choices: Choices = {"data.patch_size": ([side] * 3, ""), "network.spatial_dims": (3, ""), **filters_of(32)}
        if _memory(choices | {"network.blocks": (6, "")}, 1) <= USABLE * device.memory:
            return side
    return None


def _memory(choices: Choices, batch: int) -> int:
    config = Plan(choices | {"training.batch_size": (batch, "")}).config()
    sizes = DataConfig(slices=config.data.slices, patch_size=config.data.patch_size)
    return _counted(config.model_copy(update={"data": sizes}).model_dump_json())


@cache
def _counted(config: str) -> int:
    """What a step takes of a configuration in JSON, which can be remembered."""
    return step_memory(Config.model_validate_json(config))
