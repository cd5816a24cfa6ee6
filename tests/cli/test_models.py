"""`medcycle models`, and a model's name in place of a run."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import medcycle as mc
from medcycle.cli.main import execute
from medcycle.phantom import T2_SPIN_ECHO, HeadPhantom, head_grid


@pytest.fixture
def mr(tmp_path: Path) -> Path:
    path = tmp_path / "mr.nii.gz"
    mc.write_nifti(HeadPhantom.random(5).mr(head_grid(spacing=(4.0, 4.0, 6.0)), T2_SPIN_ECHO), path)
    return path


def test_the_models_are_listed_and_described(capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["models", "list"]) == 0
    listed = capfd.readouterr().out
    assert execute(["models", "info", "head"]) == 0
    card = capfd.readouterr().out
    for one in mc.model_info("head")["training_data"]:
        assert one["name"] in " ".join(listed.split())
        assert all(one[part] in card for part in ("name", "licence", "attribution", "source"))
    assert mc.list_models() == ["head"]


@pytest.mark.parametrize("command", [["info", "haed"], ["export", "haed", "out"]])
def test_an_unknown_model_is_told(command: list[str], tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["models", *command]) == 2
    assert capfd.readouterr().err == ("error: haed: no model of that name ships with medcycle; did you mean head?\n")
    assert not list(tmp_path.iterdir())


def test_a_name_is_as_good_as_its_exported_files(mr: Path, tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["models", "export", "head", "copied"]) == 0
    assert execute(["synthesize", "head", str(mr), "by_name"]) == 0
    assert "translating with head, which ships with medcycle: " in capfd.readouterr().out
    assert execute(["synthesize", "copied/head.json", str(mr), "by_file"]) == 0
    by_name, by_file = (nib.load(tmp_path / out / "mr" / "sct.nii.gz").get_fdata() for out in ("by_name", "by_file"))
    np.testing.assert_array_equal(by_name, by_file)
    np.testing.assert_allclose(mc.synthesize(mr, "head").volume.array, by_name, atol=1)


def test_it_makes_ct_alone(mr: Path, tmp_path: Path, capfd) -> None:
    assert execute(["synthesize", "head", str(mr), str(tmp_path / "out"), "--to", "mr"]) == 2
    assert "error: " in capfd.readouterr().err
