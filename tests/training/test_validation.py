"""Validation in the course of a run, the best checkpoint, and when a run is over."""

import csv
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcycle.batch import Batch
from medcycle.config import Config, TrainingConfig, load_config
from medcycle.dataset.store import Store
from medcycle.inference import Calibration, Translator
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import BEST, LAST, Facts, checkpoint_of, facts_of, load_method, read_checkpoint
from medcycle.training import judge, loop, validation
from medcycle.training.feed import typical_intensity
from medcycle.training.learner import Learner
from medcycle.training.loop import TrainingResult, train
from medcycle.training.runs import find_runs
from medcycle.training.selection import Selection
from medcycle.training.step import Step
from medcycle.training.validation import Validation, Validator
from medcycle.volume import Array
from tests.sizes import TINY, fitting

NONE_HELD_OUT = {"mr": (), "ct": ()}


def config(*overrides: str) -> Config:
    small = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.precision=32-true"]
    short = ["training.max_minutes=null", "training.max_steps=6", "training.log_every=2", "data.validation_fraction=0"]
    plain = ["method.simulated_pair_weight=0", "training.warm_start=0", "training.validations=3"]
    return load_config("demo", fitting([*small, *short, *plain, *overrides]))


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
    assert found.terms["simulated_mr"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found.terms["cycle"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found.terms["variety"] == pytest.approx(0, abs=1e-6)
    assert [alarm.split(":")[0] for alarm in found.alarms] == ["mode collapse"]
    assert found.score == pytest.approx(found.terms["simulated_mr"] + 100 * found.terms["bright_voids"])


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


@pytest.mark.slow
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
    assert {"simulated_mr", "bright_voids", "distribution", "structure", "variety", "separability"} <= set(first.terms)
    assert ("cycle" in first.terms) == method.two_way
    assert method.training


def test_ct_alone_is_validated(store: Store) -> None:
    chosen = ["method.name=randomized"]
    found = validator(replace(store, mr=()), *chosen)(build_method(config(*chosen)))
    assert list(found.terms) == ["simulated_mr", "unpaired"]
    assert found.score == found.terms["simulated_mr"]


def trained(store: Store, run: Path, *overrides: str, resume: bool = False) -> TrainingResult:
    return train(config(*overrides), store, run, resume=resume)


@pytest.mark.slow
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
    assert {"score", "simulated_mr", "bright_voids", "cycle", "alarms"} <= set(found[0])
    best = min(found, key=lambda row: float(row["score"]))
    kept = load_method(finished / BEST)
    assert kept.step == int(best["step"])
    assert checkpoint_of(finished) == finished / BEST
    assert checkpoint_of(finished, to="mr") == finished / LAST  # which no score is of
    assert "optimizers" not in read_checkpoint(finished / BEST)
    (listed,) = find_runs(finished)
    assert listed.best == (kept.step, pytest.approx(float(best["score"])))


def test_checkpoints_say_how_much_was_learned_and_from_what(finished: Path, store: Store) -> None:
    found = rows(finished)
    for name in (BEST, LAST):
        saved = load_method(finished / name)
        facts = facts_of(saved)
        assert (facts.step, facts.mr, facts.ct, facts.kind) == (saved.step, len(store.mr), len(store.ct), "unpaired")
        assert facts.score == pytest.approx(min(float(row["score"]) for row in found), rel=1e-4)
        assert facts.beats_a_constant == (facts.score < facts.constant)
    last, state = load_method(finished / LAST), read_checkpoint(finished / LAST)
    assert facts_of(replace(last, learned={})) == Facts(6)
    assert facts_of(replace(last, learned={})).beats_a_constant is None
    assert state["validation"]["constant"] == facts.constant


def test_a_constant_is_the_mean_of_each_body(store: Store, paired: Store) -> None:
    """By hand, and as the score of a method that makes it of everything, of the one CT that there is."""
    one = replace(
        paired, mr=paired.mr[:1], ct=tuple(ct for ct in paired.ct if ct.record.patient == paired.mr[0].record.patient)
    )
    judged = validator(store, held_out=one)
    (part,) = judged._scans.ct
    units = one.ct[0].intensity.inverse(part.image)[part.body]
    mean = float(one.ct[0].intensity.forward(np.array([units.mean()]))[0])
    found = judged(method_that(lambda x: torch.full_like(x, mean)))
    assert found.kind == "mae"
    assert found.score == pytest.approx(found.constant, rel=1e-4)
    assert found.constant == pytest.approx(np.abs(units - units.mean()).mean(), rel=1e-4)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_ends_when_nothing_gets_better(store: Store, tmp_path: Path, monkeypatch, caplog) -> None:
    scores = iter([100.0, 90.0, 95.0, 120.0])

    def validate(_: Validator, method: Method) -> Validation:
        score = next(scores)
        return Validation(score, {"simulated_mr": score}, [])

    monkeypatch.setattr(Validator, "__call__", validate)
    monkeypatch.setattr(judge, "ALARMS_FROM", (4, 0.1))
    with caplog.at_level(logging.WARNING, logger="medcycle.training.judge"):
        result = trained(store, tmp_path / "run", "training.validations=6", "training.patience=2")
    assert (result.stopped_by, result.step, result.best) == ("patience", 4, (2, 90.0))
    assert not result.by_signal
    assert load_method(tmp_path / "run" / BEST).step == 2
    assert load_method(tmp_path / "run" / LAST).step == 4
    assert "anatomy drifting: the error on simulated MR has grown from 90 to 120 HU" in caplog.text
    assert rows(tmp_path / "run")[-1]["alarms"].startswith("anatomy drifting")


def test_a_validation_that_fails_costs_no_run(store: Store, tmp_path: Path, monkeypatch, caplog) -> None:
    def fail(_: Validator, method: Method) -> Validation:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Validator, "__call__", fail)
    with caplog.at_level(logging.WARNING, logger="medcycle.training.judge"):
        result = trained(store, tmp_path / "run")
    assert (result.step, result.best) == (6, None)
    left_out = [message.split(":")[0] for message in caplog.messages if "validation failed and was left out" in message]
    assert left_out == ["step 2", "step 4", "step 6"]
    assert checkpoint_of(tmp_path / "run") == tmp_path / "run" / LAST


def test_turns_come_at_even_distances_and_again_where_a_run_goes_on() -> None:
    selection = Selection(TrainingConfig(validations=10))
    assert [selection.is_due(progress) for progress in (0.05, 0.11, 0.12, 0.25)] == [False, True, False, True]
    assert selection.is_due(1.3)
    assert selection.standing.done == 10
    selection.go_on(selection.standing, 0.5)  # of a run that has got as many minutes more
    assert [selection.is_due(progress) for progress in (0.55, 0.6, 1.0)] == [False, True, True]


def test_validation_takes_a_tenth_of_limited_minutes() -> None:
    selection = Selection(TrainingConfig(max_minutes=10, validations=10))
    selection.cost = 20
    assert selection.share(0.11, 66) == 0  # a tenth of 66 s is less
    assert selection.share(0.4, 240) == 1
    selection.standing.seconds = 20
    assert selection.share(0.6, 390) == 0
    assert selection.share(0.7, 420) == 1
    without = Selection(TrainingConfig(validations=10))
    without.cost = without.standing.seconds = 1e9
    assert without.share(0.1, 1) == 1


def test_the_last_validation_is_as_large_as_there_is_time_for() -> None:
    selection = Selection(TrainingConfig(max_minutes=4, validations=10))
    allowed = selection.allowed(1.0, 240)
    assert 10 <= allowed <= 0.25 * 240
    selection.cost = 360
    assert selection.share(0.5, 120) == 0
    assert selection.share(1.0, 240) == pytest.approx(allowed / 360)
    selection.cost = 1e5
    assert selection.share(1.0, 240) == 0  # less than a slice
    selection.cost, selection.standing.score = 360, 100.0  # there is a best one, of all slices
    assert selection.share(1.0, 240) == 0


def test_a_cost_is_known_from_the_validation_before(monkeypatch) -> None:
    selection = Selection(TrainingConfig(max_minutes=10))
    now = iter([0.0, 8.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    selection.take(1, lambda: Validation(1.0, {"simulated_mr": 1.0}, []), uncalibrated, share=0.25)
    assert (selection.cost, selection.standing.seconds, selection.standing.share) == (32, 8, 0.25)


class Clock:
    """Seconds that pass in steps, and in translations of so many pixels or voxels."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, step: float, voxel: float) -> None:
        self.now, self.translated = 0.0, 0.0
        translate = Translator.translate

        def slow_step(learner: Learner, batches: list[Batch]) -> Step:
            self.now += step
            learner.step += 1
            return Step({}, taken=True)

        def slow_translation(translator: Translator, image: Array, body: Array, *given: Any) -> Array:
            seconds = voxel * translator.voxels(body, given[1])
            self.now += seconds
            self.translated += seconds
            return translate(translator, image, body, *given)

        monkeypatch.setattr(Learner, "training_step", slow_step)
        monkeypatch.setattr(Translator, "translate", slow_translation)
        monkeypatch.setattr("time.monotonic", lambda: self.now)


SLOW = ["training.max_steps=1000", "training.max_minutes=4", "training.validations=10"]
VOLUMES = ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]", "data.spacing=[4, 4, 4]"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "minutes"),
    [([], 0.5), ([], 6), ([], 600), (["data.slices=3"], 6), (VOLUMES, 6)],
    ids=["short", "2D", "endless", "2.5D", "3D"],
)
def test_a_run_of_minutes_ends_in_time_and_has_a_best_checkpoint(
    store: Store, tmp_path: Path, monkeypatch, caplog, sizes: list[str], minutes: float
) -> None:
    """However long a validation takes, here of several minutes, on a machine whose steps take 10 s."""
    settings = config(*SLOW, *sizes)
    method = build_method(settings)
    judged = Validator(settings, store, replace(store, **NONE_HELD_OUT), typical_intensity(store), torch.device("cpu"))
    judged._pace = 1.0  # a second a voxel
    clock = Clock(monkeypatch, step=10.0, voxel=60 * minutes / judged.seconds(method))
    with caplog.at_level(logging.WARNING):
        result = train(settings, store, tmp_path / "run")
    assert result.stopped_by == "minutes"
    assert 4 * 60 <= result.elapsed_seconds == pytest.approx(clock.now)
    assert clock.now <= 1.3 * 4 * 60
    has_a_best = (tmp_path / "run" / BEST).is_file()
    assert has_a_best == bool(result.best) == (minutes < 600)
    assert ("no validation, which would take about" in caplog.text) != has_a_best
    assert (
        f"only {result.step} steps, too few to learn anything; train for longer (training.max_minutes=" in caplog.text
    )
    assert "contrast inversion" not in caplog.text
    assert not has_a_best or float(rows(tmp_path / "run")[-1]["elapsed_seconds"]) <= clock.now + 0.05  # rounded


@pytest.mark.slow
def test_what_a_validation_takes_is_known_from_a_small_part(store: Store, tmp_path: Path, monkeypatch) -> None:
    for sizes in ([], ["data.slices=3"], VOLUMES, ["method.name=randomized"]):
        judged, method = validator(store, *sizes), build_method(config(*sizes))
        judged.find_pace(method)  # makes the simulated MR, in no time
        clock = Clock(monkeypatch, step=0, voxel=1e-3)
        judged.find_pace(method)
        small, clock.translated = clock.translated, 0.0
        judged(method)
        judged.calibration(method)
        assert judged.seconds(method) == pytest.approx(validation.BESIDE_TRANSLATION * clock.translated, rel=1e-6)
        assert small < 0.2 * clock.translated
        monkeypatch.undo()


def test_all_of_a_validation_is_told(store: Store) -> None:
    judged, method = validator(store), build_method(config())
    told: list[tuple[int, int]] = []
    judged.told = lambda done, total: told.append((done, total))
    judged(method)
    judged.calibration(method)
    totals = {total for _, total in told}
    assert len(totals) == 1
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("sizes", [[], ["data.slices=3"], VOLUMES], ids=["2D", "2.5D", "3D"])
def test_a_part_of_the_volumes_is_less_of_them(store: Store, sizes: list[str]) -> None:
    judged, method = validator(store, *sizes), build_method(config(*sizes))
    judged.find_pace(method)
    whole = judged.seconds(method)
    judged.take(0.2)
    assert 0 < judged.seconds(method) < (0.5 if sizes != VOLUMES else 1) * whole
    found = judged(method)
    assert all(np.isfinite(list(found.terms.values())))
    judged.take(1.0)
    assert judged.seconds(method) == whole


@pytest.mark.parametrize(("step", "progress", "alarming"), [(1, 1.0, False), (600, 0.05, False), (600, 0.5, True)])
def test_nothing_is_alarming_before_networks_know_anything(
    store: Store, tmp_path: Path, monkeypatch, caplog, step: int, progress: float, alarming: bool
) -> None:
    found = Validation(100.0, {"simulated_mr": 100.0}, ["contrast inversion: of course"])
    monkeypatch.setattr(Validator, "__call__", lambda judged, method: found)
    monkeypatch.setattr(Learner, "progress", property(lambda learner: progress if learner.step else 0.0))
    training_step = Learner.training_step

    def jump(learner: Learner, batches: list[Batch]) -> Step:
        taken = training_step(learner, batches)
        learner.step = step
        return taken

    monkeypatch.setattr(Learner, "training_step", jump)
    monkeypatch.setattr(Selection, "is_over", property(lambda _: True))
    with caplog.at_level(logging.WARNING):
        trained(store, tmp_path / "run", "training.validations=100")
    assert ("contrast inversion" in caplog.text) == alarming
    assert bool(rows(tmp_path / "run")[0]["alarms"]) == alarming


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "train for more (training.max_steps=1000 or above)"),
        (["training.max_minutes=1e-9"], "train for longer (training.max_minutes="),
    ],
)
def test_a_run_that_is_too_short_says_so(
    store: Store, tmp_path: Path, monkeypatch, caplog, overrides: list[str], words: str
) -> None:
    trained(store, tmp_path / "short", *overrides, "training.validations=0")
    assert "too few to learn anything; " + words in caplog.text
    caplog.clear()
    monkeypatch.setattr(loop, "TOO_FEW", 1)
    trained(store, tmp_path / "long", *overrides, "training.validations=0")
    assert "too few" not in caplog.text


def uncalibrated() -> Calibration:
    return Calibration((0.0, 1.0), (0.0, 1.0))


def test_a_score_that_is_no_number_is_never_the_best() -> None:
    selection = Selection(TrainingConfig(patience=2))
    for step, score in enumerate([float("nan"), 100.0, float("nan")]):
        _, best = selection.take(step, lambda score=score: Validation(score, {"simulated_mr": score}, []), uncalibrated)
        assert best == (score == 100.0)
    assert selection.best == (1, 100.0)
    assert selection.standing.simulated_mr == 100.0
