"""Losses that are recorded elsewhere too."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from medcycle.config import Config, load_config
from medcycle.dataset.store import Store
from medcycle.errors import UsageError
from medcycle.training.loop import train
from medcycle.training.trackers import KNOWN_RUNS, require_trackers
from tests.sizes import TINY

PLAIN = ["method.simulated_pair_weight=0", "training.warm_start=0"]
SHORT = ["training.log_every=2", "training.max_minutes=null", "training.precision=32-true"]


def config(*overrides: str, steps: int = 4) -> Config:
    small = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", *PLAIN, *SHORT]
    return load_config("demo", [*small, f"training.max_steps={steps}", *overrides])


@pytest.mark.slow
def test_mlflow_gets_settings_and_losses_and_goes_on(store: Store, tmp_path: Path, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "there").as_uri())
    chosen = ["training.trackers=[mlflow]"]
    train(config(*chosen), store, tmp_path / "run")
    train(config(*chosen, steps=6), store, tmp_path / "run", resume=True)
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("medcycle").experiment_id])
    assert found.info.run_id == json.loads((tmp_path / "run" / KNOWN_RUNS).read_text())["mlflow"]
    assert found.data.params["training.max_steps"] == "4"
    assert [point.step for point in client.get_metric_history(found.info.run_id, "loss/cycle_target")] == [2, 4, 6]
    assert not list(client.list_artifacts(found.info.run_id))


@pytest.mark.slow
def test_wandb_gets_losses(store: Store, tmp_path: Path, monkeypatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    noted: list[tuple[int, set[str]]] = []
    begin = wandb.init

    def watched(**settings: object) -> object:
        run = begin(**settings)
        send = run.log

        def log(values: dict[str, float], step: int) -> None:
            noted.append((step, set(values)))
            send(values, step=step)

        monkeypatch.setattr(run, "log", log)
        return run

    monkeypatch.setattr(wandb, "init", watched)
    train(config("training.trackers=[wandb]"), store, tmp_path / "run")
    assert [step for step, _ in noted] == [2, 4]
    assert "loss/cycle_target" in noted[0][1]
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_a_server_that_is_away_ends_no_run(store: Store, tmp_path: Path, monkeypatch, caplog) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "there").as_uri())

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(mlflow, "log_metrics", away)
    assert train(config("training.trackers=[mlflow]"), store, tmp_path / "run").step == 4
    assert [record.getMessage() for record in caplog.records if "no route" in record.getMessage()] == [
        "MLflow: recording there has stopped (no route)"
    ]


def test_what_is_not_installed_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"pip install 'medcycle\[wandb\]'"):
        require_trackers(config("training.trackers=[wandb]"))
