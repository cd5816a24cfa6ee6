"""What sections of a configuration are made of, each number with its bounds and the reason for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "AboveZero",
    "Because",
    "Beta",
    "Channels",
    "Count",
    "Devices",
    "Hounsfield",
    "Images",
    "LayerCount",
    "Minutes",
    "Pixels",
    "Processes",
    "Range",
    "Rate",
    "Section",
    "Seed",
    "Share",
    "Spacing",
    "Steps",
    "Weight",
]


@dataclass(frozen=True)
class Because:
    """Why a number has its bounds, for the error of one that is out of them."""

    why: str


Steps = Annotated[int, Field(gt=0, le=10**9), Because("a thousand million steps take years")]
Minutes = Annotated[float, Field(gt=0, le=10**6), Because("a million minutes are two years")]
Count = Annotated[int, Field(ge=0, le=10**5), Because("so many fit neither into memory nor into a run")]
Channels = Annotated[int, Field(gt=0, le=2048), Because("wider layers fit into no memory")]
LayerCount = Annotated[int, Field(gt=0, le=64), Because("deeper networks fit into no memory, and don't learn")]
Images = Annotated[int, Field(gt=0, le=4096), Because("larger batches fit into no memory")]
Pixels = Annotated[int, Field(gt=0, le=4096), Because("scans are not larger")]
Devices = Annotated[int, Field(gt=0, le=64), Because("no machine has more")]
Processes = Annotated[int, Field(ge=0, le=256), Because("each is a program of its own in memory")]
Seed = Annotated[int, Field(ge=0, lt=2**32), Because("generators of random numbers take 32 bits")]
Rate = Annotated[float, Field(gt=0, le=1), Because("training diverges with larger ones")]
Beta = Annotated[float, Field(ge=0, lt=1), Because("Adam's averages never end with more")]
Hounsfield = Annotated[float, Field(ge=-(2**15), le=2**16), Because("CT is stored in 16 bits")]
Weight = Annotated[float, Field(ge=0, le=10**6), Because("losses that differ by more drown each other in float32")]
AboveZero = Annotated[float, Field(gt=0, le=1000), Because("it is a factor, or a length in voxels or millimetres")]
Spacing = (
    Annotated[float, Field(ge=0.05, le=20), Because("finer voxels fit into no memory, coarser show nothing")] | None
)
Share = Annotated[float, Field(ge=0, le=1)]


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"the first, {ends[0]:g}, is larger than the second, {ends[1]:g}; give the smaller one first")
    return ends


Range = Annotated[tuple[AboveZero, AboveZero], AfterValidator(_rising)]


class Section(BaseModel):
    """A frozen section that refuses keys it does not know, and numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
