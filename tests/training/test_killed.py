"""A run that is killed at any moment goes on as if nothing had been."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from medcycle.config import Config, load_config
from medcycle.dataset.store import Store
from medcycle.methods.checkpoint import LAST, read_checkpoint
from medcycle.training import learner
from medcycle.training.loop import train
from tests.forked import Forked
from tests.sizes import TINY

KILLS = 12
MORE = 10
"""Steps that are left to do in the end."""


def config(steps: int) -> Config:
    """Nothing in it depends on how many steps there will be."""
    often = ["training.log_every=1", "training.preview_every=50", "training.checkpoint_every=1"]
    ends = ["training.max_minutes=null", f"training.max_steps={steps}", "training.decay=constant"]
    has_pool = [
        "method.simulated_pair_weight=10",
        "training.warm_start=0",
        "training.precision=32-true",
    ]
    small = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]"]
    return load_config("demo", [*small, *often, *ends, *has_pool])


def begin(store: Path, run: Path, steps: int = 1_000_000) -> Forked:
    """Train in a process of its own, from the last checkpoint if there is one."""
    return Forked(_train, store, run, steps, (run / LAST).is_file(), output=run.with_suffix(".txt"))


def _train(store: Path, run: Path, steps: int, resume: bool) -> None:
    learner.POOL_SIZE = 4
    train(config(steps), Store.open(store), run, resume=resume)


def time_to_start(store: Path, run: Path) -> float:
    """Seconds that a run takes to its first checkpoint on this machine, after which it is killed."""
    began = time.monotonic()
    process = begin(store, run)
    while not (run / LAST).is_file():
        assert process.runs, process.printed
        time.sleep(0.01)
    process.kill()
    return time.monotonic() - began


def told(run: Path) -> list[list[str]]:
    """The rows of metrics.csv without the time."""
    with (run / "metrics.csv").open(newline="") as stream:
        return [[step, *losses] for step, _, *losses in csv.reader(stream)]


@pytest.mark.slow
def test_killed_at_any_moment_a_run_can_be_resumed(store: Store, tmp_path: Path) -> None:
    """To the last bit of what it would have been."""
    whole, run, random = tmp_path / "whole", tmp_path / "run", np.random.default_rng(0)
    time_to_start(store.root, tmp_path / "imports")  # which the first process waits for
    steps, start = [0], time_to_start(store.root, run)
    for _ in range(KILLS):
        process = begin(store.root, run)
        time.sleep(random.uniform(0.5, 2) * start)
        process.kill()
        if (run / LAST).is_file():
            steps.append(read_checkpoint(run / LAST)["step"])
    assert steps == sorted(steps)
    assert len(set(steps)) > KILLS // 3
    for folder in (run, whole):
        assert begin(store.root, folder, steps[-1] + MORE).ended(120) == 0
    assert told(run) == told(whole)
    one, other = (read_checkpoint(path / LAST) for path in (whole, run))
    for part in ("method", "generators"):
        assert all(torch.equal(other[part][name], tensor) for name, tensor in one[part].items())
