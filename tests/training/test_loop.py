"""Training runs: what they leave, how they stop, and that they can go on."""

import csv
import errno
import json
import math
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medcycle.config import Config, load_config
from medcycle.dataset.patches import UnpairedPatches
from medcycle.dataset.store import Store
from medcycle.errors import BadCheckpoint, DataError, InUse, TrainingFailed, UsageError
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import LAST, load_method, read_checkpoint
from medcycle.training import loop, pair_maker
from medcycle.training.journal import Journal
from medcycle.training.loop import train
from medcycle.training.optimizers import Optimizers
from medcycle.training.run_folder import store_of_run
from medcycle.training.signals import SIGNALS
from tests.forked import Forked, command, in_a_session
from tests.io.test_locks import holding
from tests.sizes import TINY, fitting


def config(*overrides: str) -> Config:
    small = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.precision=32-true"]
    every = ["training.log_every=2", "training.preview_every=100", "training.checkpoint_every=100"]
    plain = ["method.simulated_pair_weight=0", "training.warm_start=0"]
    ends = ["training.max_minutes=null", "training.max_steps=6"]
    return load_config("demo", fitting([*small, *every, *plain, *ends, *overrides]))


def rows(run: Path, name: str = "metrics.csv") -> list[dict[str, str]]:
    with (run / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def finished(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    result = train(config(), store, run)
    assert (result.step, result.stopped_by) == (6, "steps")
    return run


def test_a_run_is_complete(finished: Path, store: Store) -> None:
    assert Config.model_validate(yaml.safe_load((finished / "config.yaml").read_text())) == config()
    manifest = json.loads((finished / "manifest.json").read_text())
    assert [case["sha256"] for case in manifest["split"]["train"]["mr"]] == [case.record.sha256 for case in store.mr]
    assert manifest["torch"] == torch.__version__
    assert (finished / "previews" / "step_000006.png").read_bytes().startswith(b"\x89PNG")
    board = EventAccumulator(str(finished / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss/cycle_target")] == [2, 4, 6]
    (shown,) = board.Images("preview")
    assert (shown.step, shown.width > 400) == (6, True)
    found = rows(finished)
    assert [row["step"] for row in found] == ["2", "4", "6"]
    assert list(found[0])[:2] == ["step", "elapsed_seconds"]
    assert float(found[0]["cycle_target"]) > 0
    saved = load_method(finished / "checkpoints" / "last.pt")
    assert saved.step == 6
    assert saved.intensity["ct"].inverse(np.array([-1.0]))[0] == -1024


def test_what_may_travel_names_nobody(store: Store, tmp_path: Path, monkeypatch) -> None:
    """Neither cases nor folders nor this computer."""
    computer = "radiology-workstation-7"  # a short name would stand in some weights by chance
    monkeypatch.setattr("socket.gethostname", lambda: computer)
    run, split = tmp_path / "run", tmp_path / "split.yaml"
    split.write_text("mr000: validation\n")
    train(config(f"data.split_file={split}", "training.max_steps=2", "training.validations=1"), store, run)
    names = [case.record.name for cases in store.both().values() for case in cases]
    words = [word.encode() for word in (*names, str(tmp_path), str(store.root), computer)]
    travels = [*(run / "checkpoints").iterdir(), *(run / "tensorboard").iterdir(), run / "metrics.csv"]
    assert {"best.pt", "last.pt"} < {path.name for path in travels}
    for path in travels:
        assert not [word for word in words if word in path.read_bytes() or word.decode() in path.name], path.name
    manifest = (run / "manifest.json").read_text()
    assert str(tmp_path) not in manifest  # which names the cases, and stays
    assert "mr000" in manifest


def test_a_run_that_another_process_trains_is_left_alone(store: Store, tmp_path: Path) -> None:
    with holding(tmp_path / "run") as other:
        with pytest.raises(InUse, match=f"in use by process {other.pid}"):
            train(config(), store, tmp_path / "run")
        other.communicate("")
    assert not (tmp_path / "run").exists()


def test_the_same_seed_gives_the_same_run(finished: Path, store: Store, tmp_path: Path) -> None:
    train(config(), store, tmp_path / "again")
    train(config("training.seed=1"), store, tmp_path / "other")

    def losses(run: Path) -> list[list[str]]:
        return [[value for key, value in row.items() if key != "elapsed_seconds"] for row in rows(run)]

    assert losses(tmp_path / "again") == losses(finished)
    assert losses(tmp_path / "other") != losses(finished)


def test_a_resumed_run_equals_one_in_one_go(finished: Path, store: Store, tmp_path: Path) -> None:
    # no time at all is one step, and the rate has not begun to fall then
    run = tmp_path / "run"
    train(config("training.max_steps=6", "training.max_minutes=1e-9"), store, run)
    assert read_checkpoint(run / "checkpoints" / "last.pt")["step"] == 1
    result = train(config(), store, run, resume=True)
    assert result.step == 6
    whole, parts = (load_method(path / "checkpoints" / "last.pt").method.state_dict() for path in (finished, run))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=0)


FROM_CT = ["method.name=randomized", "network.name=unet", "network.levels=2", "training.batch_size=2"]
THICK = ["randomize.thick_share=0.5", "randomize.effects=head"]


@pytest.mark.slow
@pytest.mark.parametrize("effects", [[], THICK])
def test_a_run_on_ct_alone(store: Store, tmp_path: Path, effects: list[str]) -> None:
    alone = replace(store, mr=())
    run, again = tmp_path / "run", tmp_path / "again"
    train(config(*FROM_CT, *effects), alone, run)
    assert list(rows(run)[0]) == ["step", "elapsed_seconds", "l1_target"]
    assert (run / "previews" / "step_000006.png").is_file()
    assert json.loads((run / "manifest.json").read_text())["split"]["train"]["mr"] == []
    saved = load_method(run / LAST)
    assert saved.intensity["mr"].forward(np.array([0.0]))[0] == pytest.approx(-0.8)
    train(config(*FROM_CT, *effects, "training.max_minutes=1e-9"), alone, again)
    assert train(config(*FROM_CT, *effects), alone, again, resume=True).step == 6
    whole, parts = (load_method(path / LAST).method.state_dict() for path in (run, again))
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())


def moved(settings: Config, run: Path) -> set[str]:
    """The networks whose weights are others than a run began with, such as `generators.target`."""
    torch.manual_seed(settings.training.seed)
    start, state = build_method(settings).state_dict(), read_checkpoint(run / LAST)["method"]
    return {".".join(name.split(".")[:2]) for name in start if not torch.equal(start[name], state[name])}


SIZES = {
    "2d": [],
    "2.5d": ["data.slices=3"],
    "3d": ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]"],
}


@pytest.mark.parametrize("sizes", ["2.5d", "3d"])
def test_pairs_are_made_in_every_dimension(store: Store, tmp_path: Path, sizes: str) -> None:
    settings = config(*FROM_CT, "method.adversarial_weight=1", "training.max_steps=2", *SIZES[sizes])
    train(settings, replace(store, mr=()), tmp_path / "run")
    assert moved(settings, tmp_path / "run") == {"generators.target", "discriminators.target"}
    assert rows(tmp_path / "run")[0].keys() >= {"l1_target", "adversarial_target", "discriminator_target"}


def test_deformed_ct_are_of_what_is_trained_on_and_are_drawn_from(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store.root, tmp_path / "store")
    fed: list[Store] = []

    class Noting(loop.Feed):
        def __init__(self, config: Config, store: Store, *others: Any) -> None:
            fed.append(store)
            super().__init__(config, store, *others)

    monkeypatch.setattr(loop, "Feed", Noting)
    monkeypatch.setattr(
        "medcycle.simulation.deformed_ct.deformed", lambda _, fixed: fixed
    )  # registration takes seconds
    settings = config(*FROM_CT, "data.deformed_ct=5", "training.max_steps=2")
    train(settings, Store.open(tmp_path / "store"), tmp_path / "all")
    held = settings.model_copy(update={"data": settings.data.model_copy(update={"validation_fraction": 0.5})})
    train(held, Store.open(tmp_path / "store"), tmp_path / "held")
    of_two, of_one = fed
    assert [case.record.name.startswith("deformed-") for case in of_two.ct] == [False, False, True, True]
    (kept,) = json.loads((tmp_path / "held" / "manifest.json").read_text())["split"]["train"]["ct"]
    assert [case.record.name for case in of_one.ct] == [kept["name"]]  # of one alone there is no deformed CT


BOTH_WAYS = {"generators.target", "generators.source", "discriminators.target", "discriminators.source"}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(
    ("name", "networks", "loss"),
    [
        ("pix2pix", {"generators.target", "discriminators.target"}, "l1_target"),
        ("hybrid", BOTH_WAYS, "registered_source"),
        ("regcyclegan", BOTH_WAYS | {"generators.registration"}, "smoothness"),
    ],
)
def test_registered_pairs_are_learned_from_in_every_dimension(
    paired: Store, tmp_path: Path, name: str, networks: set[str], loss: str, sizes: str
) -> None:
    settings = config(f"method.name={name}", "training.batch_size=2", "training.max_steps=4", *SIZES[sizes])
    train(settings, paired, tmp_path / "run")
    assert moved(settings, tmp_path / "run") == networks
    assert rows(tmp_path / "run")[-1][loss]
    assert (tmp_path / "run" / "previews" / "step_000004.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "loss", "warm"),
    [("cut", "nce_target", "0.5"), ("unit", "reconstruction_source", "0"), ("munit", "style_target", "0.5")],
)
def test_methods_that_draw_at_random_train_and_resume(
    store: Store, tmp_path: Path, name: str, loss: str, warm: str
) -> None:
    chosen = [f"method.name={name}", f"training.warm_start={warm}"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config(*chosen), store, whole)
    assert float(rows(whole)[-1][loss]) > 0
    train(config(*chosen, "training.max_minutes=1e-9"), store, parts)
    train(config(*chosen), store, parts, resume=True)
    one, other = (load_method(run / LAST).method.state_dict() for run in (whole, parts))
    assert all(torch.equal(other[name], tensor) for name, tensor in one.items())


def test_a_method_that_needs_registered_pairs_says_so(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="medcycle register"):
        train(config("method.name=pix2pix"), store, tmp_path / "run")


def test_a_method_that_needs_mr_says_so(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no MR"):
        train(config(), replace(store, mr=()), tmp_path / "run")


def test_a_run_of_an_older_version_goes_on(store: Store, tmp_path: Path) -> None:
    """Whose checkpoint has the keys of all methods and networks."""
    train(config("training.max_minutes=1e-9"), store, tmp_path)
    state = read_checkpoint(tmp_path / LAST)
    old = yaml.safe_load(Path(__file__).parents[1].joinpath("old_config.yaml").read_text(encoding="utf-8"))
    for section in ("network", "method"):
        state["config"][section] = old[section] | state["config"][section]
    torch.save(state, tmp_path / LAST)
    with pytest.raises(UsageError, match=r"method\.name.*can't change"):
        train(config("method.name=cut"), store, tmp_path, resume=True)
    assert train(config(), store, tmp_path, resume=True).step == 6


def test_a_run_can_init_from_the_networks_of_another(store: Store, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    unet = FROM_CT[1:]
    train(config(*FROM_CT), replace(store, mr=()), first)
    still = ["training.learning_rate=1e-12", "training.max_steps=2"]
    train(config(*unet, *still), store, second, init_from=first)
    then, now = (load_method(run / LAST).method.generators["target"].state_dict() for run in (first, second))
    for name, tensor in then.items():
        torch.testing.assert_close(now[name], tensor, atol=1e-6, rtol=0)
    assert json.loads((second / "manifest.json").read_text())["init_from"] == "../first/checkpoints/last.pt"


@pytest.mark.parametrize(
    ("override", "words"),
    [("network.filters=8", "generators.source is a different network"), ("data.soft_tissue=null", "data.soft_tissue")],
)
def test_what_does_not_fit_is_not_begun_with(
    finished: Path, store: Store, tmp_path: Path, override: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        train(config(override), store, tmp_path / "run", init_from=finished)


WITH_PAIRS = ["method.simulated_pair_weight=10", "training.warm_start=0.5"]


def test_a_warm_start_trains_the_generators_on_pairs_alone(store: Store, tmp_path: Path) -> None:
    train(config(*WITH_PAIRS), store, tmp_path / "run")
    warm, *_, whole = rows(tmp_path / "run")
    assert float(warm["simulated_pair_target"]) > 0
    assert float(whole["simulated_pair_target"]) > 0
    assert (warm["cycle_target"], warm["discriminator_source"]) == ("", "")
    assert float(whole["cycle_target"]) > 0

    throughout = config("method.simulated_pair_weight=10", "training.warm_start=1")
    train(throughout, store, tmp_path / "warm")
    assert moved(throughout, tmp_path / "warm") == {"generators.target", "generators.source"}


def test_after_a_warm_start_without_simulated_pairs_nothing_is_supervised(store: Store, tmp_path: Path) -> None:
    train(config("training.warm_start=0.5", "training.max_steps=8"), store, tmp_path / "run")
    found = rows(tmp_path / "run")
    assert float(found[1]["simulated_pair_source"]) > 0  # every fourth step
    assert float(found[-1]["cycle_target"]) > 0
    assert (found[-1]["simulated_pair_target"], found[-1]["simulated_pair_source"]) == ("", "")


def test_the_learning_rate_rises_and_falls(store: Store, tmp_path: Path, monkeypatch) -> None:
    rates: list[float] = []
    monkeypatch.setattr(Optimizers, "set_learning_rate", lambda _, rate: rates.append(rate))
    steps = ["training.max_steps=20", "training.learning_rate=1", "training.warm_up=5"]
    train(config(*steps, "training.warm_start=0.4"), store, tmp_path / "run")
    assert rates[:9] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1])
    assert rates[-1] == pytest.approx(2 * 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("first", [2, 4])
def test_a_run_with_simulated_pairs_can_be_resumed(
    store: Store, tmp_path: Path, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With contrasts that are measured on the way, at steps 2 and 4."""
    monkeypatch.setattr(pair_maker, "MEASURE_EVERY", 2)
    monkeypatch.setattr(pair_maker, "MEASURE_FROM", 1)
    settings = config(*WITH_PAIRS, "randomize.measured_share=0.7")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(settings, store, whole)
    measured = read_checkpoint(whole / "checkpoints" / "last.pt")["by_rank"][0]["pairs"]["measured"]
    assert len(measured) == 2 * settings.training.batch_size
    assert measured.isfinite().any()
    note = Journal.note

    def note_and_stop(journal: Journal, step: int, *rest: Any) -> None:
        note(journal, step, *rest)
        if step == first:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "note", note_and_stop)
        assert train(settings, store, parts).step == first
    assert train(settings, store, parts, resume=True).step == 6
    ends = [load_method(run / "checkpoints" / "last.pt").method.state_dict() for run in (whole, parts)]
    for name, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][name], tensor, rtol=0, atol=0)
    columns = [key for key in rows(whole)[-1] if key != "elapsed_seconds"]
    assert [[row[key] for key in columns] for row in rows(parts)] == [
        [row[key] for key in columns] for row in rows(whole)
    ]


def test_a_checkpoint_holds_the_average_and_what_to_go_on_from(store: Store, tmp_path: Path) -> None:
    def generators(name: str, decay: float) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        train(config(f"training.ema_decay={decay}"), store, tmp_path / name)
        state = read_checkpoint(tmp_path / name / "checkpoints" / "last.pt")
        return {key: state["method"][f"generators.{key}"] for key in state["generators"]}, state["generators"]

    (average, last), (same, alone) = generators("with", 0.999), generators("without", 0)
    for name, tensor in last.items():
        torch.testing.assert_close(alone[name], tensor, rtol=0, atol=0)  # averaging doesn't touch training
        torch.testing.assert_close(same[name], tensor, rtol=0, atol=0)
    assert any(not torch.equal(average[name], tensor) for name, tensor in last.items())


def test_a_run_is_not_overwritten(finished: Path, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--resume"):
        train(config(), store, finished)
    with pytest.raises(UsageError, match="nothing to resume"):
        train(config(), store, tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()
    changed = replace(store.mr[0], record=replace(store.mr[0].record, voxels="others"))
    for other in (replace(store, mr=store.mr[1:]), replace(store, mr=(changed, *store.mr[1:]))):
        with pytest.raises(UsageError, match=r"other data \(mr000"):
            train(config(), other, finished, resume=True)
    with pytest.raises(UsageError, match=r"network\.filters"):
        train(config("network.filters=8"), store, finished, resume=True)
    with pytest.raises(UsageError, match=r"training\.optimizer can't change"):
        train(config("training.optimizer=muon"), store, finished, resume=True)


def test_a_damaged_checkpoint_is_not_resumed(finished: Path, store: Store, tmp_path: Path) -> None:
    state = read_checkpoint(finished / "checkpoints" / "last.pt")
    (tmp_path / "checkpoints").mkdir()
    del state["optimizers"]
    torch.save(state, tmp_path / "checkpoints" / "last.pt")
    with pytest.raises(BadCheckpoint, match="optimizers"):
        train(config(), store, tmp_path, resume=True)


def test_a_run_keeps_its_validation_patients(store: Store, tmp_path: Path) -> None:
    by_file = tmp_path / "split.yaml"
    by_file.write_text("mr000: validation\n")
    train(config("training.max_steps=2", f"data.split_file={by_file}"), store, tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert [case["name"] for case in manifest["split"]["validation"]["mr"]] == ["mr000"]
    with pytest.raises(UsageError, match=r"data\.split_file can't change"):
        train(config("training.max_steps=4"), store, tmp_path / "run", resume=True)
    by_file.write_text("mr001: validation\n")
    train(config("training.max_steps=4", f"data.split_file={by_file}"), store, tmp_path / "run", resume=True)
    state = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt")
    assert state["step"] == 4
    assert state["trained_on"]["mr"] == [case.record.voxels for case in store.mr if case.record.name == "mr001"]
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["training"]["max_steps"] == 4


def test_a_run_goes_on_with_its_cases_when_the_store_has_grown(finished: Path, store: Store, tmp_path: Path) -> None:
    for name in ("plain", "run"):
        shutil.copytree(finished, tmp_path / name)
    train(config("training.max_steps=8"), store, tmp_path / "plain", resume=True)
    later = replace(store.mr[0], record=replace(store.mr[0].record, name="later", voxels="others"))
    grown = replace(store, key="another", mr=(*store.mr, replace(later, folder=store.mr[0].folder / "later")))
    train(config("training.max_steps=8"), grown, tmp_path / "run", resume=True)
    one, other = (load_method(run / "checkpoints" / "last.pt").method for run in (tmp_path / "plain", tmp_path / "run"))
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=0, atol=0)


def test_a_run_that_failed_before_its_first_checkpoint_can_begin_anew(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no slice"):
        train(config("data.min_body_fraction=0.99"), store, tmp_path / "run")
    assert train(config(), store, tmp_path / "run").step == 6
    assert [row["step"] for row in rows(tmp_path / "run")] == ["2", "4", "6"]


def test_minutes_end_a_run(store: Store, tmp_path: Path) -> None:
    result = train(config("training.max_steps=100000", "training.max_minutes=0.02"), store, tmp_path / "run")
    assert result.stopped_by == "minutes"
    assert 1 <= result.step < 100_000
    assert result.elapsed_seconds < 10


def test_a_diverged_run_says_so_and_keeps_what_was_sound(
    finished: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    monkeypatch.setattr("medcycle.training.loop.MOST_IN_VAIN", 10)
    usual = config("training.max_steps=40", "training.batch_size=2")
    # beyond what a configuration may have
    diverging = usual.model_copy(update={"training": usual.training.model_copy(update={"learning_rate": 1e30})})
    with pytest.raises(TrainingFailed, match=r"skipped\.csv names their cases; lower training\.learning_rate"):
        train(diverging, store, run, resume=True)
    assert (run / LAST).read_bytes() == (finished / LAST).read_bytes()
    skipped = rows(run, "skipped.csv")
    assert [int(row["step"]) for row in skipped[-10:]] == list(range(int(skipped[-1]["step"]) - 9, 41))[:10]
    assert re.fullmatch(r"ct: ct00\d, ct00\d; mr: mr00\d, mr00\d", skipped[0]["cases"])
    assert all(math.isfinite(float(value)) for row in rows(run) for value in row.values() if value)


def test_a_row_that_was_not_written_to_its_end_is_dropped(finished: Path, store: Store, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with (run / "metrics.csv").open("a") as stream:
        stream.write("5,1.0,0.3")
    train(config("training.max_steps=8"), store, run, resume=True)
    assert [row["step"] for row in rows(run)] == ["2", "4", "6", "8"]


def test_what_was_learned_is_saved_when_the_store_is_gone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = UnpairedPatches.__getitem__

    def vanish(patches: UnpairedPatches, index: int) -> dict[str, torch.Tensor]:
        if index == 3:
            raise OSError(errno.EIO, "Input/output error", "store")
        return draw(patches, index)

    monkeypatch.setattr(UnpairedPatches, "__getitem__", vanish)
    with pytest.raises(OSError, match="Input/output error"):
        train(config(), store, tmp_path / "run")
    assert read_checkpoint(tmp_path / "run" / LAST)["step"] == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_leaves_the_last_checkpoint(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    store = str(store_of_run(finished))
    before = (run / LAST).read_bytes()
    room = len(before) // 2
    call = ["train", str(run / "config.yaml"), "--store", store, "--output", str(run), "--resume"]
    ended = Forked(_with_room_for, room, [*call, "--set=training.max_steps=8"], output=tmp_path / "printed")
    assert ended.ended(60) == 1
    assert "File too large" in ended.printed
    assert "bug in medcycle" not in ended.printed
    assert (run / LAST).read_bytes() == before
    assert not list(run.rglob(".partial*"))


def _with_room_for(size: int, words: list[str]) -> int:
    import resource  # noqa: PLC0415 - of POSIX alone

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return command(words)


def test_steps_along_exploded_gradients_are_counted(store: Store, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("medcycle.training.step.EXPLODED", 0.0)
    run = tmp_path / "run"
    result = train(config(), store, run)
    assert (result.step, result.skipped) == (6, 6)
    torch.manual_seed(config().training.seed)
    untrained, kept = build_method(config()).state_dict(), load_method(run / LAST).method.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in untrained.items())
    monkeypatch.setattr("medcycle.training.loop.MOST_IN_VAIN", 3)
    with pytest.raises(TrainingFailed, match="step 3: the losses or gradients"):
        train(config(), store, tmp_path / "in_vain")


def test_a_run_is_not_both_resumed_and_begun_with_another(finished: Path, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="own networks"):
        train(config(), store, finished, resume=True, init_from=finished)


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["training.optimizer=muon", "network.filters=12"]])
def test_a_step_of_several_batches_is_resumed_in_the_right_place(store: Store, tmp_path: Path, more: list[str]) -> None:
    chosen = ["training.accumulate=2", "training.decay=cosine", *WITH_PAIRS, *more]
    train(config(*chosen), store, tmp_path / "whole")
    train(config(*chosen, "training.max_minutes=1e-9"), store, tmp_path / "parts")
    train(config(*chosen), store, tmp_path / "parts", resume=True)
    one, other = (load_method(tmp_path / run / LAST).method.state_dict() for run in ("whole", "parts"))
    assert all(torch.equal(other[name], tensor) for name, tensor in one.items())


@pytest.mark.slow
def test_training_lowers_the_cycle_loss(store: Store, tmp_path: Path) -> None:
    settings = ["training.max_steps=200", "training.log_every=10", "network.filters=8", "method.cycle_weight=10"]
    train(config(*settings, "training.learning_rate=1e-3"), store, tmp_path / "run")
    cycle = [float(row["cycle_source"]) + float(row["cycle_target"]) for row in rows(tmp_path / "run")]
    assert cycle[-1] < 0.6 * cycle[0]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "workers"), list(zip(SIGNALS, (0, 2), strict=False)))  # all go one way
def test_signals_save_and_end_cleanly(store: Store, tmp_path: Path, number: signal.Signals, workers: int) -> None:
    run = tmp_path / "run"
    settings = [f"--set={item}" for item in (*TINY, "data.spacing=[4, 4, null]", "training.log_every=1")]
    words = ["train", "demo", "--store", str(store.root), "--output", str(run), *settings]
    words.append(f"--set=training.workers={workers}")
    process = Forked(in_a_session, command, words, output=tmp_path / "printed")
    deadline = time.monotonic() + 60
    while not (run / "metrics.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, number)  # as a terminal and a batch system do: to the processes that read as well
    assert process.ended(60) == 75, process.printed
    assert f"ended by {number.name}" in process.printed
    assert "Traceback" not in process.printed
    step = load_method(run / "checkpoints" / "last.pt").step
    assert step >= 1
    assert not list(run.rglob(".partial*"))
    longer = [f"{key}={value}" for key, value in (("training.max_steps", step + 2), ("training.workers", 0))]
    changed = load_config(str(run / "config.yaml"), longer)
    assert train(changed, store, run, resume=True).step == step + 2


@pytest.mark.slow
def test_neighbouring_slices_are_trained_on_and_gone_on_with(store: Store, tmp_path: Path) -> None:
    thin = ["data.slices=3", "method.simulated_pair_weight=10", "training.warm_start=0.5", "training.max_steps=6"]
    train(config(*thin), store, tmp_path / "one")
    train(config(*thin, "training.max_minutes=0.0001"), store, tmp_path / "two")
    train(config(*thin), store, tmp_path / "two", resume=True)
    one, other = (load_method(tmp_path / run / "checkpoints" / "last.pt").method for run in ("one", "two"))
    assert next(one.parameters()).shape[1] == 3
    assert one.translate(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert rows(tmp_path / "one")[-1]["simulated_pair_target"]
    assert [row["step"] for row in rows(tmp_path / "two")] == ["2", "4", "6"]
    assert other.translate(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
