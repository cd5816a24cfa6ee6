"""Validations in the course of a run, within its minutes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch

from medcycle.methods.base import Method
from medcycle.methods.checkpoint import BEST
from medcycle.training.journal import Journal
from medcycle.training.learner import Learner
from medcycle.training.pair_maker import MEASURE_FROM
from medcycle.training.runtime import largest
from medcycle.training.seeds import seed_of
from medcycle.training.validation import Validation, Validator

__all__ = ["ALARMS_FROM", "Judge"]

log = logging.getLogger(__name__)

ALARMS_FROM = (MEASURE_FROM, 0.1)
"""Steps and part of the run before which nothing is alarming: new networks don't know where bone is."""

TOLERANCE = 1.3
"""times the time allowed that the smallest validation may take, which can't be made smaller."""

T = TypeVar("T")


class Judge:
    """Validates what a run has learned, at its turns, and keeps the best.

    Args:
        learner: what learns.
        clock: seconds that the run has taken so far.
        told: takes what a validation is at, for people.
    """

    def __init__(self, learner: Learner, clock: Callable[[], float], told: Callable[[str], None]) -> None:
        self.learner = learner
        self.clock = clock
        self.validator = Validator(
            learner.config, learner.store, learner.held_out, learner.intensity, learner.fabric.device
        )
        self.validator.told = lambda done, total: told(f"step {learner.step}, validating {done}/{total}")

    def prepare(self) -> None:
        """Find out what a validation takes, if the run's minutes are limited."""
        learner, settings = self.learner, self.learner.config.training
        if not (settings.max_minutes and settings.validations):
            return
        if learner.fabric.is_global_zero:
            try:
                self._judged(self.validator.find_pace)
                learner.selection.cost = self.validator.seconds(learner.method)
            except RuntimeError:  # as of memory; the validation itself will say so
                learner.selection.cost = 0.0
        (learner.selection.cost,) = largest(learner.fabric, [learner.selection.cost])

    def take_turn(self, journal: Journal) -> bool:
        """Score the method if it is time, and keep it if there was none better.

        Returns:
            Whether the run has lost its patience.
        """
        learner, selection = self.learner, self.learner.selection
        if not selection.is_due(learner.progress):
            return False
        (share,) = largest(learner.fabric, [self._share() if learner.fabric.is_global_zero else 0.0])
        self.validator.take(share or 1.0)
        if share and learner.fabric.is_global_zero:
            self._validate(journal, share)
        elif not share and learner.progress >= 1 and selection.best is None and learner.fabric.is_global_zero:
            log.warning(
                "no validation, which would take about %.1f minutes, so no best checkpoint; increase "
                "training.max_minutes, or set training.validations=0",
                selection.cost / 60,
            )
        standing = selection.standing
        states = [float(selection.is_over), standing.seconds, selection.cost, self.clock()]
        is_over, standing.seconds, selection.cost, learner.elapsed = largest(learner.fabric, states)
        if share:
            learner.save()  # so that a killed run goes on knowing its best
        return bool(is_over)

    def _share(self) -> float:
        """The part of the slices or volumes that there is time for."""
        learner, selection = self.learner, self.learner.selection
        share = selection.share(learner.progress, learner.elapsed)
        if share == selection.standing.share or not share:
            return share
        self.validator.take(share)
        most = TOLERANCE * selection.allowed(learner.progress, learner.elapsed)
        return share if self.validator.seconds(learner.method) <= most else 0.0

    def _validate(self, journal: Journal, share: float) -> None:
        learner, selection = self.learner, self.learner.selection
        judges = (partial(self._judged, self.validator), partial(self._judged, self.validator.calibration))
        try:
            with learner.average.applied():
                found, best = selection.take(learner.step, *judges, share)
        except RuntimeError as error:  # as of memory, which whole volumes take more of than patches
            if learner.fabric.world_size > 1:
                raise
            log.warning(
                "step %d: validation failed and was left out (%s)", learner.step, " ".join(str(error).split())[:200]
            )
            return
        if best:
            learner.write(BEST, {"score": found.score})
        self._tell(journal, found)

    def _tell(self, journal: Journal, found: Validation) -> None:
        learner = self.learner
        steps, part = ALARMS_FROM
        if learner.step < steps or learner.progress < part:
            found = found._replace(alarms=[])
        journal.validated(learner.step, self.clock(), found)
        for alarm in found.alarms if learner.fabric.is_global_zero else ():
            log.warning("step %d: %s", learner.step, alarm)

    def _judged(self, judge: Callable[[Method], T]) -> T:
        """What a judge says of the method; what it draws doesn't depend on the steps before."""
        torch.manual_seed(seed_of(self.learner.config.training.seed, self.learner.step, 0))
        with self.learner.fabric.autocast():
            return judge(self.learner.method)
