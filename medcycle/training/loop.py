"""A training run, from a prepared store to a checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning_fabric import Fabric

from medcycle.config import Config
from medcycle.data.split import split_store
from medcycle.data.store import Store
from medcycle.errors import BadCheckpoint, TrainingFailed, UsageError
from medcycle.io.files import write_text
from medcycle.methods.base import Batch
from medcycle.methods.build import build_method
from medcycle.methods.saved import BEST, LAST, SavedMethod, save_method
from medcycle.progress import ProgressLine
from medcycle.training.average import WeightAverage
from medcycle.training.compiled import compile_networks
from medcycle.training.feed import Feed, typical_intensity
from medcycle.training.journal import SKIPPED, Journal
from medcycle.training.optimizers import Optimizers, learning_rate_factor
from medcycle.training.pairs import PairMaker
from medcycle.training.pool import ImagePool
from medcycle.training.preview import draw_preview
from medcycle.training.run_folder import (
    cases_begun_on,
    require_run_folder,
    state_to_resume,
    voxels_of,
    write_manifest,
)
from medcycle.training.runtime import largest, make_fabric, of_all
from medcycle.training.seeds import seed_of
from medcycle.training.selection import Selection, Standing
from medcycle.training.signals import StopRequest
from medcycle.training.start import start_from
from medcycle.training.step import Step, Stepper
from medcycle.training.trackers import trackers_for
from medcycle.training.validation import Validation, Validator

__all__ = ["TrainingResult", "train"]

log = logging.getLogger(__name__)

REVERSE_EVERY = 4
"""Every so many steps of a warm start train the generator to the source as well."""

MOST_IN_VAIN = 100
"""Steps on end that may go without being taken."""


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Args:
        step: steps done in all.
        elapsed_seconds: time spent training, earlier parts of a resumed run included.
        stopped_by: `steps`, `minutes`, `patience`, or the name of a signal.
        checkpoint: the last checkpoint.
        best: the step of the checkpoint with the best score, and the score, HU; None if it was never validated.
        skipped: steps, since the run was begun or resumed, that were not taken since a gradient had exploded.
    """

    step: int
    elapsed_seconds: float
    stopped_by: str
    checkpoint: Path
    best: tuple[int, float] | None
    skipped: int

    @property
    def by_signal(self) -> bool:
        """Whether it could have gone on."""
        return self.stopped_by not in {"steps", "minutes", "patience"}


def train(
    config: Config,
    store: Store,
    run: Path,
    *,
    resume: bool = False,
    begin_with: Path | None = None,
    fabric: Fabric | None = None,
) -> TrainingResult:
    """Train a method on a store and leave a run folder.

    SIGINT, SIGTERM and SIGUSR1 end the run after the step under way; it is saved and can be resumed.

    Where several processes train together, each calls this. A step is that of one process with as many times the batch;
    the first process writes.

    Args:
        config: all settings.
        store: the prepared cases.
        run: the folder to write; new or empty, unless `resume`.
        resume: go on from `checkpoints/last.pt`.
        begin_with: a run or checkpoint whose networks a new run starts from.
        fabric: as of `make_fabric`, which makes it if none is given.

    Raises:
        UsageError: if `run` holds a run and `resume` is off, or holds none and it is on, or the run to resume began
            on another store, with another split or with other networks, or the store lacks MR that the method needs,
            or what to begin with doesn't fit, or is given for a run that is resumed.
        BadCheckpoint: if the checkpoint to resume from is damaged or of another method.
        DataError: if the split leaves nothing to train on.
        TrainingFailed: if a loss is no longer finite, or gradients have exploded for good.
    """
    require_run_folder(run, resume=resume)
    if resume and begin_with:
        raise UsageError(f"{run}: is resumed with its own networks; leave out {begin_with}")
    if config.method.needs_mr and not store.mr:
        raise UsageError(f"{store.root}: holds no MR, from which method.name {config.method.name} learns; prepare some")
    fabric = fabric or make_fabric(config.training)
    if resume:
        state = state_to_resume(config, run)
        trainer = _Trainer(config, *cases_begun_on(state, store, run), run, fabric, state)
    else:
        training, held_out = split_store(store, config.data)
        trainer = _Trainer(config, training, held_out, run, fabric, None, begin_with)
    fabric.barrier()  # until all have looked into the folder
    if fabric.is_global_zero:
        if not resume:
            write_manifest(run, store, training, held_out, begin_with)
        write_text(run / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    return trainer.run_to_end()


class _Trainer:
    def __init__(
        self,
        config: Config,
        store: Store,
        held_out: Store,
        run: Path,
        fabric: Fabric,
        state: dict[str, Any] | None,
        begin_with: Path | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.held_out = held_out
        self.run = run
        self.step = 0
        self.elapsed = 0.0
        self.skipped = self.in_vain = 0
        self.intensity = typical_intensity(store)
        self.fabric = fabric
        self.pairs = PairMaker(config, self.intensity, self.fabric.device, trained=begin_with is not None)
        self.feed = Feed(config, store, self.pairs, fabric)
        torch.manual_seed(config.training.seed)
        self.method = build_method(config)
        if begin_with:
            start_from(self.method, config, begin_with)
        self.method.to(fabric.device)
        if config.training.compile:
            compile_networks([*self.method.generators.values(), *self.method.discriminators.values()])
        self.pools = {
            name: ImagePool(config.training.pool_size, seed_of(config.training.seed, number, fabric.global_rank))
            for number, name in enumerate(self.method.discriminators)
        }
        self.selection = Selection(config.training)
        self.validator = Validator(config, store, held_out, self.intensity, fabric.device)
        optimizers = Optimizers.of(self.method, config.training)
        if state:
            self._restore(state, optimizers)
        else:
            self.average = WeightAverage(self.method.generators, config.training.ema_decay)
        self.optimizers = optimizers.on_devices(fabric)
        self.improve = Stepper(fabric, self.method, self.optimizers, self.pools, config.training.gradient_clip)

    def run_to_end(self) -> TrainingResult:
        """Step until the steps or the minutes are used up or a signal comes, and save."""
        settings = self.config.training
        first = self.fabric.is_global_zero
        trackers = trackers_for(self.config, self.run) if first else []
        journal = Journal(self.run, settings.log_every, self.step, writes=first, trackers=trackers)
        preview = self.feed.preview()
        before = self.elapsed
        start = time.monotonic()
        stopped = ""
        with StopRequest() as stop, ProgressLine("training", None) as progress:
            for batches in self._saved_if_lost(self.feed.steps(self.step, self._progress)):
                if stopped or self._progress() >= 1:
                    break
                losses, taken = self._improve(batches)
                self.average.update()
                self.step += 1
                self.elapsed = before + time.monotonic() - start
                journal.note(self.step, self.elapsed, losses if taken else {})
                self._count(taken, journal)
                if self.step % settings.preview_every == 0:
                    self._draw(preview, journal)
                if self.step % settings.checkpoint_every == 0 and taken:
                    self._save()
                if first and not stop.name and self.selection.is_due(self._progress(), self.elapsed):
                    self._validate(journal)
                progress.reach(self._progress(), journal.standing(self.step, self.elapsed))
                stopped, self.elapsed = self._agreed(stop.name)
            self._draw(preview, journal)
            self._save()
        journal.close()
        ended = stopped or self._limit_reached()
        return TrainingResult(self.step, self.elapsed, ended, self.run / LAST, self.selection.best, self.skipped)

    def _agreed(self, signal: str) -> tuple[str, float]:
        """Why all processes are to stop, or nothing, and the time of the one that took longest."""
        here = [float(bool(signal)), float(self.selection.is_over), self.elapsed]
        signalled, is_over, longest = largest(self.fabric, here)
        return signal or ("a signal" if signalled else "patience" if is_over else ""), longest

    def _saved_if_lost(self, batches: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
        """The batches of each step; when they can't be read any more, as of a lost disk, what was learned is saved."""
        try:
            yield from batches
        except OSError:
            if self.fabric.world_size == 1:  # others would have to save with it
                with suppress(OSError):
                    self._save()
            raise

    def _improve(self, batches: list[Batch]) -> Step:
        """One step: of the warm start, or of all losses."""
        if self.store.mr and batches[0].pair:
            with self.fabric.autocast():
                self.pairs.measure(batches[0].source, self.method, self.step)
        settings, progress = self.config.training, self._progress()
        # for what methods draw, so that a resumed run draws the same
        torch.manual_seed(seed_of(settings.seed, self.step, self.fabric.global_rank))
        warm = settings.is_warm(progress)
        rate = settings.learning_rate * learning_rate_factor(progress, settings.decay)
        if not warm:
            rate *= settings.refine_rate
        self.optimizers.set_learning_rate(rate * min(1.0, (self.step + 1) / max(1, settings.warm_up)))
        if warm:
            reverse = self.step % REVERSE_EVERY == REVERSE_EVERY - 1
            return self.improve.warm_start(batches, reverse=reverse)
        return self.improve(batches)

    def _count(self, taken: bool, journal: Journal) -> None:
        """Count the steps that are not taken, and name their cases. Raises `TrainingFailed` where none is any more."""
        if taken:
            self.in_vain = 0
            return
        journal.skip(self.step, self.feed.cases(self.step))
        self.skipped += 1
        self.in_vain += 1
        if self.in_vain >= MOST_IN_VAIN:
            raise TrainingFailed(
                f"step {self.step}: the losses or gradients of {MOST_IN_VAIN} steps on end are not finite or exploded; "
                f"{self.run / SKIPPED} names their cases; lower training.learning_rate, or set "
                "training.precision=32-true"
            )

    def _draw(self, batch: Batch, journal: Journal) -> None:
        if self.fabric.is_global_zero:
            path = self.run / "previews" / f"step_{self.step:06d}.png"
            with self.average.applied(), self.fabric.autocast():
                journal.show(self.step, draw_preview(self.method, batch, path))

    def _validate(self, journal: Journal) -> None:
        """Score the method, and keep it if there was none better."""
        with self.average.applied():
            found, best = self.selection.take(self.step, self._validation)
            if best:
                save_method(self._saved(), self.run / BEST, {"score": found.score})
        journal.validated(self.step, self.elapsed, found)
        for alarm in found.alarms:
            log.warning("step %d: %s", self.step, alarm)

    def _validation(self) -> Validation:
        torch.manual_seed(seed_of(self.config.training.seed, self.step, 0))
        with self.fabric.autocast():
            return self.validator(self.method)

    def _saved(self) -> SavedMethod:
        return SavedMethod(self.method, self.config, self.intensity, self.step)

    def _progress(self) -> float:
        """How much of the run is done, by steps or minutes, whichever is further."""
        settings = self.config.training
        by_time = self.elapsed / (60 * settings.max_minutes) if settings.max_minutes else 0.0
        return max(self.step / settings.max_steps, by_time)

    def _limit_reached(self) -> str:
        return "steps" if self.step >= self.config.training.max_steps else "minutes"

    def _save(self) -> None:
        pools = {name: pool.state_dict() for name, pool in self.pools.items()}
        by_rank = of_all(self.fabric, {"pools": pools, "pairs": self.pairs.state_dict()})
        if not self.fabric.is_global_zero:
            return
        extra = {
            "trained_on": voxels_of(self.store),
            "held_out": voxels_of(self.held_out),
            "validation": self.selection.state_dict(),
            "elapsed_seconds": self.elapsed,
            "optimizers": self.optimizers.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),  # of losses that are scaled, their scale
            "by_rank": by_rank,
            # copies, since the generators have the averaged weights while they are written
            "generators": {name: value.clone() for name, value in self.method.generators.state_dict().items()},
        }
        with self.average.applied():
            save_method(self._saved(), self.run / LAST, extra)

    def _restore(self, state: dict[str, Any], optimizers: Optimizers) -> None:
        try:
            self.step, self.elapsed = int(state["step"]), float(state["elapsed_seconds"])
            self.method.load_state_dict(state["method"])
            self.average = WeightAverage(self.method.generators, self.config.training.ema_decay, self.step)
            self.method.generators.load_state_dict(state["generators"])
            optimizers.load_state_dict(state["optimizers"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            mine = state["by_rank"][self.fabric.global_rank % len(state["by_rank"])]
            self.pairs.load_state_dict(mine["pairs"])
            self.selection.standing = Standing(**state["validation"])
            for name, pool in self.pools.items():
                pool.load_state_dict(mine["pools"][name], self.fabric.device)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BadCheckpoint(f"{self.run}: the checkpoint doesn't fit this configuration ({reason})") from error
