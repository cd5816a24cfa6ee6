"""The Snakemake workflows, on one machine."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from medcycle.cli.main import execute
from medcycle.phantom import write_cohort
from tests.pipelines.workflows import (
    ENVIRONMENT,
    LOCAL,
    ONE_THREAD,
    PIPELINES,
    SMALL,
    begun,
    kill,
    losses,
    run,
    scores,
    torn,
    wait_for,
    written,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two MR and two CT to train on, and four patients with both."""
    folder = tmp_path_factory.mktemp("scans")
    write_cohort(folder, patients=2, paired_cases=4, spacing=(6.0, 6.0, 8.0))
    return folder


@pytest.fixture
def places(scans: Path, tmp_path: Path) -> dict[str, str]:
    """The keys of a cohort's configuration."""
    return {
        "mr": str(scans / "mr"),
        "ct": str(scans / "ct"),
        "test_mr": str(scans / "test" / "mr"),
        "true_ct": str(scans / "test" / "ct"),
        "output": "out",
    }


@pytest.mark.slow
def test_methods_are_compared_on_one_store(places: dict[str, str], tmp_path: Path) -> None:
    methods = {"cyclegan": {"method": "cyclegan"}, "randomized": {"method": "randomized"}}
    values = places | {"shards": 1, "recipe": "demo", "settings": SMALL, "methods": methods, **ONE_THREAD}
    done = run("compare", written(tmp_path, values), *LOCAL)
    assert not done.returncode, done.stdout
    comparison = json.loads((tmp_path / "out" / "comparison" / "comparison.json").read_text())
    assert comparison
    assert "cyclegan" in (tmp_path / "out" / "comparison" / "comparison.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workflow", "changed", "says"),
    [
        ("cohort", {"shard": 3}, "'shard' was unexpected"),
        ("cohort", {"shards": 0}, "shards: 0 is less than the minimum"),
        ("cohort", {"test_mr": None}, "None is not of type 'string'"),
        ("cohort", {"folds": 3}, "'folds' was unexpected"),
        ("cohort", {"recipe": "auto"}, "give device: cpu or device: gpu"),
        ("cohort", {"ct": "nowhere"}, "nowhere: does not exist"),
        ("compare", {}, "'methods' is a required property"),
        ("compare", {"methods": {"one": {}}}, "methods: "),
        ("crossval", {"resources": {"train": {"memory": 3}}}, "resources.train: "),
    ],
)
def test_a_wrong_configuration_is_told_in_a_line(
    workflow: str, changed: dict[str, object], says: str, places: dict[str, str], tmp_path: Path
) -> None:
    done = run(workflow, written(tmp_path, places | changed), "-n", "--quiet")
    assert done.returncode
    assert says in done.stdout
    assert not (tmp_path / "out").exists()


STAGES = {
    "prepare-1": "logs/prepare-1.txt",
    "model/train": "model/run/checkpoints/last.pt",
    "model/synthesize-1": "logs/model/synthesize-1.txt",
    "model/evaluate-1": "logs/model/evaluate-1.txt",
    "report": "logs/report.txt",
}
"""The jobs that are killed, and the file that tells that one has begun."""


@pytest.fixture(scope="module")
def cohort(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a cohort of which one MR is torn; everything is killed in each stage, and goes on."""
    folder = tmp_path_factory.mktemp("cohort")
    damaged = folder / "mr"
    damaged.mkdir()
    for number, path in enumerate(sorted((scans / "test" / "mr").iterdir())):
        if number == 2:
            torn(path, damaged / path.name)
        else:
            (damaged / path.name).symlink_to(path)
    values = {
        "mr": str(scans / "mr"),
        "ct": str(scans / "ct"),
        "test_mr": str(damaged),
        "true_ct": str(scans / "test" / "ct"),
        "recipe": "demo",
        "settings": SMALL | {"training.max_steps": 400},
        "shards": 2,
        **ONE_THREAD,
    }
    config = written(folder, values | {"output": "out"})
    for stage, begins in STAGES.items():
        process = begun("cohort", config, *LOCAL)
        wait_for((folder / "out" / begins).is_file)
        time.sleep(0.5)
        kill(process)
        assert not (folder / "out" / "jobs" / stage).exists()
        unlocked = run("cohort", config, "--unlock")
        assert not unlocked.returncode, unlocked.stdout
    done = run("cohort", config, *LOCAL)
    assert not done.returncode, done.stdout
    return folder / "out"


@pytest.mark.slow
def test_a_bad_case_ends_no_cohort_and_is_listed(cohort: Path) -> None:
    found = scores(cohort, "model")
    assert sorted(found["cases"]) == ["case000", "case001", "case003"]
    (reason,) = found["failed"].values()
    assert "the voxels can't be read" in reason
    page = (cohort / "report.html").read_text()
    assert "Jobs of the workflow" in page
    with (cohort / "jobs.csv").open(newline="") as stream:
        jobs = {row["job"]: row for row in csv.DictReader(stream)}
    expected = {"inspect", "store", "model/train"}
    expected |= {f"{name}-{shard}" for name in ("prepare", "model/synthesize", "model/evaluate") for shard in (1, 2)}
    assert jobs.keys() == expected
    assert all(float(row["seconds"]) > 0 for row in jobs.values())
    assert (cohort / "logs" / "model" / "train.txt").read_text()


@pytest.mark.slow
def test_what_was_killed_gives_what_is_undisturbed(cohort: Path, scans: Path, tmp_path: Path) -> None:
    settings = SMALL | {"training.max_steps": 400}
    overrides = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    call = ["train", "demo", "--store", str(cohort / "store"), "--output", str(tmp_path / "run"), *overrides]
    assert execute(call) == 0
    assert losses(cohort / "model" / "run") == losses(tmp_path / "run")
    synthetic, real = str(tmp_path / "synthetic"), str(scans / "test" / "ct")
    assert execute(["synthesize", str(tmp_path / "run"), str(scans / "test" / "mr"), synthetic]) == 0
    assert (
        execute(
            ["evaluate", "--real", real, "--synthetic", synthetic, "--output", str(tmp_path / "evaluation" / "model")]
        )
        == 0
    )
    undisturbed = scores(tmp_path, "model")["cases"]
    assert scores(cohort, "model")["cases"] == {name: undisturbed[name] for name in ("case000", "case001", "case003")}


@pytest.mark.slow
def test_a_rerun_does_what_has_changed(cohort: Path, scans: Path) -> None:
    config = cohort.parent / "out.yaml"
    again = run("cohort", config, *LOCAL)
    assert "Nothing to be done" in again.stdout
    values = yaml.safe_load(config.read_text())
    other = cohort.parent / "other.yaml"
    other.write_text(yaml.safe_dump(values | {"settings": SMALL | {"training.max_steps": 3}}))
    refused = run("cohort", other, *LOCAL)
    assert refused.returncode
    assert "out was made with another value of settings" in refused.stdout
    before = scores(cohort, "model")["cases"]
    for name, now in (("case002", "case002"), ("case003", "case000")):
        path = cohort.parent / "mr" / f"{name}.nii.gz"
        path.unlink()
        path.symlink_to(scans / "test" / "mr" / f"{now}.nii.gz")
    trained = (cohort / "model" / "run" / "checkpoints" / "last.pt").stat().st_mtime_ns
    done = run("cohort", config, *LOCAL)
    assert not done.returncode, done.stdout
    after = scores(cohort, "model")["cases"]
    assert sorted(after) == ["case000", "case001", "case002", "case003"]
    assert after["case000"] == before["case000"]
    assert after["case003"] != before["case003"]  # made again, of the other scan
    assert (cohort / "model" / "run" / "checkpoints" / "last.pt").stat().st_mtime_ns == trained


@pytest.mark.slow
def test_an_interrupted_rerun_scores_again(places: dict[str, str], tmp_path: Path) -> None:
    """What is behind a job that was done again is done again too, in this call or the next."""
    stub = tmp_path / "bin"
    stub.mkdir()
    command = stub / "medcycle"
    command.write_text(STUB)
    command.chmod(0o755)
    scans, called = tmp_path / "scans {a} b", tmp_path / "called.txt"
    scans.mkdir()
    (scans / "one.nii.gz").touch()
    values = {name: str(scans) for name in ("mr", "ct", "test_mr")}
    config = written(tmp_path, values | {"output": "out put", "shards": 2})
    path = f"{stub}{os.pathsep}{ENVIRONMENT['PATH']}"
    done = run("cohort", config, *LOCAL, path=path)
    assert not done.returncode, done.stdout
    (scans / "two.nii.gz").touch()
    called.unlink()
    done = run("cohort", config, *LOCAL, "--until", "synthesize", path=path)
    assert not done.returncode, done.stdout
    done = run("cohort", config, *LOCAL, path=path)
    assert not done.returncode, done.stdout
    commands = called.read_text().split()
    expected = {"inspect": 1, "prepare": 3, "synthesize": 2, "evaluate": 2, "report": 1}
    assert {name: commands.count(name) for name in sorted(set(commands))} == dict(sorted(expected.items()))


STUB = """#!/bin/sh
echo "$1" >> called.txt
case "$1" in
    inspect) for word; do last="$word"; done; echo "[]" > "$last" ;;
    config) echo '{"step": {"memory": 1}, "config": {"training": {"max_minutes": 1}}}' ;;
    report) for word; do last="$word"; done; echo page > "$last" ;;
esac
"""
"""A medcycle that writes what Snakemake waits for, and the commands it was called with."""


@pytest.mark.slow
def test_cross_validation_translates_every_patient_once(places: dict[str, str], tmp_path: Path) -> None:
    paired = {"mr": places["test_mr"], "ct": places["true_ct"], "true_ct": places["true_ct"], "test_mr": places["mr"]}
    values = paired | {"output": "out", "folds": 2, "shards": 1, "recipe": "demo", "settings": SMALL, **ONE_THREAD}
    done = run("crossval", written(tmp_path, values), *LOCAL)
    assert not done.returncode, done.stdout
    found = scores(tmp_path / "out", "held-out")
    assert sorted(found["cases"]) == ["case000", "case001", "case002", "case003"]
    assert "failed" not in found
    held_out = [
        {one["name"] for one in json.loads(path.read_text())["split"]["validation"]["mr"]}
        for path in (tmp_path / "out").glob("fold-*/run/manifest.json")
    ]
    assert len(held_out) == 2
    assert held_out[0].isdisjoint(held_out[1])
    assert len(scores(tmp_path / "out", "ensemble")["cases"]) == 2


def test_the_dockerfile_is_clean() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), PIPELINES / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stdout


def test_both_containers_have_the_tested_pytorch() -> None:
    constraints = (PIPELINES.parent / ".ci" / "constraints.txt").read_text().splitlines()
    (version,) = (line.partition("==")[2] for line in constraints if line.startswith("torch=="))
    docker, apptainer = ((PIPELINES / name).read_text() for name in ("Dockerfile", "medcycle.def"))
    assert f"ARG TORCH_VERSION={version}\n" in docker
    assert f"torch_version={version}\n" in apptainer
    sections = re.findall(r"^%(\w+)$", apptainer, re.MULTILINE)
    assert sections == ["arguments", "files", "post", "runscript"]


@pytest.mark.parametrize("profile", ["local", "slurm", "kubernetes"])
def test_profiles_are_options_of_snakemake(profile: str) -> None:
    values = yaml.safe_load((PIPELINES / "profiles" / profile / "config.yaml").read_text())
    shown = subprocess.run([sys.executable, "-m", "snakemake", "--help"], capture_output=True, text=True, check=True)
    for key in values:
        assert f"--{key}" in shown.stdout
