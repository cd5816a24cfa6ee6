"""What a checkpoint has to hold to be used, checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from medcycle.config import Config
from medcycle.errors import DataError
from medcycle.intensity import IntensityMap, map_from_dict
from medcycle.methods.build import build_method, without_memory

__all__ = ["Contents", "checked", "require_fitting_weights"]

LENGTHS = 10.0**5
"""mm; no scan is longer."""

LARGEST_SIGNAL = 1e30
"""of MR or CT, far below what float32 holds."""

MOST_CASES = 10**6

Length = Annotated[float, Field(gt=0, le=LENGTHS, strict=True)]
Signal = Annotated[float, Field(ge=-LARGEST_SIGNAL, le=LARGEST_SIGNAL, strict=True)]
Error = Annotated[float, Field(ge=0, le=LARGEST_SIGNAL, strict=True)]
Lengths = Annotated[list[Length], Field(min_length=3, max_length=3)]
Mapped = Annotated[float, Field(ge=-1, le=1, strict=True)]


class _Part(BaseModel):
    """Plain values; lists for tuples, as torch gives both back. Numbers are numbers, not what can be made into one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Intensity(_Part):
    """An intensity map's plain values, as `map_from_dict` takes them."""

    model_config = ConfigDict(extra="allow")

    kind: str

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for name, value in values.items():
                for number in value if isinstance(value, list | tuple) else [value]:
                    if name != "kind" and not (_is_number(number) and abs(number) <= LARGEST_SIGNAL):
                        raise ValueError(f"{name} is no number, but {str(number)[:40]!r}")
        return values

    @model_validator(mode="after")
    def _is_a_map(self) -> _Intensity:
        try:
            self.map()
        except DataError as error:
            raise ValueError(str(error)) from error
        except TypeError as error:
            raise ValueError("not the values of such a map") from error
        return self

    def map(self) -> IntensityMap:
        """The map."""
        return map_from_dict({"kind": self.kind, **(self.model_extra or {})})


class _Profile(_Part):
    """A `Profile` as plain values."""

    spacing: Lengths
    field: Lengths
    body: Lengths
    section: float = Field(ge=0, le=1, strict=True)
    deciles: list[Mapped] = Field(min_length=9, max_length=9)
    tissues: dict[Literal["air_percent", "air_hu", "bone_percent", "bone_hu"], Signal] | None = None


class _Curve(_Part):
    """A `Curve` as plain values."""

    deviation: list[Error] = Field(min_length=1, max_length=1000)
    error: list[Error] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        if len(self.deviation) != len(self.error):
            raise ValueError("deviation and error are of different lengths")
        if self.deviation != sorted(set(self.deviation)) or self.error != sorted(self.error):
            raise ValueError("deviation has to rise, and error must not fall")
        return self


class _Calibration(_Curve):
    """A `Calibration` as plain values; older ones have the curve of the whole body alone."""

    classes: dict[Annotated[str, Field(max_length=40)], _Curve] = Field(default_factory=dict, max_length=20)
    floor: Error = 0.0


class _Learned(_Part):
    """Those of `Facts` that are known."""

    mr: int | None = Field(None, ge=0, le=MOST_CASES, strict=True)
    ct: int | None = Field(None, ge=0, le=MOST_CASES, strict=True)
    score: Annotated[float, Field(ge=0, strict=True)] | None = None
    kind: Literal["mae", "unpaired"] | None = None
    constant: Annotated[float, Field(ge=0, strict=True)] | None = None


class Contents(_Part):
    """The part of a checkpoint that is not about training; `profiles` and what follows older ones don't have."""

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)

    config: dict[str, Any]
    intensity: dict[Literal["mr", "ct"], _Intensity]
    step: int = Field(ge=0, le=10**9, strict=True)
    profiles: dict[Literal["mr", "ct"], list[_Profile]] = Field(default_factory=dict)
    calibration: _Calibration | None = None
    learned: _Learned = _Learned()
    method: dict[str, Tensor]

    @model_validator(mode="after")
    def _has_both(self) -> Contents:
        if "ct" not in self.intensity:
            raise ValueError("intensity: nothing of CT")
        return self

    def maps(self) -> dict[str, IntensityMap]:
        """The intensity maps, by modality."""
        return {modality: one.map() for modality, one in self.intensity.items()}


def checked(state: Mapping[str, Any]) -> Contents:
    """What `torch.load` gave, with every part of the kind it should be.

    Raises:
        ValueError: naming the part that is not.
    """
    try:
        return Contents.model_validate(dict(state))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place}: {message}" if place else message) from None


def require_fitting_weights(config: Config, weights: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` unless weights are those of the configuration's networks, before memory is asked for these.

    They have to be real numbers, all of them finite.
    """
    with without_memory():
        wanted = build_method(config).state_dict()
    if missing := sorted(wanted.keys() - weights.keys()):
        raise ValueError(f"method: no {missing[0]}{_more(missing)}, which the configuration's networks have")
    if foreign := sorted(weights.keys() - wanted.keys()):
        raise ValueError(f"method: {foreign[0][:80]}{_more(foreign)} is of no network of the configuration")
    for name, tensor in wanted.items():
        if weights[name].shape != tensor.shape:
            shapes = f"{list(weights[name].shape)}, not {list(tensor.shape)}"
            raise ValueError(f"method.{name}: is of another shape than the configuration's networks, {shapes}")
        if weights[name].is_complex() or weights[name].is_floating_point() != tensor.is_floating_point():
            raise ValueError(f"method.{name}: of {weights[name].dtype}, not {tensor.dtype}")
        if not bool(torch.isfinite(weights[name]).all()):
            raise ValueError(f"method.{name}: contains NaN or infinite values, as after diverged training")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
