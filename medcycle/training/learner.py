"""What learns in a run, and what its checkpoints hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from medcycle.batch import Batch
from medcycle.config import Config
from medcycle.dataset.store import Store
from medcycle.errors import BadCheckpoint
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import LAST, SavedMethod, save_method
from medcycle.training.average import WeightAverage
from medcycle.training.feed import typical_intensity
from medcycle.training.initial_model import InitialModel
from medcycle.training.optimizers import Optimizers, learning_rate_factor
from medcycle.training.pair_maker import PairMaker
from medcycle.training.pool import ImagePool
from medcycle.training.run_folder import voxels_of
from medcycle.training.runtime import of_all
from medcycle.training.seeds import seed_of
from medcycle.training.selection import Selection, Standing
from medcycle.training.step import Step, Stepper

__all__ = ["Learner"]

REVERSE_EVERY = 4
"""Every so many steps of a warm start train the generator to the source as well."""

POOL_SIZE = 50
"""Earlier outputs that are kept to train each discriminator."""


class Learner:
    """A method with its optimisers, averages and earlier images, step by step.

    Args:
        config: all settings.
        store: the cases to train on.
        held_out: those to validate on.
        run: the folder of the checkpoints.
        fabric: runs the steps, perhaps in several processes.
        state: the checkpoint to go on from; None to begin.
        initial: a model whose networks to start from.

    Attributes:
        step: steps done.
        elapsed: seconds they took.

    Raises:
        UsageError: if what to initialise from doesn't fit.
        BadCheckpoint: if the checkpoint doesn't fit.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        held_out: Store,
        run: Path,
        fabric: Fabric,
        state: dict[str, Any] | None,
        initial: InitialModel | None,
    ) -> None:
        self.config = config
        self.store = store
        self.held_out = held_out
        self.run = run
        self.fabric = fabric
        self.step = 0
        self.elapsed = 0.0
        self.intensity = typical_intensity(store)
        self.profiles: dict[str, list[dict[str, Any]]] = {
            kind: [case.record.profile for case in cases if case.record.profile] for kind, cases in store.both().items()
        }
        self.pairs = PairMaker(
            config, self.intensity, fabric.device, trained=initial is not None, has_mr=bool(store.mr)
        )
        torch.manual_seed(config.training.seed)
        self.method = build_method(config)
        if initial:
            initial.give_to(self.method, config)
        self.method.to(fabric.device)
        self.pools = {
            name: ImagePool(POOL_SIZE, seed_of(config.training.seed, number, fabric.global_rank))
            for number, name in enumerate(self.method.discriminators)
        }
        self.selection = Selection(config.training)
        optimizers = Optimizers.of(self.method, config.training)
        if state:
            self._restore(state, optimizers)
        else:
            self.average = WeightAverage(self.method.generators, config.training.ema_decay)
        self.optimizers = optimizers.on_devices(fabric)
        self.stepper = Stepper(fabric, self.method, self.optimizers, self.pools)

    @property
    def progress(self) -> float:
        """How much of the run is done, by steps or minutes, whichever is further."""
        settings = self.config.training
        by_time = self.elapsed / (60 * settings.max_minutes) if settings.max_minutes else 0.0
        return max(self.step / settings.max_steps, by_time)

    def training_step(self, batches: list[Batch]) -> Step:
        """One step: of the warm start, or of all losses."""
        if self.store.mr and batches[0].pair:
            with self.fabric.autocast():
                self.pairs.measure(batches[0].source, self.method, self.step)
        settings, progress = self.config.training, self.progress
        # for what methods draw, so that a resumed run draws the same
        torch.manual_seed(seed_of(settings.seed, self.step, self.fabric.global_rank))
        warm = settings.is_warm(progress)
        rate = settings.learning_rate * learning_rate_factor(progress, settings.decay)
        self.optimizers.set_learning_rate(rate * min(1.0, (self.step + 1) / max(1, settings.warm_up)))
        if warm:
            found = self.stepper.warm_start(batches, reverse=self.step % REVERSE_EVERY == REVERSE_EVERY - 1)
        else:
            found = self.stepper(batches)
        self.average.update()
        self.step += 1
        return found

    def save(self) -> None:
        """Write the last checkpoint, with all that the run needs to go on. All processes do it together."""
        pools = {name: pool.state_dict() for name, pool in self.pools.items()}
        by_rank = of_all(self.fabric, {"pools": pools, "pairs": self.pairs.state_dict()})
        if not self.fabric.is_global_zero:
            return
        live = self.method.generators.state_dict()
        extra = {
            "trained_on": voxels_of(self.store),
            "held_out": voxels_of(self.held_out),
            "validation": self.selection.state_dict(),
            "elapsed_seconds": self.elapsed,
            "optimizers": self.optimizers.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),  # of losses that are scaled, their scale
            "by_rank": by_rank,
            # copies, since the generators have the averaged weights while they are written
            "generators": {name: value.clone() for name, value in live.items()},
        }
        self.write(LAST, extra)

    def write(self, name: Path, extra: dict[str, Any]) -> None:
        """Write a checkpoint of the averaged weights. The first process does it alone."""
        standing = self.selection.standing
        learned: dict[str, Any] = {"mr": len(self.store.mr), "ct": len(self.store.ct), "score": standing.score}
        learned |= {"kind": standing.kind, "constant": standing.constant}
        of_scans = (self.intensity, self.step, self.profiles, standing.calibration)
        saved = SavedMethod(self.method, self.config, *of_scans, learned)
        with self.average.applied():
            save_method(saved, self.run / name, extra)

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
            self.selection.go_on(Standing.of(state["validation"]), self.progress)
            for name, pool in self.pools.items():
                pool.load_state_dict(mine["pools"][name], self.fabric.device)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BadCheckpoint(f"{self.run}: the checkpoint doesn't fit this configuration ({reason})") from error
