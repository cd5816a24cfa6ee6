"""Recipes: one file each, and what another method, dimension or device makes of it."""

import re
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
import yaml

import medcycle as mc
from medcycle.cli.main import execute
from medcycle.cli.parameters import MethodName
from medcycle.config import METHODS, Choice, Config, config_names, load_config, read_recipe, told_briefly
from medcycle.config.choice import CHOICES
from medcycle.config.removed import REMOVED_RECIPES
from medcycle.errors import ConfigError
from medcycle.planning.automatic import settings_for
from medcycle.planning.fingerprint import Fingerprint
from medcycle.planning.plan import Device
from tests.sizes import TINY, called

OF_MR_AND_CT = ("head_mr_ct", "body_mr_ct", "demo")
OF_CT = {"head_ct_only": "head_mr_ct", "body_ct_only": "body_mr_ct"}


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def test_there_are_few_and_each_is_described() -> None:
    assert len(config_names()) <= 10
    for name in config_names():
        assert re.fullmatch(r"[A-Z].*\.", read_recipe(name).description)


@pytest.mark.parametrize("name", OF_MR_AND_CT)
@pytest.mark.parametrize("method", METHODS)
def test_every_choice_is_valid(name: str, method: str) -> None:
    for dims, device in product(CHOICES["dims"], ("cpu", "gpu", None)):
        config = load_config(name, choice=Choice(method, dims, device))
        assert config.method.name == method
        assert config.network.spatial_dims == int(dims)
        assert config.data.slices == (3 if dims == 2.5 else 1)
        assert config.training.accelerator == ("cpu" if device == "cpu" else "auto")
        assert Config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(("name", "other"), OF_CT.items())
def test_ct_alone_is_for_one_method(name: str, other: str) -> None:
    for dims, device in product(CHOICES["dims"], ("cpu", "gpu", None)):
        config = load_config(name, choice=Choice("randomized", dims, device))
        assert config == load_config(name, choice=Choice(None, dims, device))
    for method in METHODS.keys() - {"randomized"}:
        with pytest.raises(ConfigError, match=rf"^{name} is not for --method {method}; use {other} --method {method}$"):
            load_config(name, choice=Choice(method))


def test_without_a_choice_all_machines_get_the_same() -> None:
    """What is seen on a machine selects variants, but does not say where to train."""
    assert load_config("head_mr_ct") == called("head_mr_ct --method cyclegan --dims 2 --device gpu")
    assert load_config("head_ct_only") == called("head_ct_only --dims 2.5")
    seen = load_config("head_mr_ct", choice=Choice(seen="cpu"))
    assert seen == called("head_mr_ct --device cpu", ["training.accelerator=auto"])
    assert load_config("head_mr_ct", choice=Choice(device="gpu", seen="cpu")) == load_config("head_mr_ct")


def test_what_is_set_by_hand_stays_on_top() -> None:
    config = called("head_mr_ct --method cut --dims 2.5 --device cpu", ["data.slices=5", "training.accelerator=auto"])
    assert (config.data.slices, config.training.accelerator) == (5, "auto")
    assert called("head_mr_ct --method cut", ["method.name=unit"]).method.name == "unit"
    with pytest.raises(ConfigError, match=r"^head_mr_ct: method\.identity_weight: cut has no such key"):
        called("head_mr_ct --method cut", ["method.identity_weight=1"])


@pytest.mark.parametrize(("old", "now"), REMOVED_RECIPES.items())
def test_old_names_lead_to_the_new_call(old: str, now: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(old)
    assert str(caught.value) == f"{old}: now {now}"
    config = called(now)
    method = old.partition("_")[0]
    assert config.method.name == (method if method in METHODS else "randomized" if "ct_only" in old else "cyclegan")
    assert (config.network.spatial_dims == 3) == ("_3d" in old)
    assert (config.data.slices == 3) == ("_25d" in old)
    assert (config.training.accelerator == "cpu") == old.endswith("_cpu")


def test_an_old_name_as_a_base_leads_there_too(mine: Path) -> None:
    mine.write_text("base: cut_25d_cpu\n")
    words = "base: cut_25d_cpu is now .*; write base: head_mr_ct, and call with --method cut"
    with pytest.raises(ConfigError, match=words):
        load_config(str(mine))


def test_a_file_of_ones_own_takes_a_choice_too(mine: Path) -> None:
    mine.write_text("data: {bone_air_sampling: 0.4, slices: 5}\nmethod: {name: cut, nce_weight: 2}\n")
    assert load_config(str(mine), choice=Choice(dims=2.5)).data.slices == 5
    flat = load_config(str(mine), choice=Choice("cyclegan", 2, "cpu"))
    assert (flat.method, flat.data.slices, flat.training.accelerator) == (METHODS["cyclegan"](), 1, "cpu")
    with pytest.raises(ConfigError, match=r"data\.patch_size has 2 sizes, network\.spatial_dims is 3"):
        load_config(str(mine), choice=Choice(dims=3))
    mine.write_text("training: {accelerator: cpu}\n")
    seen = Choice(seen="gpu")
    assert told_briefly("mine", load_config(str(mine), choice=seen), seen).startswith(
        "mine: method cyclegan, 2D, for a processor\n"
    )
    assert load_config(str(mine), choice=Choice(device="gpu")).training.accelerator == "auto"


def test_a_base_is_chosen_from_and_then_changed(mine: Path) -> None:
    mine.write_text("base: head_mr_ct\ndata: {bone_air_sampling: 0.2}\nnetwork: {filters: 8}\n")
    expected = called("head_mr_ct --method unit --device cpu", ["data.bone_air_sampling=0.2", "network.filters=8"])
    assert load_config(str(mine), choice=Choice("unit", device="cpu")) == expected
    mine.write_text("base: head_ct_only\n")
    with pytest.raises(ConfigError, match=r"^head_ct_only is not for --method cut; use head_mr_ct"):
        load_config(str(mine), choice=Choice("cut"))


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("method: {name: pix2pix}", "--method pix2pix"),
        ("data: {slices: 3}", "--dims 2.5"),
        ("network: {spatial_dims: 3}", "--dims 3"),
        ("training: {accelerator: cpu}", "--device cpu"),
        ("method: {name: munit}\ntraining: {accelerator: cpu}", "--method munit --device cpu"),
    ],
)
def test_what_a_file_says_itself_chooses_from_its_base(mine: Path, text: str, flags: str) -> None:
    mine.write_text(f"base: head_mr_ct\n{text}\n")
    assert load_config(str(mine)) == called(f"head_mr_ct {flags}")


def test_variants_lie_above_one_another_in_order(mine: Path) -> None:
    mine.write_text(
        "base: demo\ndescription: Mine.\n"
        "variants:\n"
        "- {when: {method: [cut, unit]}, network: {filters: 8}, training: {batch_size: 2}}\n"
        "- {when: {device: cpu, method: cut}, network: {filters: 12}}\n"
        "- {when: {dims: 2}, training: {log_every: 7}}\n"
    )
    cut = load_config(str(mine), choice=Choice("cut", device="cpu"))
    assert (cut.network.filters, cut.training.batch_size, cut.training.log_every) == (12, 2, 7)
    assert load_config(str(mine), choice=Choice("unit", 2.5)).network.filters == 8
    own = load_config(str(mine))
    assert (own.network.filters, own.training.log_every) == (24, 7)
    assert load_config(str(mine), ["network.filters=4"], Choice("cut")).network.filters == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("variants: 3", "variants: give a list"),
        ("variants: [3]", "variant 1: needs when"),
        ("variants: [{data: {slices: 3}}]", "variant 1: needs when"),
        ("variants: [{when: {}, data: {slices: 3}}]", "variant 1: needs when"),
        ("variants: [{when: {gpu: true}, data: {slices: 3}}]", "when.gpu: unknown; choose from method, dims, device"),
        (
            "variants: [{when: {device: tpu}, data: {slices: 3}}]",
            "when.device: 'tpu' is not available; choose one of cpu",
        ),
        (
            "variants: [{when: {dims: [2, 4]}, data: {slices: 3}}]",
            "when.dims: 4 is not available; choose one of 2, 2.5, 3",
        ),
        ("variants: [{when: {method: magic}, data: {slices: 3}}]", "'magic' is not available; choose one of cyclegan"),
        ("variants: [{when: {dims: 2}}]", "variant 1: give either sections or instead"),
        ("variants: [{when: {dims: 2}, instead: demo, data: {slices: 3}}]", "give either sections or instead"),
        ("variants: [{when: {dims: 2}, date: {slices: 3}}]", "unknown section date; the sections are data, randomize"),
        ("variants: [{when: {dims: 2}, data: 3}]", "data: give keys and values, not 3"),
        ("variants: [{when: {dims: 3}, data: {slice: 3}}]", "data.slice; did you mean data.slices?"),
        ("variants: [{when: {dims: 3}, data: {soft_tissue_share: 1}}]", "no longer a key"),
        ("description: [1]", "description: give a text"),
    ],
)
def test_wrong_variants_are_named(mine: Path, text: str, words: str) -> None:
    """Whether they are chosen or not."""
    mine.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(str(mine))
    assert str(caught.value).startswith(f"{mine}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("method", "magic"), ("dims", 4), ("device", "tpu")])
def test_what_can_not_be_chosen(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: .*{value}.* is not available; choose one of"):
        Choice(**{name: value})  # type: ignore[arg-type]


def test_the_command_line_knows_all_methods() -> None:
    literal = get_args(get_args(MethodName)[0])[0]
    assert set(get_args(literal)) == METHODS.keys()


def test_show_and_check_take_the_choice(mine: Path, no_gpu: None, capfd) -> None:
    flags = ["--method", "pix2pix", "--dims", "2.5", "--device", "gpu"]
    assert execute(["config", "show", "demo", *flags]) == 0
    shown = yaml.safe_load(capfd.readouterr().out)
    assert shown == called(f"demo {' '.join(flags)}").model_dump(mode="json")
    assert execute(["config", "show", "head_mr_ct"]) == 0
    assert yaml.safe_load(capfd.readouterr().out)["network"]["name"] == "unet"  # of a processor
    mine.write_text("base: head_mr_ct\nnetwork: {blocks: 4}\n")
    assert execute(["config", "check", str(mine), "--device", "gpu"]) == 0
    assert execute(["config", "check", str(mine), "--device", "cpu"]) == 2
    assert "unet has no such key" in capfd.readouterr().err


def test_a_gpu_that_is_not_there(cohort: Path, tmp_path: Path, no_gpu: None, capfd) -> None:
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct")]
    assert execute(["train", "demo", *folders, "--output", str(tmp_path / "run"), "--device", "gpu"]) == 2
    assert execute(["prepare", str(tmp_path / "store"), *folders, "--device", "gpu"]) == 2
    told = capfd.readouterr().err.splitlines()
    assert [line for line in told if "no GPU found; leave out --device, or give --device cpu" in line][1:]
    assert not any(tmp_path.iterdir())


def test_a_gpu_that_is_seen_changes_the_recipe_alone(monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert execute(["config", "show", "head_mr_ct"]) == 0
    assert yaml.safe_load(capfd.readouterr().out) == load_config("head_mr_ct").model_dump(mode="json")


def test_a_configuration_in_brief() -> None:
    choice = Choice("cut", 2.5, "cpu")
    config = load_config("head_mr_ct", choice=choice)
    title, *keys = told_briefly("head_mr_ct", config, choice).splitlines()
    assert title == "head_mr_ct: method cut, 2.5D, for a processor"
    told = yaml.safe_load("\n".join(keys))
    assert told["data"]["slices"] == 3
    assert "hu_window" not in told["data"]
    assert Config.model_validate(told) == config


def test_train_says_what_it_uses_and_resumes_with_the_same(cohort: Path, tmp_path: Path, capfd) -> None:
    run = tmp_path / "run"
    small = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.max_steps=1"]
    call = ["train", "demo", "--mr", str(cohort / "mr"), "--ct", str(cohort / "ct"), "--output", str(run)]
    call += [f"--set={item}" for item in small]
    assert execute([*call, "--method", "cut", "--device", "cpu"]) == 0
    said = capfd.readouterr().out
    assert said.startswith("demo: method cut, 2D, for a processor\ndata:\n  spacing: [4.0, 4.0, null]\n")
    assert f"all keys are saved in {run / 'config.yaml'}" in said
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert (saved["method"]["name"], saved["training"]["accelerator"]) == ("cut", "cpu")
    assert execute([*call, "--resume"]) == 2
    said = capfd.readouterr().err
    assert re.search(r"method\.name.* can't change .*; give the same --method, --dims, --device", said)
    assert execute([*call, "--method", "cut", "--device", "cpu", "--resume", "--set=training.max_steps=2"]) == 0
    assert "2 steps" in capfd.readouterr().out


def test_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Choice] = []
    monkeypatch.setattr("medcycle.training.begin.begin", lambda *_, choice, **__: begun.append(choice))
    mc.train("demo", method="cut", dims=2.5, device="cpu", output=tmp_path / "run")
    mc.train("demo", output=tmp_path / "run")
    assert begun == [Choice("cut", 2.5, "cpu"), Choice()]
    with pytest.raises(mc.UsageError, match="dims: 4 is not available"):
        mc.train("demo", dims=4, output=tmp_path / "run")


def test_prepare_takes_the_choice(cohort: Path, tmp_path: Path, capfd) -> None:
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct")]
    store = tmp_path / "store"
    call = ["prepare", str(store), *folders, "--config", "demo", "--dims", "3", "--set=data.spacing=[6, 6, 6]"]
    assert execute([*call, "--device", "cpu"]) == 0
    said = capfd.readouterr().out
    assert said.startswith("demo: method cyclegan, 3D, for a processor\ndata:\n  spacing: [6.0, 6.0, 6.0]\n")
    assert "training:" not in said


@pytest.mark.parametrize(("method", "dims"), [(None, None), ("cut", 2.5), ("unit", 2)])
def test_auto_plans_for_the_choice(method: str | None, dims: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = Fingerprint(volumes=40, spacing=(1, 1, 1), slices=(7000, 8000, 6000), body=(160, 210, 230), brightest=1610)
    monkeypatch.setattr("medcycle.planning.automatic.fingerprint", lambda *_: heads)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=48 << 30))
    scans: Any = SimpleNamespace(mr=[1], ct=[1])
    for device in ("gpu", "cpu"):
        config, made = settings_for("auto", [], scans, choice=Choice(method, dims, device))
        assert made
        assert config == made.config()
        assert config.method.name == method or not method
        assert {1: 2, 3: 2.5}.get(config.data.slices) == dims or dims == config.network.spatial_dims or not dims
        assert config.training.accelerator == ("cpu" if device == "cpu" else "auto")
        assert (config.training.workers == 0) == (device == "cpu")
    assert settings_for("auto", ["data.slices=5"], scans, choice=Choice(dims=2.5))[0].data.slices == 5


@pytest.mark.slow
def test_a_plan_is_made_for_the_choice(cohort: Path, tmp_path: Path, capfd) -> None:
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct")]
    store = tmp_path / "store"
    call = ["prepare", str(store), *folders, "--method", "cut", "--dims", "2.5", "--device", "cpu"]
    assert execute(call) == 0
    said = capfd.readouterr().out
    assert 'name: "cut"  # set by the user' in said
    assert "slices: 3  # set by the user" in said
    assert 'accelerator: "cpu"  # set by the user' in said
    planned = load_config(str(store / "config.yaml"))
    assert (planned.network.spatial_dims, planned.network.name) == (2, "unet")
    assert execute(["prepare", str(store), *folders, "--method", "unit"]) == 2  # needs another network than is planned
    assert execute(["prepare", str(store), *folders, "--method", "cyclegan"]) == 0
    assert "earlier plan kept; also give --method cyclegan to `medcycle train`" in capfd.readouterr().out


def test_a_device_that_is_asked_for(no_gpu: None) -> None:
    assert Device.here().kind == Device.here("cpu").kind == "cpu"
    with pytest.raises(mc.UsageError, match="no GPU found"):
        Device.here("gpu")
