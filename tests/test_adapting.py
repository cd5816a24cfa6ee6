"""A model fitted to registered pairs: which pairs, how far, and never for the worse on those held out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medcycle as mc
from medcycle.adapting import adapt
from medcycle.adapting.blending import SHARES, share_for
from medcycle.cli.main import execute
from medcycle.io import read_volume, write_nifti
from medcycle.methods.checkpoint import load_method
from medcycle.phantom import write_cohort
from medcycle.training.loop import TrainingResult, train
from medcycle.volume import Grid

FEW = ["training.max_steps=4", "training.batch_size=1"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MR and CT of three patients, on one grid each."""
    folder = tmp_path_factory.mktemp("pairs")
    write_cohort(folder, patients=0, paired_cases=3, spacing=(4.0, 4.0, 5.0))
    return folder / "test"


def both(folder: Path) -> dict[str, Path]:
    return {"mr": folder / "mr", "ct": folder / "ct"}


def linked(source: Path, target: Path, patients: int) -> Path:
    """A folder with the first patients of another."""
    for kind in ("mr", "ct"):
        (target / kind).mkdir(parents=True)
        for path in sorted((source / kind).glob("*.nii.gz"))[:patients]:
            (target / kind / path.name).symlink_to(path)
    return target


def test_pairs_on_one_grid_are_taken_as_they_are(pairs: Path, checkpoint: Path, tmp_path: Path, capfd) -> None:
    call = ["adapt", str(checkpoint), "--mr", str(pairs / "mr"), "--ct", str(pairs / "ct")]
    run = tmp_path / "run"
    fast = ["training.max_steps=30", "training.learning_rate=1e-3", "training.warm_up=0", "training.ema_decay=0"]
    settings = [f"--set={one}" for one in (*FEW, *fast)]
    assert execute([*call, "--output", str(run), *settings]) == 0
    said = capfd.readouterr().out
    assert "adapting to 2 registered pairs, 1 held out" in said
    assert not (tmp_path / "run-registered").exists()
    told = json.loads((run / "adaptation.json").read_text())
    assert (told["pairs"], told["held_out"]) == (2, 1)
    assert told["after"] < told["before"]
    assert "mean absolute error" in said
    made = load_method(run / "checkpoints" / "best.pt")
    assert made.learned["score"] == told["after"]
    assert len(made.profiles["mr"]) == 2
    mc.synthesize(next((pairs / "mr").iterdir()), run)


@pytest.mark.slow
def test_nothing_gained_is_nothing_changed(pairs: Path, checkpoint: Path, tmp_path: Path, monkeypatch) -> None:
    errors = iter(range(100))
    monkeypatch.setattr("medcycle.adapting.blending._error", lambda *_: float(next(errors)))
    made = adapt(checkpoint, tmp_path / "run", **both(pairs), overrides=FEW)
    assert made.share == 0
    assert made.before == made.after == 0
    assert "kept as it is" in made.text
    assert load_method(made.checkpoint).step == load_method(checkpoint).step
    start, kept = (load_method(path).method.generators["target"] for path in (checkpoint, made.checkpoint))
    assert all(torch.equal(value, kept.state_dict()[name]) for name, value in start.state_dict().items())


def test_one_pair_is_not_checked(pairs: Path, checkpoint: Path, tmp_path: Path) -> None:
    made = mc.adapt(
        checkpoint,
        output=tmp_path / "run",
        **both(linked(pairs, tmp_path / "one", 1)),
        settings={"training.max_steps": 4, "training.batch_size": 1},
    )
    assert (made.pairs, made.held_out, made.share, made.before) == (1, 0, 0.5, None)
    assert "adapted without a check" in made.text
    ends = [
        load_method(path).method.generators["target"].state_dict()
        for path in (checkpoint, tmp_path / "run" / "checkpoints" / "last.pt", made.checkpoint)
    ]
    for name, value in ends[2].items():
        torch.testing.assert_close(value, (ends[0][name] + ends[1][name]) / 2)


@pytest.mark.slow
def test_others_are_registered_first(pairs: Path, checkpoint: Path, tmp_path: Path) -> None:
    moved = linked(pairs, tmp_path / "moved", 2)
    for path in (moved / "ct").iterdir():
        volume = read_volume(path)
        path.unlink()
        affine = volume.grid.affine.copy()
        affine[:3, 3] += [7, -5, 4]
        write_nifti(mc.Volume(volume.array, Grid(volume.grid.shape, affine)), path)
    made = adapt(checkpoint, tmp_path / "run", **both(moved), overrides=FEW)
    assert (made.pairs, made.held_out) == (1, 1)
    assert (tmp_path / "run-registered" / "registration.json").is_file()


@pytest.mark.slow
def test_a_resumed_run_keeps_its_pairs(pairs: Path, checkpoint: Path, tmp_path: Path, capfd) -> None:
    run, two = tmp_path / "run", linked(pairs, tmp_path / "two", 2)
    first = adapt(checkpoint, run, **both(two), overrides=FEW)
    for kind in ("mr", "ct"):
        (two / kind / "case002.nii.gz").symlink_to(pairs / kind / "case002.nii.gz")
    more = [*FEW, "training.max_steps=6"]
    second = adapt(checkpoint, run, **both(two), overrides=more, resume=True)
    assert (second.pairs, second.held_out) == (first.pairs, first.held_out) == (1, 1)
    other = tmp_path / "other.pt"
    other.write_bytes(checkpoint.read_bytes())
    with pytest.raises(mc.UsageError, match="give the same model"):
        adapt(other, run, **both(two), overrides=more, resume=True)


@pytest.mark.slow
def test_a_signal_ends_it_for_now(pairs: Path, checkpoint: Path, tmp_path: Path, monkeypatch, capfd) -> None:
    def stopped(*given: Any, **named: Any) -> TrainingResult:
        return replace(train(*given, **named), stopped_by="SIGTERM")

    monkeypatch.setattr("medcycle.adapting.run.train", stopped)
    call = [
        "adapt",
        str(checkpoint),
        "--mr",
        str(pairs / "mr"),
        "--ct",
        str(pairs / "ct"),
        *(f"--set={one}" for one in FEW),
    ]
    assert execute([*call, "--output", str(tmp_path / "run")]) == 75
    assert "resume it with --resume" in capfd.readouterr().out
    assert not (tmp_path / "run" / "adaptation.json").exists()
    assert not (tmp_path / "run" / "checkpoints" / "best.pt").exists()


@pytest.mark.slow
def test_several_mr_of_a_patient_share_its_ct(pairs: Path, checkpoint: Path, tmp_path: Path, capfd) -> None:
    for kind, ends in (("mr", ("T1w", "T2w")), ("ct", ("ct",))):
        for number, path in enumerate(sorted((pairs / kind).iterdir())):
            for factor, end in enumerate(ends, 1):
                target = tmp_path / kind / f"sub-{number}_{end}.nii.gz"
                volume = read_volume(path)
                write_nifti(volume.with_array(volume.array * factor), target)
    made = adapt(checkpoint, tmp_path / "run", **both(tmp_path), overrides=FEW)
    assert (made.pairs, made.held_out) == (4, 2)


@pytest.mark.slow
def test_runs_on_the_same_folders_keep_their_store(pairs: Path, checkpoint: Path, tmp_path: Path) -> None:
    common = {"mr": pairs / "mr", "ct": pairs / "ct"}
    plain = {"training.max_steps": 2, "data.spacing": [4, 4, None], "training.validations": 0}
    mc.train("demo", output=tmp_path / "plain", settings=plain, **common)
    before = {path: path.read_bytes() for path in tmp_path.glob("medcycle-store-*/store.json")}
    adapt(checkpoint, tmp_path / "adapted", **common, overrides=FEW)
    assert len(before) == 1
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(list(tmp_path.glob("medcycle-store-*/store.json"))) == 2


@pytest.mark.parametrize(
    ("errors", "share"),
    [
        ([[100, 50], [90, 49], [80, 51], [70, 60], [60, 60]], 0.25),
        ([[100, 50], [90, 45], [80, 40], [85, 41], [110, 60]], 0.5),
        ([[100, 50], [101, 40], [102, 30], [103, 20], [104, 10]], 0.0),
    ],
)
def test_no_patient_gets_worse(errors: list[list[float]], share: float) -> None:
    assert share_for(dict(zip(SHARES, errors, strict=True))) == share


def test_what_can_not_be_done_is_told(pairs: Path, checkpoint: Path, cohort: Path, tmp_path: Path) -> None:
    def told(error: type[mc.MedcycleError], match: str, **given: Any) -> None:
        call = {"model": checkpoint, "output": tmp_path / "run"} | both(pairs) | given
        with pytest.raises(error, match=match):
            adapt(call.pop("model"), call.pop("output"), **call)

    told(mc.UsageError, "no patient is in both", **both(cohort))
    told(mc.UsageError, "no such checkpoint", model=tmp_path / "gone")
    told(mc.UsageError, "not empty", output=pairs)
    told(mc.ConfigError, "unknown key", overrides=["training.steps=3"])
    told(mc.UsageError, "nothing to resume", resume=True)
    assert np.size(list(tmp_path.iterdir())) == 0
