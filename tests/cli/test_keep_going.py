"""Commands for pipelines: they go on where cases fail, and say which did."""

import csv
import errno
import json
import shutil
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.failures import failures_in, write_failures
from medcycle.shards import Shard

CALL_WRONG = 2


@pytest.fixture
def damaged(cohort: Path, tmp_path: Path) -> Path:
    """Two MR, of which one is torn."""
    folder = tmp_path / "mr"
    shutil.copytree(cohort / "mr", folder)
    torn = folder / "mr001.nii.gz"
    torn.write_bytes(torn.read_bytes()[:2000])
    return folder


def test_failed_cases_are_listed_and_scored_around(checkpoint: Path, damaged: Path, tmp_path: Path, capfd) -> None:
    out, scores = tmp_path / "out", tmp_path / "scores"
    assert execute(["synthesize", str(checkpoint), str(damaged), str(out)]) == 1
    assert execute(["synthesize", str(checkpoint), str(damaged), str(out), "--keep-going"]) == 0
    with (out / "failed.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["case"] == "mr001"
    assert "the voxels can't be read" in row["reason"]
    judge = ["evaluate", "--mr", str(damaged), "--synthetic", str(out), "--output", str(scores)]
    capfd.readouterr()
    assert execute(judge) == CALL_WRONG
    assert "holds 2 cases for one" in capfd.readouterr().err
    assert execute([*judge, "--keep-going"]) == 0
    told = json.loads((scores / "summary.json").read_text())
    assert list(told["cases"]) == ["mr000"]
    assert "no synthetic volume; " in told["failed"]["mr001"]
    assert "the voxels can't be read" in told["failed"]["mr001"]


def test_what_is_mended_is_no_longer_listed(checkpoint: Path, damaged: Path, cohort: Path, tmp_path: Path) -> None:
    call = ["synthesize", str(checkpoint), str(damaged), str(tmp_path / "out"), "--keep-going"]
    assert execute(call) == 0
    shutil.copy(cohort / "mr" / "mr001.nii.gz", damaged / "mr001.nii.gz")
    assert execute(call) == 0
    assert not (tmp_path / "out" / "failed.csv").exists()
    assert (tmp_path / "out" / "mr001" / "sct.nii.gz").is_file()


def test_a_full_disk_is_still_an_error(
    checkpoint: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    def full(*given: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("medcycle.synthesis.runner.write_case", full)
    assert execute(["synthesize", str(checkpoint), str(cohort / "mr"), str(tmp_path / "out"), "--keep-going"]) == 1
    assert "no room left on that disk" in capfd.readouterr().err
    assert len(failures_in(tmp_path / "out")) == 2


def test_outdated_outputs_are_refused_or_replaced(
    checkpoint: Path, damaged: Path, cohort: Path, tmp_path: Path
) -> None:
    shutil.copy(cohort / "mr" / "mr000.nii.gz", damaged / "mr001.nii.gz")
    out, call = tmp_path / "out", ["synthesize", str(checkpoint), str(damaged), str(tmp_path / "out")]
    assert execute(call) == 0
    made = (out / "mr001" / "sct.nii.gz").read_bytes()
    kept = (out / "mr000" / "sct.nii.gz").stat().st_mtime_ns
    shutil.copy(cohort / "mr" / "mr001.nii.gz", damaged / "mr001.nii.gz")
    assert execute([*call, "--keep-going"]) == 0
    assert "made of another input" in failures_in(out)["mr001"]
    judge = [
        "evaluate",
        "--mr",
        str(damaged),
        "--synthetic",
        str(out),
        "--output",
        str(tmp_path / "scores"),
        "--keep-going",
    ]
    assert execute(judge) == 0
    told = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert list(told["cases"]) == ["mr000"]  # and not what was made of the scan before
    assert execute([*call, "--keep-going", "--replace"]) == 0
    assert (out / "mr001" / "sct.nii.gz").read_bytes() != made
    assert (out / "mr000" / "sct.nii.gz").stat().st_mtime_ns == kept
    assert failures_in(out) == {}


def test_what_medcycle_did_not_make_is_not_replaced(checkpoint: Path, cohort: Path, tmp_path: Path) -> None:
    own = tmp_path / "out" / "mr000" / "thesis.txt"
    own.parent.mkdir(parents=True)
    own.write_text("years of work")
    call = ["synthesize", str(checkpoint), str(cohort / "mr"), str(tmp_path / "out"), "--replace"]
    assert execute(call) == 1
    assert own.read_text() == "years of work"


def test_shards_have_tables_of_their_own(tmp_path: Path) -> None:
    write_failures({"Müller, A": 'torn; "twice"'}, tmp_path, Shard(1, 2))
    write_failures({"b": "no body"}, tmp_path, Shard(2, 2))
    assert failures_in(tmp_path) == {"Müller, A": 'torn; "twice"', "b": "no body"}
    write_failures({}, tmp_path, Shard(1, 2))
    (tmp_path / "failed.csv").write_bytes(b"\xff\xfe\x00")
    assert failures_in(tmp_path) == {"b": "no body"}
    write_failures({"c": "no body"}, tmp_path, Shard(1, 3))  # of another number of shards
    assert failures_in(tmp_path) == {"c": "no body"}


def test_only_held_out_scans(tmp_path: Path, checkpoint: Path, cohort: Path, capfd) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    shutil.copy(checkpoint, run / "checkpoints" / "last.pt")
    call = ["synthesize", str(run), str(cohort / "mr"), str(tmp_path / "out"), "--held-out"]
    assert execute(call) == CALL_WRONG
    assert "tells no held-out scans" in capfd.readouterr().err
    for names, says in (([], "held out no MR"), (["other"], "none of its 1 held-out MR")):
        split = {"validation": {"mr": [{"name": name} for name in names], "ct": []}}
        (run / "manifest.json").write_text(json.dumps({"split": split}))
        assert execute(call) == CALL_WRONG
        assert says in capfd.readouterr().err
    split = {"validation": {"mr": [{"name": "mr001"}], "ct": []}}
    (run / "manifest.json").write_text(json.dumps({"split": split}))
    assert execute(call) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mr001"]


def test_settings_for_scripts(capfd) -> None:
    assert execute(["config", "show", "head_ct_only", "--json", "--set", "training.max_steps=7"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["config"]["training"]["max_steps"] == 7
    assert told["step"]["memory"] > told["step"]["generators"] > 1e6


def test_a_report_of_jobs(tmp_path: Path, capfd) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text("job,seconds,memory_mib,cpu_seconds\nmodel/train,7261.5,2048.4,14000\nreport,,,\n")
    assert execute(["report", str(jobs), "--output", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    for shown in ("Jobs of the workflow", "2 jobs, 2.0 hours in all", "7,262 s", "2,048 MiB"):
        assert shown in page
    jobs.write_text("a,b\n1,2\n")
    assert execute(["report", str(jobs), "--output", str(tmp_path / "report.html")]) == 1
    assert "no table of jobs" in capfd.readouterr().err
