"""When a run is validated, which of its checkpoints is the best, and whether it still gets better."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from medcycle.config import TrainingConfig
from medcycle.inference import Calibration
from medcycle.training.validation import Validation

__all__ = ["Selection", "Standing"]

MOST_TIME = 0.1
"""Part of the time so far that validations may take where a run is limited by minutes."""

MOST_AT_END = 0.15
"""Part of the minutes that the last validation may take beyond them, so that a best checkpoint is known."""

ALWAYS_AT_END = 10.0
"""Seconds that it may take anyway, for runs of a minute."""

LEAST_SHARE = 0.05
"""The part of the slices, one of twenty, without which a validation says nothing."""

DRIFTED = 1.15
"""How many times its least the error on simulated MR has to be for the anatomy to be taken to drift."""

RENAMED = {"likeness": "simulated_mr"}
"""What older versions called a field."""


@dataclass
class Standing:
    """How the validations of a run went so far; plain values, kept in its checkpoints.

    Args:
        done: the last turn that was due.
        score: the best; None before the first.
        step: of the best.
        in_vain: validations since.
        simulated_mr: the least error on simulated MR, HU.
        seconds: that all of them took.
        calibration: as `Calibration.to_dict` has it, of the best.
        share: the part of the slices or volumes that the scores are of, 0 to 1.
        kind: what they are, as `Validation` has it.
        constant: the score of one CT number for all of the body, HU.
    """

    done: int = 0
    score: float | None = None
    step: int = 0
    in_vain: int = 0
    simulated_mr: float = float("inf")
    seconds: float = 0.0
    calibration: dict[str, Any] | None = None
    share: float = 1.0
    kind: str | None = None
    constant: float | None = None

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """What a checkpoint holds; older ones call `simulated_mr` likeness."""
        return cls(**{RENAMED.get(name, name): value for name, value in state.items()})


class Selection:
    """Validates a run at even distances.

    Args:
        config: how often, and how patiently.

    Attributes:
        standing: how it went so far.
        cost: seconds that a whole validation takes, as far as is known.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.standing = Standing()
        self.cost = 0.0

    def go_on(self, standing: Standing, progress: float) -> None:
        """Go on from where a run stood that is so far done, 0 to 1: less than before, if it has got more steps."""
        self.standing = standing
        standing.done = min(standing.done, self._turn(progress))

    def is_due(self, progress: float) -> bool:
        """Whether a run that is so far done, 0 to 1, has come to another turn."""
        turn = self._turn(progress)
        if turn <= self.standing.done:
            return False
        self.standing.done = turn
        return True

    def share(self, progress: float, elapsed_seconds: float) -> float:
        """The part of the slices or volumes, 0 to 1, that there is time to translate; 0 to leave the turn out.

        All scores of a run are of the same part. A smaller one than all is for the last turn of a run in which there
        was time for none before.
        """
        now = self.standing
        allowed = self.allowed(progress, elapsed_seconds)
        if now.share * self.cost <= allowed:
            return now.share
        if progress < 1 or now.score is not None:
            return 0.0
        share = allowed / self.cost
        return share if share >= LEAST_SHARE else 0.0

    def allowed(self, progress: float, elapsed_seconds: float) -> float:
        """Seconds that a validation may take now."""
        if not self.config.max_minutes:
            return math.inf
        if progress >= 1:
            return max(MOST_AT_END * 60 * self.config.max_minutes, ALWAYS_AT_END)
        return MOST_TIME * elapsed_seconds - self.standing.seconds

    def take(
        self, step: int, validate: Callable[[], Validation], calibrate: Callable[[], Calibration], share: float = 1.0
    ) -> tuple[Validation, bool]:
        """Validate the method as it is after a step, and if it is the best, find out what its errors go with.

        Args:
            step: the step.
            validate: does the one.
            calibrate: does the other.
            share: the part of the slices or volumes that is translated.

        Returns:
            What was found, and whether there was nothing better before.
        """
        now = self.standing
        now.share = share
        begun = time.monotonic()
        found = validate()
        error = found.terms["simulated_mr"]
        if error > DRIFTED * now.simulated_mr:
            found.alarms.append(
                f"anatomy drifting: the error on simulated MR has grown from {now.simulated_mr:.0f} to {error:.0f} HU"
            )
        now.simulated_mr = min(now.simulated_mr, error)
        best = math.isfinite(found.score) and (now.score is None or found.score <= now.score)
        now.in_vain += 1
        if best:
            now.score, now.step, now.in_vain = found.score, step, 0
            now.kind, now.constant = found.kind, found.constant
            now.calibration = calibrate().to_dict()
        seconds = time.monotonic() - begun
        now.seconds += seconds
        self.cost = seconds / share if best else max(self.cost, seconds / share)  # else without a calibration
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

    def _turn(self, progress: float) -> int:
        return int(min(progress, 1.0) * self.config.validations)
