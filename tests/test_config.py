"""Configurations: the shipped ones, and wrong ones."""

import json
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from medcycle.config import (
    METHODS,
    NETWORKS,
    Config,
    check_override,
    config_names,
    load_config,
    load_stored,
    parse_config,
    parse_stored,
)
from medcycle.config.removed import REMOVED
from medcycle.errors import ConfigError
from tests.sizes import called, recipe_of

KINDS = {"method": METHODS, "network": NETWORKS}

OLD = Path(__file__).with_name("old_config.yaml")
"""What a run of CUT on a processor stored before each method and each network had keys of its own."""


@pytest.mark.parametrize("name", sorted(config_names()))
def test_shipped_configurations_are_correct_and_survive_yaml(name: str) -> None:
    config = load_config(name)
    assert Config.model_validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_the_documented_names_are_shipped() -> None:
    assert {"head_mr_ct", "head_ct_only", "body_mr_ct", "body_ct_only", "demo"} <= set(config_names())
    gpu = load_config("head_mr_ct")
    assert (gpu.data.patch_size, gpu.network.blocks, gpu.network.filters) == ((256, 256), 9, 64)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_configuration_in_every_dimension(method: str) -> None:
    for dimension, (dims, slices) in {"2d": (2, 1), "25d": (2, 3), "3d": (3, 1)}.items():
        for on_cpu in (False, True):
            name, choice = recipe_of(method, dimension, on_cpu=on_cpu)
            config = load_config(name, choice=choice)
            assert (config.network.spatial_dims, config.data.slices) == (dims, slices)
            assert config.method.name == method
        assert config.training.max_minutes  # of a processor


def test_bodies_start_from_pairs_as_heads_do() -> None:
    for device in ("gpu", "cpu"):
        config = called(f"body_mr_ct --device {device}")
        assert config.method.simulated_pair_weight > 0
        assert config.training.warm_start > 0
        assert config.randomize.effects == "body"  # no brains
    assert not load_config("body_mr_ct").training.max_minutes


def test_a_wrong_name_gets_its_like() -> None:
    with pytest.raises(ConfigError, match=r"did you mean .*head_ct_only.*medcycle config list"):
        load_config("headct_only")


def test_papers_values_are_the_defaults() -> None:
    config = Config()
    assert (config.method.cycle_weight, config.method.identity_weight) == (10, 5)
    assert (config.training.learning_rate, config.training.betas) == (2e-4, (0.5, 0.999))


def test_overrides_are_yaml() -> None:
    config = load_config("demo", ["training.max_steps=7", "data.spacing=[1, 1.5, null]", "training.max_minutes=null"])
    assert config.training.max_steps == 7
    assert config.data.spacing == (1, 1.5, None)
    assert config.training.max_minutes is None


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.max_step=5", "did you mean training.max_steps"),
        ("trainning.max_steps=5", "trainning"),
        ("training.max_steps=0", "training.max_steps"),
        ("training.max_steps=many", "training.max_steps"),
        ("training.max_steps", "key=value"),
        ("training.max_steps.more=1", "not a key"),
        ("training.betas=[", "YAML"),
        ("data.patch_size=[64, 64, 64]", "spatial_dims"),
        ("data.patch_size=[64, 66]", "multiples of 4"),
        ("data.slices=2", "give an odd number"),
        ("data.hu_window=[100, -100]", "hu_window"),
        ("data.soft_tissue=[-2000, 200]", "data.soft_tissue must lie inside data.hu_window"),
        ("method.name=magic", "cyclegan"),
        ("method.name=ganlike", "there are cyclegan"),
        ("method.name=cyclgan", "did you mean cyclegan?"),
        ("method.cycle_wieght=3", "did you mean method.cycle_weight"),
        ("method=3", "method"),
        ("method={adversaries: mr, simulated_pair_weight: 0}", "method.adversaries: mr"),
        ("randomize.thickness=[6, 1]", "randomize.thickness"),
        ("randomize.thickness=[3, 2]", "smaller one first"),
        ("training.compile=true", "no longer a key; leave it out"),
        ("network.members=3", "no longer a key; train several runs"),
        ("network.name=dynunet", "no longer there; use network.name: monai with network.type: DynUNet"),
        ("network={name: monai, type: DenseNet}", "network.type"),
        ("network={name: monai, arguments: {channels: 9999}}", "network.arguments"),
    ],
)
def test_wrong_keys_and_values_are_named(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.split(maxsplit=1)[0]) as caught:
        load_config("demo", [override])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "not YAML"), ("- 1\n- 2", "not a configuration"), ("data: 3", "data")]
)
def test_files_that_are_no_configuration(tmp_path, text: str, words: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(str(path))


def test_a_configuration_can_be_based_on_another(tmp_path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("base: demo\nmethod: {cycle_weight: 3}\n")
    second.write_text(f"base: {first}\nmethod: {{identity_weight: 2}}\ntraining: {{max_steps: 9}}\n")
    demo, config = load_config("demo"), load_config(str(second), ["training.batch_size=2"])
    assert (config.method.cycle_weight, config.method.identity_weight) == (3, 2)
    assert (config.training.max_steps, config.training.batch_size) == (9, 2)
    assert config.data == demo.data
    assert config.method.simulated_pair_weight == demo.method.simulated_pair_weight


def test_a_base_that_is_none_or_itself(tmp_path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(f"base: {second}\n")
    second.write_text(f"base: {first}\n")
    with pytest.raises(ConfigError, match="based on itself"):
        load_config(str(first))
    first.write_text("base: nothing\n")
    with pytest.raises(ConfigError, match="nothing: no such configuration"):
        load_config(str(first))


@pytest.mark.parametrize("override", ["method.adversaries=mr", "network.name=monai", "randomize.thickness=[2, 2]"])
def test_what_may_fit_other_keys_is_no_wrong_override(override: str) -> None:
    assert check_override(override)[0] == override.split("=", maxsplit=1)[0]
    with pytest.raises(ConfigError, match="smaller one first"):
        check_override("randomize.thickness=[2, 1]")


def test_unknown_names_lead_to_the_known() -> None:
    with pytest.raises(ConfigError, match=r"head: no such configuration.*medcycle config list"):
        load_config("head")


def of_others() -> list[tuple[str, str, str]]:
    """Every section, kind of it, and key that it doesn't have, though another kind has."""
    return sorted(
        {
            (section, kind, key)
            for section, kinds in KINDS.items()
            for kind, other in permutations(kinds, 2)
            for key in kinds[other].model_fields.keys() - kinds[kind].model_fields.keys()
        }
    )


@pytest.mark.parametrize(("section", "kind", "key"), of_others())
def test_keys_of_another_method_or_network_are_errors(section: str, kind: str, key: str) -> None:
    kinds = KINDS[section]
    value = next(other.model_fields[key].default for other in kinds.values() if key in other.model_fields)
    with pytest.raises(ConfigError) as caught:
        parse_config({section: {"name": kind, key: value}}, "mine")
    said, _, listed = str(caught.value).partition("; it has ")
    assert said == f"mine: {section}.{key}: {kind} has no such key"
    assert set(listed.split(", ")) == kinds[kind].model_fields.keys() - {"name"}


def test_an_ablation_that_would_measure_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"^head_mr_ct: method\.cycle_weight: cut has no such key; it has nce_weight"):
        called("head_mr_ct --method cut", ["method.cycle_weight=99"])
    with pytest.raises(ConfigError, match=r"cycle_weight: cut has no such key"):
        load_config("demo", ["method.cycle_weight=99", "method.name=cut"])


def test_another_method_leaves_the_keys_below_it_behind(tmp_path: Path) -> None:
    cut = load_config("demo", ["method.name=cut"]).method
    assert cut == METHODS["cut"](name="cut", simulated_pair_weight=10)  # which the demo's cyclegan has as well
    path = tmp_path / "mine.yaml"
    path.write_text("base: demo\nnetwork: {name: unet}\nmethod: {name: cut, nce_weight: 2}\n")
    mine = load_config(str(path))
    assert (mine.method.name, mine.network.filters, mine.network.name) == ("cut", 24, "unet")
    assert (
        load_config(str(path), ["method.name=cyclegan"]).method
        == load_config("demo", ["method.identity_weight=0"]).method
    )
    path.write_text("base: demo\nmethod: {name: cut, identity_weight: 2}\n")
    with pytest.raises(ConfigError, match=r"method\.identity_weight: cut has no such key"):
        load_config(str(path))


@pytest.mark.parametrize(
    ("call", "overrides", "words"),
    [
        ("demo", ["method.l1_weight=3", "training.warm_start=0"], "while training.warm_start is 0"),
        (
            "head_mr_ct --method unit --dims 3",
            ["network.checkpointing=true"],
            "network.checkpointing does nothing in unit",
        ),
        ("head_ct_only", ["network.discriminator_filters=8"], "without a discriminator, which randomized has where"),
        ("head_ct_only", ["training.warm_start=0.5"], "training.warm_start does nothing"),
        (
            "demo",
            ["randomize.vary_bone=true", "method.simulated_pair_weight=0", "training.warm_start=0"],
            "no pairs are made",
        ),
        (
            "head_mr_ct --method pix2pix --device cpu",
            ["data.deformed_ct=9", "training.warm_start=0"],
            "data.deformed_ct does nothing where no pairs",
        ),
        ("head_mr_ct --dims 2.5", ["randomize.thickness=[2, 3]"], "where data.slices is 3"),
        (
            "head_mr_ct --dims 3",
            ["data.bone_air_sampling=0.5"],
            "data.bone_air_sampling does nothing where network.spatial_dims is 3",
        ),
        ("demo", ["data.fold=2"], "data.fold does nothing while data.folds is null; set data.folds too, or leave it"),
        ("demo", ["data.folds=3", "data.validation_fraction=0.2"], "beside data.folds"),
        ("demo", ["data.mr_normalisation=z-score", "data.mr_percentile=98"], "data.mr_percentile does nothing"),
        ("demo", ["training.patience=2", "training.validations=0"], "while training.validations is 0"),
        ("head_ct_only", ["data.match_height=true"], "in randomized while randomize.measured_share is 0"),
        ("demo", ["data.max_rotation=9"], "data.max_rotation: no longer a key; set data.augmentation instead"),
        ("demo", ["randomize.noise=0"], "randomize.noise: no longer a key; set randomize.effects instead"),
    ],
)
def test_keys_that_other_keys_leave_without_effect_are_errors(call: str, overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        called(call, overrides)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_keys_that_do_nothing_for_one_reason_are_named_at_once(tmp_path: Path) -> None:
    shown = called("head_mr_ct --device cpu").model_dump(mode="json")
    shown["training"]["warm_start"] = shown["method"]["simulated_pair_weight"] = 0
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(shown))
    with pytest.raises(ConfigError) as caught:
        load_config(str(path))
    keys = ("vary_bone", "measured_share", "air_weight", "bone_weight")
    told = ", ".join(f"randomize.{key}" for key in keys)
    assert f"{told} do nothing where no pairs are made" in str(caught.value)
    assert str(caught.value).endswith("; leave them out")


@pytest.mark.parametrize(
    ("call", "overrides"),
    [
        ("demo", ["method.name=randomized"]),  # the demo's discriminators are not the user's
        ("head_ct_only", ["method.adversarial_weight=1", "network.discriminator_filters=8"]),
        ("head_mr_ct --device cpu", ["method.simulated_pair_weight=0", "training.warm_start=0"]),
        ("body_mr_ct", ["data.slices=3"]),
        ("head_mr_ct --method pix2pix --device cpu", ["training.warm_start=0"]),
        # which weights errors of pairs
        ("head_mr_ct --method pix2pix --device cpu", ["training.warm_start=0", "randomize.bone_weight=5"]),
        ("demo", ["data.folds=3", "data.fold=2"]),
    ],
)
def test_ablations_of_shipped_configurations_work(call: str, overrides: list[str]) -> None:
    config = called(call, overrides)
    assert Config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("method", METHODS)
def test_what_older_versions_stored_of_every_method_is_read(method: str) -> None:
    """Their configurations had the keys of all methods, also under names that have changed since."""
    old = yaml.safe_load(OLD.read_text(encoding="utf-8"))
    old["method"]["name"], old["network"]["name"] = method, "resnet"
    now = parse_stored(old, "old")
    assert (now.method.name, now.data.augmentation) == (method, "none")
    assert getattr(now.method, "simulated_pair_weight", 10) == 10


def test_what_older_versions_stored_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = yaml.safe_load(OLD.read_text(encoding="utf-8"))
    assert {"cycle_weight", "styles", "nce_weight"} <= old["method"].keys()
    same = ["training.accelerator=auto", "training.init_from=null", "data.slices=1"]
    now = called("head_mr_ct --method cut --device cpu", same)
    assert parse_stored(old, "old") == load_stored(OLD) == now
    assert load_stored(OLD, ["training.max_steps=9"]).training.max_steps == 9
    with pytest.raises(ConfigError, match="cut has no such key"):
        load_stored(OLD, ["method.cycle_weight=9"])
    with pytest.raises(ConfigError, match="no longer a key"):
        load_config(str(OLD))
    old["training"] |= {"prefetch": 6}  # which says nothing of what was learned
    assert parse_stored(old, "old") == now
    assert not caplog.text
    parse_stored(old | {"randomize": old["randomize"] | {"gain": [1.0, 1.0]}}, "old")
    assert (
        "old: randomize.gain was [1.0, 1.0]; the key no longer exists, and its value is now always [0.6, 1.1]"
        in caplog.text
    )
    with pytest.raises(ConfigError, match=r"unknown key data\.colour"):
        parse_stored(old | {"data": old["data"] | {"colour": "red"}}, "old")


@pytest.mark.parametrize(
    ("key", "value"), [("norm", "group"), ("padding", "zeros"), ("spectral_norm", True), ("discriminator_scales", 2)]
)
def test_networks_that_are_no_longer_there_are_not_read_as_others(key: str, value: Any) -> None:
    assert parse_stored({"network": {key: REMOVED[f"network.{key}"].usual}}, "old") == Config()
    with pytest.raises(
        ConfigError, match=rf"^old: was trained with network\.{key}: .*; use the version that wrote it$"
    ):
        parse_stored({"network": {key: value}}, "old")


@pytest.mark.parametrize("key", REMOVED)
def test_keys_that_are_no_longer_there_are_errors_that_say_what_to_do(key: str) -> None:
    with pytest.raises(ConfigError, match="no longer a key; ") as caught:
        load_config("demo", [f"{key}=1"])
    assert REMOVED[key].instead in str(caught.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("method.cycle_weight=-1", "has to be 0 or more"),
        ("network.levels=99", "network.levels"),
        ("method.cycl_weight=1", "did you mean method.cycle_weight"),
        ("method.name=magic", "there are cyclegan"),
        ("nothing.at_all=1", "unknown key nothing"),
    ],
)
def test_overrides_of_any_method_and_network_are_checked_alone(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_override(override)
    for known in ("method.nce_weight=3", "method.styles=3", "network.levels=4", "network.shuffle=1", "method.name=cut"):
        assert check_override(known)[0] == known.partition("=")[0]


def test_the_schema_tells_methods_and_networks_apart_by_name() -> None:
    schema = json.loads(json.dumps(Config.model_json_schema()))
    assert schema["properties"].keys() == {*Config.model_fields, "base", "description", "variants"}
    for section, kinds in KINDS.items():
        told = schema["properties"][section]
        assert told["discriminator"]["propertyName"] == "name"
        assert told["discriminator"]["mapping"].keys() == kinds.keys()
        assert len(told["oneOf"]) == len(kinds)
        for name, reference in told["discriminator"]["mapping"].items():
            kind = schema["$defs"][reference.removeprefix("#/$defs/")]
            assert kind["properties"].keys() == kinds[name].model_fields.keys()
            assert kind["properties"]["name"]["const"] == name
            assert kind["additionalProperties"] is False
            # what has no name is of the usual kind, and of no other
            assert ("name" in kind.get("required", [])) == (name not in {"cyclegan", "resnet"})


def test_what_is_shown_are_keys_in_use() -> None:
    shown = called("head_mr_ct --method cut --device cpu").model_dump(mode="json")
    assert shown["method"].keys() == METHODS["cut"].model_fields.keys()
    assert "cycle_weight" not in shown["method"]
    assert "blocks" not in shown["network"]


def numbers_of(schema: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The dotted keys of a JSON schema that take numbers, each with what is said of the number."""
    if isinstance(schema, dict):
        if schema.get("type") in ("number", "integer"):
            yield key, schema
        for name, part in schema.items():
            inside = part.items() if name in ("properties", "$defs") else [("", part)]
            for child, values in inside:
                yield from numbers_of(values, f"{key}.{child}".strip(".") if child else key)
    elif isinstance(schema, list):
        for part in schema:
            yield from numbers_of(part, key)


def test_every_number_has_bounds() -> None:
    found = list(numbers_of(Config.model_json_schema()))
    assert len(found) > 80
    unbounded = [
        key
        for key, number in found
        if not ({"minimum", "exclusiveMinimum"} & number.keys() and {"maximum", "exclusiveMaximum"} & number.keys())
        and "const" not in number
        and "enum" not in number
    ]
    assert unbounded == []


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("network.filters=1000000000", "2048 or less, not 1000000000; wider layers fit into no memory"),
        ("network.blocks=1000000", "64 or less"),
        ("training.devices=1000", "64 or less, not 1000; no machine has more"),
        ("data.patch_size=[65536, 65536]", "4096 or less"),
        ("data.spacing=[1e-9, 1, 1]", "0.05 or more"),
        ("training.learning_rate=.inf", "finite"),
        ("training.max_minutes=.nan", "finite"),
        ("training.max_steps=-1", "above 0"),
        ("method.cycle_weight=1e300", "drown each other"),
    ],
)
def test_numbers_that_no_machine_could_take_are_refused(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config("demo", [override])
