"""Configurations: the shipped ones, and wrong ones."""

import pytest
import yaml

from medcycle.config import Config, config_names, load_config
from medcycle.errors import ConfigError


@pytest.mark.parametrize("name", sorted(config_names()))
def test_shipped_configurations_are_correct_and_survive_yaml(name: str) -> None:
    config = load_config(name)
    assert Config.model_validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_the_documented_names_are_shipped() -> None:
    assert {"head_mr_ct_2d", "head_mr_ct_2d_cpu", "demo"} <= set(config_names())
    gpu = load_config("head_mr_ct_2d")
    assert (gpu.data.patch_size, gpu.network.blocks, gpu.network.filters) == ((256, 256), 9, 64)


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
    ],
)
def test_wrong_keys_and_values_are_named(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.split(maxsplit=1)[0]) as caught:
        load_config("demo", [override])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [("a: [", "not YAML"), ("- 1\n- 2", "mapping"), ("data: 3", "data")])
def test_files_that_are_no_configuration(tmp_path, text: str, words: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(str(path))


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(ConfigError, match="head_mr_ct_2d_cpu"):
        load_config("head")
