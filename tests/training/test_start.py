"""What a training starts from: the shipped model by default, where it fits, or new networks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import medcycle as mc
from medcycle.cli.main import execute
from medcycle.config import Choice, load_config
from medcycle.methods.checkpoint import checkpoint_of, load_method
from medcycle.planning.automatic import settings_for
from medcycle.planning.fingerprint import Fingerprint
from medcycle.training.initial_model import start_of

HEAD = Fingerprint(volumes=4, spacing=(1, 1, 1), slices=(700, 800, 600), body=(160, 210, 230), brightest=1610)
PELVIS = Fingerprint(volumes=4, spacing=(1, 1, 3), slices=(700, 800, 600), body=(380, 250, 230), brightest=1610)


@pytest.mark.parametrize("method", [None, "randomized", "cut", "pix2pix", "hybrid", "regcyclegan"])
def test_recipes_for_heads_start_from_the_shipped_model(method: str | None) -> None:
    for recipe in ("head_mr_ct", "head_ct_only") if method in {None, "randomized"} else ("head_mr_ct",):
        settings = load_config(recipe, choice=Choice(method, device="cpu"))
        assert settings.training.init_from == "head"
        said: list[str] = []
        initial, kept = start_of(settings, None, said.append)
        assert initial
        assert kept == settings
        assert said == ["initialised from head, which ships with medcycle: generators.target"]


@pytest.mark.parametrize("choice", [Choice("unit", device="cpu"), Choice("munit", device="cpu"), Choice(dims=3)])
def test_others_start_from_new_networks(choice: Choice) -> None:
    assert load_config("head_mr_ct", choice=choice).training.init_from is None
    assert load_config("body_mr_ct", choice=Choice(device="cpu")).training.init_from is None


@pytest.mark.parametrize(
    ("override", "why"),
    [("data.slices=1", "data.slices is 3 there"), ("network.filters=16", "generators.target is a different network")],
)
def test_a_shipped_model_that_does_not_fit_is_not_taken(override: str, why: str) -> None:
    said: list[str] = []
    initial, kept = start_of(load_config("head_ct_only", [override]), None, said.append)
    assert initial is None
    assert kept.training.init_from is None
    assert len(said) == 1
    assert said[0].startswith("training from scratch: head, which ships with medcycle: its ")
    assert why in said[0]


def test_a_run_that_does_not_fit_is_an_error(checkpoint: Path) -> None:
    settings = load_config("head_ct_only", [f"training.init_from={checkpoint}"])
    with pytest.raises(mc.UsageError, match="its settings differ"):
        start_of(settings, None, print)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A plan for scans of the same size."""

    def plan(scans: Fingerprint, overrides: list[str], choice: Choice) -> str:
        monkeypatch.setattr("medcycle.planning.automatic.fingerprint", lambda *_: scans)
        config, made = settings_for("auto", overrides, SimpleNamespace(mr=[1], ct=[1]), choice=choice)  # type: ignore[arg-type]
        assert config == made.config()
        (line,) = [line for line in made.text().splitlines() if "init_from" in line] or [""]
        return line.strip()

    return plan


def test_auto_starts_from_the_shipped_model_where_it_fits(planned: Any) -> None:
    here = Choice(device="cpu")
    assert planned(HEAD, [], here) == 'init_from: "head"  # the shipped model; --from-scratch for none'
    why = "init_from: null  # bodies of 380 by 250 mm in MR are not heads alone"
    assert planned(PELVIS, [], here) == why
    assert "network.filters differs" in planned(HEAD, ["network.filters=16"], here)
    assert "data.slices differs" in planned(HEAD, [], Choice(dims=2, device="cpu"))
    assert "unit needs other networks" in planned(HEAD, [], Choice("unit", device="cpu"))
    assert planned(HEAD, ["training.init_from=null"], here) == "init_from: null  # set by the user"


def test_a_plan_from_the_shipped_model_fits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcycle.planning.automatic.fingerprint", lambda *_: HEAD)
    scans: Any = SimpleNamespace(mr=[1], ct=[1])
    for method in (None, "randomized", "cut"):
        config, _ = settings_for("auto", [], scans, choice=Choice(method, device="cpu"))
        initial, _ = start_of(config, None, print)
        assert initial


@pytest.mark.slow
def test_from_two_folders(cohort: Path, tmp_path: Path, capfd) -> None:
    few = ["--set=training.max_steps=1", "--set=training.validations=0", "--set=data.deformed_ct=0"]
    few.append("--set=training.learning_rate=1e-9")
    call = ["train", "head_ct_only", "--device=cpu", "--ct", str(cohort / "ct"), *few]
    assert execute([*call, "--output", str(tmp_path / "first")]) == 0
    assert "initialised from head, which ships" in capfd.readouterr().out
    trained, shipped = (load_method(checkpoint_of(path)).method for path in (tmp_path / "first", Path("head")))
    for name, weight in shipped.state_dict().items():
        torch.testing.assert_close(trained.state_dict()[name], weight, atol=1e-5, rtol=1e-4)
    assert execute([*call, "--output", str(tmp_path / "second"), "--from-scratch"]) == 0
    assert "initialised" not in capfd.readouterr().out
    assert load_config(str(tmp_path / "second" / "config.yaml")).training.init_from is None
    assert execute([*call, "--output", str(tmp_path / "third"), "--from-scratch", "--init-from", "head"]) == 2
    assert "can't be combined" in capfd.readouterr().err
