"""Checkpoints: what is written is read, and nothing else is."""

import pickle
from pathlib import Path

import pytest
import torch
import yaml

from medcycle.config import load_config
from medcycle.errors import BadCheckpoint, UsageError
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, load_method, save_method
from tests.sizes import TINY


def saved() -> SavedMethod:
    config = load_config("demo", TINY)
    return SavedMethod(build_method(config), config, {"ct": HounsfieldWindow(-1000, 2000), "mr": MrPercentile(0, 7)}, 5)


def test_a_checkpoint_is_enough(tmp_path) -> None:
    before = saved()
    save_method(before, tmp_path / "a.pt")
    after = load_method(tmp_path / "a.pt")
    assert (after.config, after.intensity, after.step) == (before.config, before.intensity, 5)
    image = torch.randn(1, 1, 32, 32)
    torch.testing.assert_close(after.method.translate(image), before.method.eval().translate(image))


def test_checkpoints_of_older_versions_are_read(tmp_path) -> None:
    """Whose configuration has the keys of all methods and networks."""
    path, before = tmp_path / "a.pt", saved()
    save_method(before, path)
    state = torch.load(path, weights_only=True)
    old = yaml.safe_load(Path(__file__).parents[1].joinpath("old_config.yaml").read_text(encoding="utf-8"))
    for section in ("network", "method"):
        assert old[section].keys() - state["config"][section].keys()
        state["config"][section] = old[section] | state["config"][section]
    torch.save(state, path)
    assert load_method(path).config == before.config


def test_a_checkpoint_of_other_networks_is_not_read_as_one_of_these(tmp_path) -> None:
    path = tmp_path / "a.pt"
    save_method(saved(), path)
    state = torch.load(path, weights_only=True)
    state["config"]["network"]["padding"] = "zeros"
    torch.save(state, path)
    with pytest.raises(BadCheckpoint, match=r"was trained with network\.padding: 'zeros', .*; use the version that"):
        load_method(path)


class Malicious:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("kind", ["text", "empty", "torn", "other", "malicious", "misfit", "wrong config"])
def test_what_is_no_checkpoint_is_refused(tmp_path, kind: str, capsys) -> None:
    path = tmp_path / "a.pt"
    save_method(saved(), path)
    state = torch.load(path, weights_only=True)
    match kind:
        case "text":
            path.write_text("not a checkpoint")
        case "empty":
            path.write_bytes(b"")
        case "torn":
            path.write_bytes(path.read_bytes()[:-2000])
        case "other":
            torch.save({"state_dict": state["method"]}, path)
        case "malicious":
            path.write_bytes(pickle.dumps(Malicious()))
        case "misfit":
            state["config"]["network"]["filters"] = 8
            torch.save(state, path)
        case "wrong config":
            state["config"]["network"]["shape"] = "round"
            torch.save(state, path)
    with pytest.raises(BadCheckpoint, match=r"a\.pt") as caught:
        load_method(path)
    assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out


def test_a_run_means_its_last_checkpoint(tmp_path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UsageError, match=r"last\.pt"):
        checkpoint_of(tmp_path)
    (tmp_path / "checkpoints" / "last.pt").touch()
    assert checkpoint_of(tmp_path) == tmp_path / "checkpoints" / "last.pt"
