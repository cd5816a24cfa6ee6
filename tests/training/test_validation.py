"""Validation in the course of a run, the best checkpoint, and when a run is over."""

import csv
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcycle.config import Config, TrainingConfig, load_config
from medcycle.data.store import Store
from medcycle.inference import Calibration
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.methods.saved import BEST, LAST, checkpoint_of, load_method, read_checkpoint
from medcycle.training.feed import typical_intensity
from medcycle.training.loop import TrainingResult, train
from medcycle.training.runs import find_runs
from medcycle.training.selection import Selection
from medcycle.training.validation import Validation, Validator
from tests.sizes import TINY

NONE_HELD_OUT = {"mr": (), "ct": ()}


def config(*overrides: str) -> Config:
    small = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.precision=32-true"]
    short = ["training.max_minutes=null", "training.max_steps=6", "training.log_every=2", "data.validation_fraction=0"]
    plain = ["method.anchor_weight=0", "training.warm_start=0", "training.validations=3"]
    return load_config("demo", [*small, *short, *plain, *overrides])


def validator(store: Store, *overrides: str, held_out: Store | None = None) -> Validator:
    held_out = held_out or replace(store, **NONE_HELD_OUT)
    return Validator(config(*overrides), store, held_out, typical_intensity(store), torch.device("cpu"))


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "validation.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


class To(nn.Module):
    """Makes one thing of every image."""

    def __init__(self, made) -> None:
        super().__init__()
        self.made = made

    def forward(self, x: Tensor) -> Tensor:
        return self.made(x)


def method_that(makes, *overrides: str) -> Method:
    method = build_method(config(*overrides))
    method.generators["target"] = To(makes)
    return method


def test_one_number_for_all_is_as_far_from_ct_as_by_hand(store: Store) -> None:
    found = validator(store)(method_that(torch.zeros_like))
    to_units = store.ct[0].intensity.inverse
    errors = []
    for case in store.ct[:2]:
        shown = np.flatnonzero(np.asarray(case.body).any(axis=(0, 1)))
        taken = shown[np.linspace(0, len(shown) - 1, 20).round().astype(int)] if len(shown) > 20 else slice(None)
        image, body = (np.asarray(array[:, :, taken], dtype=np.float32) for array in (case.image, case.body))
        errors.append(np.abs(to_units(image) - to_units(np.zeros(1)))[body > 0].mean())
    assert found.terms["likeness"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found.terms["cycle"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found.terms["variety"] == pytest.approx(0, abs=1e-6)
    assert [alarm.split(":")[0] for alarm in found.alarms] == ["mode collapse"]
    assert found.score == pytest.approx(found.terms["likeness"] + 100 * found.terms["bright_voids"])


def test_bone_where_the_mr_is_bright_is_an_inverted_contrast(store: Store) -> None:
    judged = validator(store)
    found = judged(method_that(lambda x: (x > 0.2).float()))  # dense bone there, and fluid elsewhere
    assert found.terms["bright_voids"] == 1
    assert "contrast inversion" in "; ".join(found.alarms)
    found = judged(method_that(lambda x: (x < -0.6).float()))
    assert found.terms["bright_voids"] == 0
    assert "contrast inversion" not in "; ".join(found.alarms)


def test_registered_pairs_that_are_held_out_are_the_score(store: Store, paired: Store) -> None:
    to_units = paired.ct[0].intensity.inverse
    found = validator(store, held_out=paired)(method_that(torch.zeros_like))
    error = np.mean(
        [
            np.abs(to_units(np.asarray(case.image, dtype=np.float32)) - to_units(np.zeros(1)))[case.body].mean()
            for case in paired.ct
        ]
    )
    assert found.score == found.terms["mae"] == pytest.approx(error, rel=0.1)  # of some slices
    assert "mae" not in validator(store)(method_that(torch.zeros_like)).terms


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.slices=3"],
        ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]"],
        ["method.name=cut", "network.name=unet", "network.levels=2"],
        ["method.name=munit"],
    ],
    ids=["2.5D", "3D", "cut", "munit"],
)
def test_every_kind_of_method_is_validated_alike_twice(store: Store, overrides: list[str]) -> None:
    method = build_method(config(*overrides))
    judged = validator(store, *overrides)
    first, again = judged(method), judged(method)
    assert first == again
    assert all(np.isfinite(list(first.terms.values())))
    assert {"likeness", "bright_voids", "distribution", "structure", "variety", "separability"} <= set(first.terms)
    assert ("cycle" in first.terms) == method.two_way
    assert method.training


def test_ct_alone_is_validated(store: Store) -> None:
    chosen = ["method.name=randomized"]
    found = validator(replace(store, mr=()), *chosen)(build_method(config(*chosen)))
    assert list(found.terms) == ["likeness", "unpaired"]
    assert found.score == found.terms["likeness"]


def trained(store: Store, run: Path, *overrides: str, resume: bool = False) -> TrainingResult:
    return train(config(*overrides), store, run, resume=resume)


@pytest.mark.parametrize("name", ["randomized", "cyclegan"])
def test_half_precision_is_validated(store: Store, tmp_path: Path, name: str, caplog) -> None:
    short = [
        "training.precision=bf16-mixed",
        "training.accelerator=cpu",
        "training.max_steps=2",
        "training.validations=1",
    ]
    trained(store, tmp_path, f"method.name={name}", *short)
    assert load_method(tmp_path / BEST).step == 2
    assert "left out" not in caplog.text


@pytest.fixture(scope="module")
def finished(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("validated") / "run"
    trained(store, run)
    return run


def test_a_run_is_validated_at_even_distances_and_keeps_its_best(finished: Path) -> None:
    found = rows(finished)
    assert [row["step"] for row in found] == ["2", "4", "6"]
    assert {"score", "likeness", "bright_voids", "cycle", "alarms"} <= set(found[0])
    best = min(found, key=lambda row: float(row["score"]))
    kept = load_method(finished / BEST)
    assert kept.step == int(best["step"])
    assert checkpoint_of(finished) == finished / BEST
    assert checkpoint_of(finished, to="mr") == finished / LAST  # which no score is of
    assert "optimizers" not in read_checkpoint(finished / BEST)
    (listed,) = find_runs(finished)
    assert listed.best == (kept.step, pytest.approx(float(best["score"])))


def test_a_resumed_run_is_validated_as_one_in_one_go(finished: Path, store: Store, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(store, run, "training.max_minutes=1e-9", "training.validations=0")
    trained(store, run, resume=True)

    def found(folder: Path) -> list[dict[str, str]]:
        return [{name: value for name, value in row.items() if name != "elapsed_seconds"} for row in rows(folder)]

    assert found(run) == found(finished)


def test_validation_changes_nothing_of_the_training(finished: Path, store: Store, tmp_path: Path) -> None:
    trained(store, tmp_path / "run", "training.validations=0")
    assert not (tmp_path / "run" / "validation.csv").exists()
    assert checkpoint_of(tmp_path / "run") == tmp_path / "run" / LAST
    one, other = (read_checkpoint(run / LAST)["generators"] for run in (finished, tmp_path / "run"))
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=0, atol=0)


def test_a_run_ends_when_nothing_gets_better(store: Store, tmp_path: Path, monkeypatch, caplog) -> None:
    scores = iter([100.0, 90.0, 95.0, 120.0])

    def validate(_: Validator, method: Method) -> Validation:
        score = next(scores)
        return Validation(score, {"likeness": score}, [])

    monkeypatch.setattr(Validator, "__call__", validate)
    with caplog.at_level(logging.WARNING, logger="medcycle.training.loop"):
        result = trained(store, tmp_path / "run", "training.validations=6", "training.patience=2")
    assert (result.stopped_by, result.step, result.best) == ("patience", 4, (2, 90.0))
    assert not result.by_signal
    assert load_method(tmp_path / "run" / BEST).step == 2
    assert load_method(tmp_path / "run" / LAST).step == 4
    assert "anatomy drifting: the error on MR-like images has grown from 90 to 120 HU" in caplog.text
    assert rows(tmp_path / "run")[-1]["alarms"].startswith("anatomy drifting")


def test_a_validation_that_fails_costs_no_run(store: Store, tmp_path: Path, monkeypatch, caplog) -> None:
    def fail(_: Validator, method: Method) -> Validation:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Validator, "__call__", fail)
    with caplog.at_level(logging.WARNING, logger="medcycle.training.loop"):
        result = trained(store, tmp_path / "run")
    assert (result.step, result.best) == (6, None)
    assert [message.split(":")[0] for message in caplog.messages] == ["step 2", "step 4", "step 6"]
    assert checkpoint_of(tmp_path / "run") == tmp_path / "run" / LAST


def test_validation_takes_a_tenth_of_limited_minutes() -> None:
    selection = Selection(TrainingConfig(max_minutes=10, validations=10))
    assert not selection.is_due(0.05, 30)
    assert selection.is_due(0.11, 66)
    assert not selection.is_due(0.12, 72)
    selection.standing.seconds = 20
    assert not selection.is_due(0.25, 150)
    assert selection.is_due(0.4, 240)
    selection.standing.seconds = 200
    assert not selection.is_due(0.9, 540)
    assert selection.is_due(1.0, 600)
    without = Selection(TrainingConfig(validations=10))
    without.standing.seconds = 200
    assert without.is_due(0.25, 150)


def uncalibrated() -> Calibration:
    return Calibration((0.0, 1.0), (0.0, 1.0))


def test_a_score_that_is_no_number_is_never_the_best() -> None:
    selection = Selection(TrainingConfig(patience=2))
    for step, score in enumerate([float("nan"), 100.0, float("nan")]):
        _, best = selection.take(step, lambda score=score: Validation(score, {"likeness": score}, []), uncalibrated)
        assert best == (score == 100.0)
    assert selection.best == (1, 100.0)
    assert selection.standing.likeness == 100.0
