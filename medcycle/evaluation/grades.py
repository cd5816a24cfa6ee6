"""How a figure is judged where there is no true CT, and what that comes to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

__all__ = ["GRADES", "Grade", "Measure", "Verdict"]

Grade = Literal["no finding", "check", "do not use"]

GRADES: tuple[Grade, ...] = ("no finding", "check", "do not use")


class Verdict(NamedTuple):
    """On one synthetic CT.

    Args:
        grade: the worst of all measures.
        score: what is expected to be wrong; larger is worse.
        reasons: in sentences, of all that is not as expected.
    """

    grade: Grade
    score: float
    reasons: list[str]


@dataclass(frozen=True)
class Measure:
    """One figure and how it is judged.

    Args:
        key: short, for tables.
        name: in words.
        value: the figure; None where it can't be had, which is no finding.
        unit: of the value.
        check: from where on it has to be looked at.
        reject: from where on the result is not to be used; None if this alone is never a reason.
        why: what it means, in a sentence.
    """

    key: str
    name: str
    value: float | None
    unit: str
    check: float
    reject: float | None
    why: str

    @property
    def excess(self) -> float:
        """How far beyond `check` it is, 1 at `reject`; 0 if it isn't, at most 2."""
        if self.value is None:
            return 0.0
        scale = abs((self.reject if self.reject is not None else 2 * self.check) - self.check) or 1.0
        beyond = self.value - self.check if self.rising else self.check - self.value
        return float(np.clip(beyond / scale, 0.0, 2.0))

    @property
    def rising(self) -> bool:
        """Whether large values are the bad ones."""
        return self.reject is None or self.reject > self.check

    @property
    def grade(self) -> Grade:
        """Of the three `GRADES`."""
        if self.value is None:
            return "no finding"
        beyond = [self.value > limit if self.rising else self.value < limit for limit in self._limits]
        return GRADES[sum(beyond)]

    @property
    def _limits(self) -> list[float]:
        return [self.check] if self.reject is None else [self.check, self.reject]

    def of_cbct(self) -> Measure:
        """The same of a CT that was made from CBCT, in words too."""
        return replace(self, name=self.name.replace("MR", "CBCT"), why=self.why.replace("MR", "CBCT"))

    def to_json(self) -> dict[str, Any]:
        """As the file of a case holds it."""
        word = "at most" if self.rising else "at least"
        return {
            "key": self.key,
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "expected": f"{word} {self.check:.3g}{' ' * bool(self.unit)}{self.unit}",
            "grade": self.grade,
            "why": self.why,
        }
