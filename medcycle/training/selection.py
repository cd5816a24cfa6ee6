"""When a run is validated, which of its checkpoints is the best, and whether it still gets better."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from medcycle.config import TrainingConfig
from medcycle.inference import Calibration
from medcycle.training.validation import Validation

__all__ = ["Selection"]

MOST_TIME = 0.1
"""Part of the time that validations may take where a run is limited by minutes; the last one comes anyway."""

DRIFTED = 1.15
"""How many times its least the error on MR-like images has to be for the anatomy to be taken to drift."""


@dataclass
class Standing:
    """How the validations of a run went so far; plain values, kept in its checkpoints.

    Args:
        done: the last turn that was due.
        score: the best; None before the first.
        step: of the best.
        in_vain: validations since.
        likeness: the least error on MR-like images, HU.
        seconds: that all of them took.
        calibration: as `Calibration.to_dict` has it, of the best.
    """

    done: int = 0
    score: float | None = None
    step: int = 0
    in_vain: int = 0
    likeness: float = float("inf")
    seconds: float = 0.0
    calibration: dict[str, list[float]] | None = None


class Selection:
    """Validates a run at even distances.

    Args:
        config: how often, and how patiently.

    Attributes:
        standing: how it went so far.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.standing = Standing()

    def is_due(self, progress: float, elapsed_seconds: float) -> bool:
        """Whether a run that is so far done, 0 to 1, is to be validated now."""
        turn = int(progress * self.config.validations)
        if turn <= self.standing.done:
            return False
        self.standing.done = turn
        short = self.config.max_minutes and self.standing.seconds > MOST_TIME * elapsed_seconds
        return progress >= 1 or not short

    def take(
        self, step: int, validate: Callable[[], Validation], calibrate: Callable[[], Calibration]
    ) -> tuple[Validation, bool]:
        """Validate the method as it is after a step, and if it is the best, find out what its errors go with.

        Returns:
            What was found, and whether there was nothing better before.
        """
        now = self.standing
        begun = time.monotonic()
        found = validate()
        likeness = found.terms["likeness"]
        if likeness > DRIFTED * now.likeness:
            found.alarms.append(
                f"anatomy drifting: the error on MR-like images has grown from {now.likeness:.0f} to {likeness:.0f} HU"
            )
        now.likeness = min(now.likeness, likeness)
        best = math.isfinite(found.score) and (now.score is None or found.score <= now.score)
        now.in_vain += 1
        if best:
            now.score, now.step, now.in_vain = found.score, step, 0
            now.calibration = calibrate().to_dict()
        now.seconds += time.monotonic() - begun
        return found, best

    @property
    def is_over(self) -> bool:
        """Whether nothing has become better for as long as the run has patience."""
        return self.config.patience is not None and self.standing.in_vain >= self.config.patience

    @property
    def best(self) -> tuple[int, float] | None:
        """The step with the best score, and the score; None before the first."""
        return None if self.standing.score is None else (self.standing.step, self.standing.score)

    def state_dict(self) -> dict[str, Any]:
        """What a run needs to go on."""
        return asdict(self.standing)
