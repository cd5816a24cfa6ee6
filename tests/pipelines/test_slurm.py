"""A cohort, and a training of two processes, on a Slurm of one node."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.phantom import write_cohort
from tests.pipelines.workflows import (
    ENVIRONMENT,
    ONE_THREAD,
    PIPELINES,
    SMALL,
    begun,
    kill,
    losses,
    scores,
    wait_for,
    written,
)

ON_SLURM = (
    *("--profile", str(PIPELINES / "profiles" / "slurm"), "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1", "--latency-wait", "5"),
)

STEPS = {"training.max_steps": 500}
"""So that there is time to cancel a training."""

# with more threads than the jobs have, sums are rounded otherwise, and losses differ in the last digit
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def slurm() -> None:
    """A Slurm that answers."""
    if (
        not shutil.which("scontrol")
        or subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "no Slurm is running; .ci/install-slurm and `tests/pipelines/slurm start FOLDER`, as root, start one"
        )


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two MR and two CT to train on, and two patients with both."""
    folder = tmp_path_factory.mktemp("scans")
    write_cohort(folder, patients=2, paired_cases=2, spacing=(6.0, 6.0, 8.0))
    return folder


@pytest.fixture(scope="module")
def one_process(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands give one after the other."""
    out = tmp_path_factory.mktemp("one") / "model"
    settings = [f"--set={key}={json.dumps(value)}" for key, value in (SMALL | STEPS).items()]
    scans_of = ["--mr", str(scans / "mr"), "--ct", str(scans / "ct")]
    test = scans / "test"
    for call in (
        ["prepare", *scans_of, str(out / "store"), "--config", "demo", *settings],
        ["train", "demo", *settings, "--store", str(out / "store"), "--output", str(out / "run")],
        ["synthesize", str(out / "run"), str(test / "mr"), str(out / "synthetic")],
        [
            "evaluate",
            "--real",
            str(test / "ct"),
            "--synthetic",
            str(out / "synthetic"),
            "--output",
            str(out / "evaluation" / "model"),
        ],
    ):
        assert execute(call) == 0
    return out


def jobs(comment: str, state: str) -> list[str]:
    """The numbers of the jobs of a rule that are in a state."""
    call = ["squeue", "--noheader", "--states=all", "--format=%i|%k|%T"]
    listed = subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()
    found = (line.split("|") for line in listed)
    return [number for number, rule, now in found if rule.startswith(comment) and now == state]


def state_of(number: str) -> str:
    """Of a job; `sbatch --wait` would ask only every half minute."""
    call = ["squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T"]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()


def set_node(state: str) -> None:
    subprocess.run(["scontrol", "update", "NodeName=localhost", f"State={state}", "Reason=test"], check=True)


@pytest.mark.usefixtures("slurm")
def test_a_cohort_through_sbatch_gives_what_one_process_does(scans: Path, one_process: Path, tmp_path: Path) -> None:
    places = {"mr": "mr", "ct": "ct", "test_mr": "test/mr", "true_ct": "test/ct"}
    values = {name: str(scans / place) for name, place in places.items()}
    values |= {"output": "out", "shards": 2, **ONE_THREAD}
    config = written(tmp_path, values | {"recipe": "demo", "settings": SMALL | STEPS})
    out = tmp_path / "out"
    process = begun("cohort", config, *ON_SLURM)
    try:
        wait_for(lambda: jobs("rule_prepare", "RUNNING"))
        set_node("drain")
        wait_for(lambda: len(list((out / "jobs").glob("prepare-*"))) == 2 or jobs("rule_prepare", "PENDING"))
        wait_for(lambda: jobs("rule_", "PENDING"))
        assert process.poll() is None  # the workflow waits for the node
        set_node("resume")
        wait_for((out / "model" / "run" / "checkpoints" / "last.pt").is_file)
        cancelled = jobs("rule_train", "RUNNING")
        subprocess.run(["scancel", *cancelled], check=True)
        said, _ = process.communicate(timeout=480)
    except BaseException:
        kill(process)
        raise
    assert not process.returncode, said
    assert len(cancelled) == 1
    assert "Trying to restart job" in said
    assert losses(out / "model" / "run") == losses(one_process / "run")
    assert scores(out, "model") == scores(one_process, "model")


@pytest.mark.usefixtures("slurm")
def test_processes_of_srun_and_of_torchrun_train_together(one_process: Path, tmp_path: Path) -> None:
    settings = [f"--set={key}={json.dumps(value)}" for key, value in SMALL.items()]
    medcycle = [str(Path(sys.executable).with_name("medcycle")), "train", "demo", "--store", str(one_process / "store")]
    medcycle += settings
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node=2", "--no-python"]
    for name, options, launch in (("srun", ["--ntasks=2"], ["srun"]), ("torchrun", ["--cpus-per-task=2"], torchrun)):
        script, said = tmp_path / f"{name}.sh", tmp_path / f"{name}.txt"
        words = [*launch, *medcycle, "--output", str(tmp_path / name)]
        script.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + "\n")
        call = ["sbatch", "--parsable", f"--output={said}", *options, script]
        number = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout.strip()
        wait_for(lambda number=number: state_of(number) not in {"PENDING", "RUNNING", "COMPLETING"})
        assert state_of(number) == "COMPLETED", said.read_text()
    assert len(losses(tmp_path / "srun")) == SMALL["training.max_steps"]
    assert losses(tmp_path / "srun") == losses(tmp_path / "torchrun")
