"""Several processes that train one method together."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from medcycle.dataset.store import Store
from medcycle.methods.checkpoint import LAST, load_method, read_checkpoint
from medcycle.training.feed import Turns
from tests.sizes import TINY, fitting

SMALL = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.precision=32-true"]
SHORT = ["training.log_every=1", "training.max_minutes=null", "training.max_steps=6", "training.accelerator=cpu"]
PLAIN = ["method.simulated_pair_weight=0", "training.warm_start=0", "method.adversaries=both"]

"""On images of 32 pixels this level has next to one, and gradients that are rounding alone, as have biases that
instance normalisation takes away; Adam makes them large."""

SCRIPT = """
import json, sys
from pathlib import Path
import torch
from medcycle.config import load_config
from medcycle.dataset.store import Store
from medcycle.training import loop

torch.set_num_threads(1)
trainers = []
start = loop._Trainer.__init__
loop._Trainer.__init__ = lambda self, *given: (trainers.append(self), start(self, *given))[1]
for store, run, resume, overrides in json.loads(sys.argv[1]):
    loop.train(load_config("demo", overrides), Store.open(Path(store)), Path(run), resume=resume)
    trainer = trainers.pop()
    weights = torch.nn.utils.parameters_to_vector(trainer.learner.method.parameters())
    told = {"rank": trainer.fabric.global_rank, "of": trainer.fabric.world_size, "weights": weights.double().tolist()}
    Path(run, f"rank{trainer.fabric.global_rank}.json").write_text(json.dumps(told))
"""

Call = tuple[str, str, bool, list[str]]


def call_of(store: Store, run: Path, *overrides: str, resume: bool = False) -> Call:
    return str(store.root), str(run), resume, fitting([*SMALL, *SHORT, *overrides])


def train(folder: Path, *calls: Call, processes: int = 2) -> None:
    """One training after another, by torchrun where there are several processes, since these take long to start."""
    script = folder / "trainings.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    launched([sys.executable, *launcher, str(script), json.dumps(calls)])


def launched(command: list[str]) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
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
def test_two_processes_are_one_with_twice_the_batch(store: Store, tmp_path: Path) -> None:
    chosen = [*PLAIN, "training.accumulate=2", "training.max_steps=5"]  # later on, Adam has made rounding large
    train(tmp_path, call_of(store, tmp_path / "one", *chosen, "training.batch_size=2"), processes=1)
    train(tmp_path, call_of(store, tmp_path / "two", *chosen, "training.batch_size=1"))
    torch.testing.assert_close(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_networks_stay_the_same_in_all_processes(paired: Store, tmp_path: Path) -> None:
    """Whatever each draws for itself: styles, noise, places, pairs."""
    chosen = [("hybrid", "adam"), ("hybrid", "muon")]
    chosen += [(name, "adam") for name in ("cut", "unit", "munit", "pix2pix", "regcyclegan")]
    settings = {
        f"{method}-{optimizer}": [f"method.name={method}", f"training.optimizer={optimizer}"]
        for method, optimizer in chosen
    }
    short = ["training.warm_start=0.3", "training.max_steps=4"]
    train(tmp_path, *(call_of(paired, tmp_path / name, *own, *short) for name, own in settings.items()))
    for name in settings:
        first, second = weights_by_rank(tmp_path / name)
        assert torch.equal(first, second), name


@pytest.mark.slow
def test_two_processes_go_on_where_they_stopped(store: Store, tmp_path: Path) -> None:
    """With what each has for itself: earlier images, and contrasts that were measured."""
    with_pairs = ["method.simulated_pair_weight=10", "training.warm_start=0.3", "training.max_steps=10"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tmp_path, call_of(store, parts, *with_pairs, "training.max_minutes=1e-9"), call_of(store, whole, *with_pairs))
    assert read_checkpoint(parts / LAST)["step"] == 1
    train(tmp_path, call_of(store, parts, *with_pairs, resume=True))
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
    run, script = tmp_path / "run", tmp_path / "run.py"
    script.write_text(SCRIPT)
    job = {
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "train",
        "SLURM_STEP_ID": "0",
        "SLURM_NODEID": "0",
        "SLURM_NNODES": "1",
    }
    job |= {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NODELIST": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    job["MASTER_PORT"] = str(_free_port())
    tasks = [
        subprocess.Popen(
            [sys.executable, str(script), json.dumps([call_of(store, run, *PLAIN)])],
            env=os.environ | job | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [task.communicate(timeout=300)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], told
    first, second = weights_by_rank(run)
    assert torch.equal(first, second)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_turns_are_disjoint_and_complete() -> None:
    drawn = [list(Turns(range(4, 12), 3, rank, 2)) for rank in range(2)]
    assert drawn[0][:6] == [12, 13, 14, 18, 19, 20]
    assert sorted(drawn[0] + drawn[1]) == list(range(12, 36))
    assert len(Turns(range(4, 12), 3, 0, 2)) == len(drawn[0])
