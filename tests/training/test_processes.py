"""Several processes that train one method together."""

from __future__ import annotations

import csv
import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from medcycle.data.store import Store
from medcycle.methods.saved import BEST, LAST, load_method, read_checkpoint
from medcycle.training.feed import Turns
from tests.sizes import TINY, fitting

SMALL = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.precision=32-true"]
SHORT = ["training.log_every=1", "training.max_minutes=null", "training.max_steps=6", "training.accelerator=cpu"]
PLAIN = ["method.anchor_weight=0", "training.warm_start=0", "method.adversaries=both", "training.pool_size=0"]

IDLE = "generators.registration.net.down.3"
"""On images of 32 pixels this level has next to one, and gradients that are rounding alone, as have biases that
instance normalisation takes away; Adam makes them large."""

SCRIPT = """
import json, sys
from pathlib import Path
import torch
from medcycle.config import load_config
from medcycle.data.store import Store
from medcycle.training import loop
from medcycle.training.sharding import whole

torch.set_num_threads(1)
trainers = []
start = loop._Trainer.__init__
loop._Trainer.__init__ = lambda self, *given: (trainers.append(self), start(self, *given))[1]
for store, run, resume, overrides in json.loads(sys.argv[1]):
    loop.train(load_config("demo", overrides), Store.open(Path(store)), Path(run), resume=resume)
    trainer = trainers.pop()
    parameters = list(trainer.learner.method.parameters())
    weights = torch.nn.utils.parameters_to_vector([whole(parameter) for parameter in parameters])
    here = sum(getattr(parameter, "to_local", lambda: parameter)().numel() for parameter in parameters)
    told = {"rank": trainer.fabric.global_rank, "of": trainer.fabric.world_size, "weights": weights.double().tolist()}
    told["here"] = here
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
    of_one, of_two = [], []
    for batches in (1, 2):
        # later on, Adam has made rounding large
        chosen = [*PLAIN, f"training.accumulate={batches}", "training.max_steps=5"]
        of_one.append(call_of(store, tmp_path / f"one{batches}", *chosen, "training.batch_size=2"))
        of_two.append(call_of(store, tmp_path / f"two{batches}", *chosen, "training.batch_size=1"))
    train(tmp_path, *of_one, processes=1)
    train(tmp_path, *of_two)
    for batches in (1, 2):
        one, two = (losses(tmp_path / f"{name}{batches}") for name in ("one", "two"))
        torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-5)


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
    anchored = ["method.anchor_weight=10", "training.warm_start=0.3", "training.pool_size=3", "training.max_steps=10"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tmp_path, call_of(store, parts, *anchored, "training.max_minutes=1e-9"), call_of(store, whole, *anchored))
    assert read_checkpoint(parts / LAST)["step"] == 1
    train(tmp_path, call_of(store, parts, *anchored, resume=True))
    for one, other in zip(weights_by_rank(whole), weights_by_rank(parts), strict=True):
        assert torch.equal(one, other)
    images = [of_one["pools"]["source"]["images"] for of_one in read_checkpoint(whole / LAST)["by_rank"]]
    assert len(images) == 2
    assert not torch.equal(images[0][0], images[1][0])


SPREAD = {
    "anchored": ["method.anchor_weight=10", "training.gradient_clip=1", "training.validations=2"],
    "separate": ["network.name=unet", "network.levels=2", "training.optimizers=separate"],
    "munit": ["method.name=munit"],
    "regcyclegan": ["method.name=regcyclegan", "training.accumulate=2"],
}


@pytest.mark.slow
def test_spread_networks_learn_the_same(paired: Store, tmp_path: Path) -> None:
    calls = []
    for name, overrides in SPREAD.items():
        chosen = [*PLAIN, "training.max_steps=4", "training.warm_start=0.3", *overrides]
        calls.append(call_of(paired, tmp_path / name / "whole", *chosen))
        calls.append(call_of(paired, tmp_path / name / "spread", *chosen, "training.sharded=true"))
    train(tmp_path, *calls)
    for name in SPREAD:
        require_learned_the_same(tmp_path / name / "whole", tmp_path / name / "spread")
    assert load_method(tmp_path / "anchored" / "spread" / BEST).step in {2, 4}
    tables = [tmp_path / "anchored" / run / "validation.csv" for run in ("whole", "spread")]
    whole, spread = ([line.split(",")[2] for line in table.read_text().splitlines()] for table in tables)
    assert len(whole) == 3
    assert [float(score) for score in spread[1:]] == pytest.approx(list(map(float, whole[1:])), rel=1e-3)


def require_learned_the_same(whole: Path, spread: Path) -> None:
    """Losses and weights, of which each process of the spread one holds a part."""
    torch.testing.assert_close(losses(spread), losses(whole), rtol=1e-4, atol=1e-5, equal_nan=True)
    everywhere, parts = (read_checkpoint(run / LAST)["method"] for run in (whole, spread))
    for name, tensor in everywhere.items():
        assert type(parts[name]) is torch.Tensor
        if tensor.ndim > 1 and not name.startswith(IDLE):
            # but for few: a weight whose gradient is rounding goes by Adam's whole step one way or the other
            apart = (parts[name] - tensor).abs().flatten().sort().values
            assert apart[: -math.ceil(len(apart) / 200)].square().mean().sqrt() < 1e-5, name
    held = [json.loads((spread / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert sum(one["here"] for one in held) == len(held[0]["weights"])
    assert max(one["here"] for one in held) < 0.8 * len(held[0]["weights"])


@pytest.mark.slow
def test_a_spread_run_goes_on_spread_or_whole(store: Store, tmp_path: Path) -> None:
    chosen = [*PLAIN, "training.max_steps=6", "training.sharded=true"]
    stopped = [*chosen, "training.max_minutes=1e-9"]
    once, spread, whole = (tmp_path / name for name in ("once", "spread", "whole"))
    begun = [call_of(store, run, *stopped) for run in (spread, whole)]
    train(tmp_path, *begun, call_of(store, once, *chosen))
    assert [read_checkpoint(run / LAST)["step"] for run in (spread, whole)] == [1, 1]
    train(tmp_path, call_of(store, spread, *chosen, resume=True))
    train(tmp_path, call_of(store, whole, *chosen, "training.batch_size=2", resume=True), processes=1)
    expected, found = (read_checkpoint(run / LAST)["generators"] for run in (once, spread))
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor)
    torch.testing.assert_close(losses(whole), losses(once), rtol=1e-4, atol=1e-4)


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
