"""Several processes that train one method together."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from medcycle.config import load_config
from medcycle.dataset.store import Store
from medcycle.methods.checkpoint import LAST, load_method, read_checkpoint
from medcycle.training import loop
from medcycle.training.feed import Turns
from tests.forked import Forked
from tests.sizes import TINY, fitting

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
SMALL = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.precision=32-true"]
SHORT = ["training.log_every=1", "training.max_minutes=null", "training.max_steps=6", "training.accelerator=cpu"]
PLAIN = ["method.simulated_pair_weight=0", "training.warm_start=0", "method.adversaries=both"]
Call = tuple[str, str, bool, list[str]]


def trained(*calls: Call) -> None:
    """One training after another in this process; each tells its weights in the end."""
    start, trainers = loop._Trainer.__init__, []

    def remembered(self: loop._Trainer, *given: Any) -> None:
        trainers.append(self)
        start(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Trainer, "__init__", remembered)
        for store, run, resume, overrides in calls:
            loop.train(load_config("demo", overrides), Store.open(Path(store)), Path(run), resume=resume)
            trainer = trainers.pop()
            weights = torch.nn.utils.parameters_to_vector(trainer.learner.method.parameters())
            rank, of = trainer.fabric.global_rank, trainer.fabric.world_size
            told = {"rank": rank, "of": of, "weights": weights.double().tolist()}
            Path(run, f"rank{rank}.json").write_text(json.dumps(told))


def call_of(store: Store, run: Path, *overrides: str, resume: bool = False) -> Call:
    return str(store.root), str(run), resume, fitting([*SMALL, *SHORT, *overrides])


def train_in_two(*calls: Call) -> None:
    """By torchrun; one training after another, since the processes take long to start."""
    code = "import json, sys; from tests.training.test_processes import trained; trained(*json.loads(sys.argv[1]))"
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python", sys.executable]
    launched([sys.executable, "-m", *launcher, "-c", code, json.dumps(calls)])


def launched(command: list[str]) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def losses(run: Path) -> torch.Tensor:
    with (run / "metrics.csv").open(newline="") as stream:
        rows = [[float(value or "nan") for value in row[2:]] for row in list(csv.reader(stream))[1:]]
    return torch.tensor(rows, dtype=torch.float64)


def weights_by_rank(run: Path) -> list[torch.Tensor]:
    told = [json.loads(path.read_text()) for path in sorted(run.glob("rank*.json"))]
    assert [one["rank"] for one in told] == list(range(told[0]["of"]))
    return [torch.tensor(one["weights"], dtype=torch.float64) for one in told]


@pytest.mark.slow
def test_two_processes_train_as_one(store: Store, paired: Store, tmp_path: Path) -> None:
    """With twice the batch; whatever each draws for itself (styles, noise, places, pairs), networks stay the same; and
    after a stop they go on with what each has for itself: earlier images, and contrasts that were measured."""
    batches = [*PLAIN, "training.accumulate=2", "training.max_steps=5"]  # later on, Adam has made rounding large
    chosen = [("hybrid", "adam"), ("hybrid", "muon")]
    chosen += [(name, "adam") for name in ("cut", "unit", "munit", "pix2pix", "regcyclegan")]
    settings = {
        f"{method}-{optimizer}": [f"method.name={method}", f"training.optimizer={optimizer}"]
        for method, optimizer in chosen
    }
    short = ["training.warm_start=0.3", "training.max_steps=4"]
    with_pairs = ["method.simulated_pair_weight=10", "training.warm_start=0.3", "training.max_steps=10"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trained(call_of(store, tmp_path / "one", *batches, "training.batch_size=2"))
    train_in_two(
        call_of(store, tmp_path / "two", *batches, "training.batch_size=1"),
        *(call_of(paired, tmp_path / name, *own, *short) for name, own in settings.items()),
        call_of(store, parts, *with_pairs, "training.max_minutes=1e-9"),
        call_of(store, whole, *with_pairs),
    )
    torch.testing.assert_close(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5, atol=1e-5)
    for name in settings:
        first, second = weights_by_rank(tmp_path / name)
        assert torch.equal(first, second), name
    assert read_checkpoint(parts / LAST)["step"] == 1
    train_in_two(call_of(store, parts, *with_pairs, resume=True))
    for one, other in zip(weights_by_rank(whole), weights_by_rank(parts), strict=True):
        assert torch.equal(one, other)
    images = [of_one["pools"]["source"]["images"] for of_one in read_checkpoint(whole / LAST)["by_rank"]]
    assert len(images) == 2
    assert not torch.equal(images[0][0], images[1][0])


@pytest.mark.slow
def test_devices_are_asked_for_by_a_setting(cohort: Path, tmp_path: Path) -> None:
    """From folders of scans: one process prepares, one speaks, one writes."""
    run = tmp_path / "run"
    call = ["train", "demo", "--mr", str(cohort / "mr"), "--ct", str(cohort / "ct"), "--output", str(run)]
    settings = [f"--set={item}" for item in (*SMALL, *SHORT, "training.devices=2")]
    said = launched([sys.executable, "-m", "medcycle", *call, *settings])
    assert said.count("6 steps in") == 1
    assert load_method(run / LAST).step == 6
    assert len(read_checkpoint(run / LAST)["by_rank"]) == 2
    assert len((run / "metrics.csv").read_text().splitlines()) == 7


@pytest.mark.slow
def test_slurm_says_which_process_each_is(store: Store, tmp_path: Path) -> None:
    """By the variables that srun sets, here without Slurm."""
    run = tmp_path / "run"
    job = {
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "train",
        "SLURM_STEP_ID": "0",
        "SLURM_NODEID": "0",
        "SLURM_NNODES": "1",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NODELIST": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    call = call_of(store, run, *PLAIN)
    tasks = [
        Forked(
            _as_task, job | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}, call, output=tmp_path / f"{rank}"
        )
        for rank in range(2)
    ]
    assert [task.ended(300) for task in tasks] == [0, 0], [task.printed for task in tasks]
    first, second = weights_by_rank(run)
    assert torch.equal(first, second)


def _as_task(job: dict[str, str], call: Call) -> None:
    os.environ |= job
    trained(call)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_turns_are_disjoint_and_complete() -> None:
    drawn = [list(Turns(range(4, 12), 3, rank, 2)) for rank in range(2)]
    assert drawn[0][:6] == [12, 13, 14, 18, 19, 20]
    assert sorted(drawn[0] + drawn[1]) == list(range(12, 36))
    assert len(Turns(range(4, 12), 3, 0, 2)) == len(drawn[0])
