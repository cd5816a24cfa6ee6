"""What sections of a configuration are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["AboveZero", "Positive", "Range", "Section", "Share", "Spacing", "Weight"]

Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
Spacing = Annotated[float, Field(gt=0, le=20)] | None
Share = Annotated[float, Field(ge=0, le=1)]


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"the first, {ends[0]:g}, is larger than the second, {ends[1]:g}; give the smaller one first")
    return ends


Range = Annotated[tuple[AboveZero, AboveZero], AfterValidator(_rising)]


class Section(BaseModel):
    """A frozen section that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
