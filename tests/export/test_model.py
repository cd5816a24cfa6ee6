"""The command: what it writes, and what it refuses."""

import hashlib
import importlib
import json
from pathlib import Path

import pytest
import torch

from medcycle import __version__
from medcycle.cli.main import execute
from medcycle.export import model as export_module
from medcycle.export.formats import OPSET
from medcycle.methods.checkpoint import save_method
from tests.export.test_formats import untrained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model_format"), [("a.onnx", "onnx"), ("a.pt2", "torch-export")])
def test_a_checkpoint_becomes_two_files(tmp_path: Path, checkpoint: Path, name: str, model_format: str, capfd) -> None:
    out = tmp_path / "new" / name
    assert execute(["export", str(checkpoint), str(out), "--format", model_format, "--to", "mr"]) == 0
    assert "research only" in capfd.readouterr().out
    assert sorted(path.name for path in out.parent.iterdir()) == [name, f"{name}.json"]
    told = json.loads(out.with_name(f"{name}.json").read_text())
    assert told["format"] == "medcycle export 1"
    assert "research only" in told["use"]
    assert (told["from"], told["to"]) == ("ct", "mr")
    assert told["model"]["file"] == name
    assert told["model"]["opset"] == (OPSET if model_format == "onnx" else None)
    assert told["model"]["torch"] == torch.__version__
    assert told["made_by"]["medcycle"] == __version__
    assert told["made_by"]["checkpoint"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert told["preparation"]["spacing_mm"] == [4, 4, None]
    assert told["intensity"]["output"]["parameters"]["kind"] == "MrPercentile"
    assert told["outside"] == {"network": -1, "result": 0}


@pytest.mark.slow
def test_axes_and_spacing_go_together(tmp_path: Path) -> None:
    path, saved = tmp_path / "c.pt", untrained("data.plane=sagittal", "data.spacing=[3, 1, 2]", "data.slices=5")
    save_method(saved, path)
    assert execute(["export", str(path), str(tmp_path / "a.pt2"), "--format", "torch-export"]) == 0
    told = json.loads((tmp_path / "a.pt2.json").read_text())
    assert told["preparation"]["axes"] == "ASR"
    assert told["preparation"]["spacing_mm"] == [1, 2, 3]
    assert told["cutting"]["across"] == [2]
    assert told["cutting"]["neighbours"] == told["inputs"][0]["axes"][1]["size"] == 5
    assert told["output"]["channel_weights"] == pytest.approx([1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9])


@pytest.mark.parametrize("there", ["a.onnx", "a.onnx.json"])
def test_nothing_is_overwritten(tmp_path: Path, checkpoint: Path, there: str, capfd) -> None:
    (tmp_path / there).write_text("mine")
    assert execute(["export", str(checkpoint), str(tmp_path / "a.onnx")]) == 2
    assert f"{there}: already exists" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_failure_leaves_nothing(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    def another(saved, to, sizes):
        return torch.nn.Sequential(torch.nn.Dropout(0.5)).train()  # of other values in each call

    monkeypatch.setattr(export_module, "translation_of", another)
    assert execute(["export", str(checkpoint), str(tmp_path / "out" / "a.pt2"), "--format", "torch-export"]) == 1
    said = capfd.readouterr().err
    assert "differs from the network" in said
    assert said.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(
    tmp_path: Path, checkpoint: Path, missing: str, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    there = importlib.import_module

    def without(name: str, package: str | None = None):
        if name == missing:
            raise ImportError(name)
        return there(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    assert execute(["export", str(checkpoint), str(tmp_path / "a.onnx")]) == 2
    said = capfd.readouterr().err
    assert f"needs {missing}" in said
    assert 'pip install "medcycle[export]"' in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_calls(tmp_path: Path, checkpoint: Path, capfd) -> None:
    for arguments, reason in [
        ([str(checkpoint), str(tmp_path / "a.pt2")], "writes .onnx"),
        ([str(checkpoint), str(tmp_path / "a.onnx"), "--format", "torch-export"], "writes .pt2"),
        ([str(checkpoint), str(tmp_path / "a.onnx"), "--style-input"], "no styles"),
        ([str(tmp_path / "none.pt"), str(tmp_path / "a.onnx")], "no such checkpoint"),
        ([str(checkpoint), "/proc/a.onnx"], "can't be written"),
    ]:
        assert execute(["export", *arguments]) == 2
        assert reason in capfd.readouterr().err
    save_method(untrained("method.name=randomized"), tmp_path / "one-way.pt")
    assert execute(["export", str(tmp_path / "one-way.pt"), str(tmp_path / "a.onnx"), "--to", "mr"]) == 2
    assert "makes CT only" in capfd.readouterr().err
    assert not list(tmp_path.glob("a.*"))
