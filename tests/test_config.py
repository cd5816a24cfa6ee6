"""Configurations: the shipped ones, and wrong ones."""

from typing import get_args

import pytest
import yaml

from medcycle.config import Config, MethodConfig, check_override, config_names, load_config
from medcycle.errors import ConfigError
from tests.sizes import recipe_of


@pytest.mark.parametrize("name", sorted(config_names()))
def test_shipped_configurations_are_correct_and_survive_yaml(name: str) -> None:
    config = load_config(name)
    assert Config.model_validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_the_documented_names_are_shipped() -> None:
    assert {"head_mr_ct_2d", "head_mr_ct_2d_cpu", "demo"} <= set(config_names())
    gpu = load_config("head_mr_ct_2d")
    assert (gpu.data.patch_size, gpu.network.blocks, gpu.network.filters) == ((256, 256), 9, 64)


@pytest.mark.parametrize("method", get_args(MethodConfig.model_fields["name"].annotation))
def test_every_method_has_a_configuration_in_every_dimension(method: str) -> None:
    for dimension, (dims, slices) in {"2d": (2, 1), "25d": (2, 3), "3d": (3, 1)}.items():
        names = [recipe_of(method, dimension, on_cpu=on_cpu) for on_cpu in (False, True)]
        for config in map(load_config, names):
            assert (config.network.spatial_dims, config.data.slices) == (dims, slices)
            assert config.method.name == method
        assert load_config(names[-1]).training.max_minutes  # of a processor


def test_bodies_start_from_pairs_as_heads_do() -> None:
    for name in ("body_mr_ct_2d", "body_mr_ct_2d_cpu"):
        config = load_config(name)
        assert config.method.anchor_weight > 0
        assert config.training.warm_start > 0
        assert config.randomize.templates == 0  # no brains
    assert not load_config("body_mr_ct_2d").training.max_minutes


def test_a_wrong_name_gets_its_like() -> None:
    with pytest.raises(ConfigError, match=r"did you mean .*regcyclegan_3d.*medcycle config list"):
        load_config("regcyclegan3d")


def test_papers_values_are_the_defaults() -> None:
    config = Config()
    assert (config.method.cycle_weight, config.method.identity_weight) == (10, 5)
    assert (config.training.learning_rate, config.training.betas, config.training.pool_size) == (2e-4, (0.5, 0.999), 50)


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
        ("data.slices=2", "no middle"),
        ("data.hu_window=[100, -100]", "hu_window"),
        ("data.soft_tissue=[-2000, 200]", "soft tissue inside"),
        ("method.name=magic", "cyclegan"),
        ("method={adversaries: mr, anchor_weight: 0}", "method.adversaries mr"),
        ("randomize.thickness=[6, 1]", "randomize.thickness"),
        ("randomize.gain=[1.1, 0.6]", "smaller one first"),
        ("network.members=3", "make it a multiple of network.members"),
        ("training={sharded: true, compile: true}", "training.sharded doesn't go with training.compile"),
        ("training={sharded: true, optimizer: muon}", "training.sharded doesn't go with training.optimizer muon"),
    ],
)
def test_wrong_keys_and_values_are_named(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.split(maxsplit=1)[0]) as caught:
        load_config("demo", [override])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_networks_that_share_layers_are_not_sharded() -> None:
    with pytest.raises(ConfigError, match=r"training\.sharded doesn't go with method\.name unit"):
        load_config("unit_2d_cpu", ["training.sharded=true"])


@pytest.mark.parametrize("name", ["cut", "unit", "munit"])
def test_networks_that_are_taken_apart_are_single(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"network\.members doesn't go with method\.name {name}"):
        load_config(f"{name}_2d_cpu", ["network.members=2", "training.batch_size=2"])


@pytest.mark.parametrize(("text", "words"), [("a: [", "not YAML"), ("- 1\n- 2", "mapping"), ("data: 3", "data")])
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
    assert config.method.anchor_weight == demo.method.anchor_weight


def test_a_base_that_is_none_or_itself(tmp_path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(f"base: {second}\n")
    second.write_text(f"base: {first}\n")
    with pytest.raises(ConfigError, match="based on itself"):
        load_config(str(first))
    first.write_text("base: nothing\n")
    with pytest.raises(ConfigError, match="nothing: no such configuration"):
        load_config(str(first))


@pytest.mark.parametrize("override", ["method.adversaries=mr", "network.name=swin-unetr", "randomize.gain=[1, 1]"])
def test_what_may_fit_other_keys_is_no_wrong_override(override: str) -> None:
    assert check_override(override)[0] == override.split("=", maxsplit=1)[0]
    with pytest.raises(ConfigError, match="smaller one first"):
        check_override("randomize.gain=[2, 1]")


def test_faults_of_a_section_are_said_without_all_of_it() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("demo", ["network.name=swin-unetr", "network.filters=32"])
    assert str(caught.value) == "demo: network.filters 32 of swin-unetr has to be a multiple of 12, as 24"


def test_unknown_names_lead_to_the_known() -> None:
    with pytest.raises(ConfigError, match=r"head: no such configuration.*medcycle config list"):
        load_config("head")
