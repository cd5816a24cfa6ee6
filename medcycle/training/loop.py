"""A training run, from a prepared store to a checkpoint."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from lightning_fabric import Fabric

from medcycle.batch import Batch
from medcycle.cohort.split import split_store
from medcycle.config import Config
from medcycle.dataset.store import Store
from medcycle.errors import TrainingFailed, UsageError
from medcycle.io.files import write_text
from medcycle.io.limits import machine_memory
from medcycle.io.locks import keep, locked
from medcycle.methods.checkpoint import LAST
from medcycle.planning.cost import require_memory
from medcycle.progress import ProgressLine
from medcycle.simulation.deformed_ct import with_deformed_ct
from medcycle.simulation.simulated_cbct import with_simulated_cbct
from medcycle.training.feed import Feed
from medcycle.training.initial_model import InitialModel
from medcycle.training.journal import SKIPPED, Journal
from medcycle.training.judge import Judge
from medcycle.training.learner import Learner
from medcycle.training.preview import draw_preview
from medcycle.training.run_folder import (
    cases_begun_on,
    require_run_folder,
    state_to_resume,
    write_manifest,
)
from medcycle.training.runtime import largest, make_fabric
from medcycle.training.signals import StopRequest
from medcycle.training.trackers import trackers_for
from medcycle.words import duration

__all__ = ["TrainingResult", "train"]

log = logging.getLogger(__name__)

ALL_BUT = 0.99
"""What is shown as done at most while a validation goes on."""

MOST_IN_VAIN = 100
"""Steps on end that may go without being taken."""

TOO_FEW, ENOUGH = 200, 1000
"""Steps with which nothing can have been learned, and with which something should: small networks on coarse heads take
250 to 400 to beat one CT number for all of the body."""


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Args:
        step: steps done in all.
        elapsed_seconds: time spent training, earlier parts of a resumed run included.
        stopped_by: `steps`, `minutes`, `patience`, or the name of a signal.
        checkpoint: the last checkpoint.
        best: the step of the checkpoint with the best score, and the score; None if it was never validated.
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
    init_from: Path | InitialModel | None = None,
    fabric: Fabric | None = None,
    progress: Callable[[float, str], None] | None = None,
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
        init_from: a run or checkpoint whose networks a new run starts from.
        fabric: as of `make_fabric`, which makes it if none is given.
        progress: is called after every step with how much is done, 0 to 1, and a note.

    Raises:
        UsageError: if `run` holds a run and `resume` is off, or holds none and it is on, or the run to resume began
            on another store, with another split or with other networks, or the store lacks MR that the method needs,
            or what to initialise from doesn't fit, or is given for a run that is resumed.
        BadCheckpoint: if the checkpoint to resume from is damaged or of another method.
        InUse: if another process trains in `run`.
        DataError: if the split leaves nothing to train on.
        TrainingFailed: if a loss is no longer finite, or gradients have exploded for good.
    """
    if resume and init_from:
        raise UsageError(f"{run}: a resumed run keeps its own networks; leave out init_from")
    if config.needs_source and not store.mr:
        kind = config.data.source.upper()
        raise UsageError(f"{store.root}: holds no {kind}, which method.name {config.method.name} needs; prepare some")
    fabric = fabric or make_fabric(config.training)
    with locked(run) if fabric.is_global_zero else nullcontext():
        initial = InitialModel.load(init_from) if isinstance(init_from, Path) else init_from
        return _trainer(config, store, run, resume, initial, fabric).run_to_end(progress)


def _trainer(
    config: Config, store: Store, run: Path, resume: bool, initial: InitialModel | None, fabric: Fabric
) -> _Trainer:
    require_run_folder(run, resume=resume)
    require_memory(config, _memory_of(fabric.device))
    keep(store.root)
    if resume:
        state = state_to_resume(config, run)
        learner = Learner(config, *cases_begun_on(state, store, run), run, fabric, state, None)
    else:
        training, held_out = split_store(store, config.data)
        learner = Learner(config, training, held_out, run, fabric, None, initial)
    fabric.barrier()  # until all have looked into the folder
    if fabric.is_global_zero:
        if not resume:
            write_manifest(run, store, training, held_out, initial.path if initial else None)
        write_text(run / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    return _Trainer(learner)


def _memory_of(device: torch.device) -> int:
    """Bytes that a device has."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return machine_memory()


class _Trainer:
    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.config = learner.config
        self.fabric = learner.fabric
        self.run = learner.run
        self.skipped = self.in_vain = 0
        with self.fabric.rank_zero_first():  # which makes them for all
            store = with_deformed_ct(learner.store, self.config.data.deformed_ct, self.run)
            store = with_simulated_cbct(store, self.config.data.simulated_cbct, self.run)
        self.feed = Feed(learner.config, store, learner.pairs, learner.fabric)
        self.progress = ProgressLine("training", None)
        self.judge = Judge(learner, self._elapsed, lambda note: self.progress.reach(self._done(), note))
        self.before, self.begun = learner.elapsed, time.monotonic()

    def run_to_end(self, told: Callable[[float, str], None] | None = None) -> TrainingResult:
        """Step until the steps or the minutes are used up or a signal comes, and save."""
        settings, learner = self.config.training, self.learner
        first = self.fabric.is_global_zero
        trackers = trackers_for(self.config, self.run) if first else []
        journal = Journal(self.run, settings.log_every, learner.step, writes=first, trackers=trackers)
        preview = self.feed.preview()
        self.begun = time.monotonic()
        stopped = ""
        with StopRequest() as stop, self.progress:
            if learner.step:
                self.progress.say(f"resumed at step {learner.step:,}, after {duration(learner.elapsed)} of training")
            self.judge.prepare()
            for batches in self._saved_if_lost(self.feed.steps(learner.step, lambda: learner.progress)):
                if stopped or learner.progress >= 1:
                    break
                self._training_step(batches, journal, preview)
                stopped, learner.elapsed = self._agreed(stop.name, learner.elapsed)
                if not stopped and self.judge.take_turn(journal):
                    stopped = "patience"
                standing = journal.standing(learner.step, learner.elapsed)
                self.progress.reach(learner.progress, standing)
                if told:
                    told(min(1.0, learner.progress), standing)
            self._draw(preview, journal)
            learner.save()
        journal.close()
        ended = stopped or ("steps" if learner.step >= settings.max_steps else "minutes")
        result = TrainingResult(
            learner.step, learner.elapsed, ended, self.run / LAST, learner.selection.best, self.skipped
        )
        self._warn_if_short(result)
        return result

    def _training_step(self, batches: list[Batch], journal: Journal, preview: Batch) -> None:
        """One step, and what is due after it."""
        settings, learner = self.config.training, self.learner
        losses, taken = learner.training_step(batches)
        learner.elapsed = self._elapsed()
        journal.note(learner.step, learner.elapsed, losses if taken else {})
        self._count(taken, journal)
        if learner.step % settings.preview_every == 0:
            self._draw(preview, journal)
        if learner.step % settings.checkpoint_every == 0 and taken:
            learner.save()

    def _warn_if_short(self, result: TrainingResult) -> None:
        """Say so where nothing can have been learned."""
        if result.by_signal or result.step >= TOO_FEW or self.learner.pairs.trained or not self.fabric.is_global_zero:
            return
        more = f"train for more (training.max_steps={ENOUGH} or above)"
        if result.stopped_by == "minutes":
            minutes = math.ceil(ENOUGH * result.elapsed_seconds / result.step / 60)
            steps = f"training.max_minutes={minutes} is about {ENOUGH} steps here"
            more = f"train for longer ({steps}) or use a smaller network"
        log.warning("only %d steps, too few to learn anything; %s", result.step, more)

    def _elapsed(self) -> float:
        """Seconds spent training, earlier parts of a resumed run included."""
        return self.before + time.monotonic() - self.begun

    def _done(self) -> float:
        """How much of the run is done by now, 0 to 1; not all, as long as a validation goes on."""
        minutes = self.config.training.max_minutes
        return min(ALL_BUT, max(self.learner.progress, self._elapsed() / (60 * minutes) if minutes else 0.0))

    def _agreed(self, signal: str, elapsed: float) -> tuple[str, float]:
        """A signal that any process got, or nothing, and the time of the one that took longest."""
        signalled, longest = largest(self.fabric, [float(bool(signal)), elapsed])
        return signal or ("a signal" if signalled else ""), longest

    def _saved_if_lost(self, batches: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
        """The batches of each step; when they can't be read any more, as of a lost disk, what was learned is saved."""
        try:
            yield from batches
        except OSError:
            if self.fabric.world_size == 1:  # others would have to save with it
                with suppress(OSError):
                    self.learner.save()
            raise

    def _count(self, taken: bool, journal: Journal) -> None:
        """Count the steps that are not taken, and name their cases. Raises `TrainingFailed` where none is any more."""
        if taken:
            self.in_vain = 0
            return
        journal.skip(self.learner.step, self.feed.cases(self.learner.step))
        self.skipped += 1
        self.in_vain += 1
        if self.in_vain >= MOST_IN_VAIN:
            raise TrainingFailed(
                f"step {self.learner.step}: the losses or gradients of {MOST_IN_VAIN} steps on end are not finite or "
                f"exploded; {self.run / SKIPPED} names their cases; lower training.learning_rate, or set "
                "training.precision=32-true"
            )

    def _draw(self, batch: Batch, journal: Journal) -> None:
        if not self.fabric.is_global_zero:
            return
        with self.learner.average.applied(), self.fabric.autocast(), torch.no_grad():
            views = self.learner.method.views(batch)
        path = self.run / "previews" / f"step_{self.learner.step:06d}.png"
        domains = self.config.data.domains if self.config.data.pictures else None
        journal.show(self.learner.step, draw_preview(views, path, domains))
