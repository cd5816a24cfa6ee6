"""A bundle makes of a file what `medcycle synthesize` makes of it, and says what it is; medcycle isn't needed."""

import ast
import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medcycle.cli.main import execute
from medcycle.export.bundle import writing
from medcycle.export.bundle.metadata import metadata_of
from medcycle.export.bundle.sources import write_scripts
from medcycle.export.wrapper import sizes_of
from medcycle.inference import Options
from medcycle.io.nifti import read_nifti, write_nifti
from medcycle.methods.checkpoint import load_method, save_method
from medcycle.models import Description, shipped_file
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.resample import resample_to
from medcycle.volume import Grid, Volume
from tests.export.test_consumer import landmarks
from tests.export.test_formats import untrained
from tests.synthesized import synthesize

pytestmark = pytest.mark.usefixtures("one_thread")

PROGRAM = Path(__file__).with_name("run_bundle.py")

SPACED = ["data.spacing=[8, 8, null]", "data.patch_size=[32, 40]"]
VOLUMES = ["network.spatial_dims=3", "data.spacing=[6, 6, 6]", "data.patch_size=[32, 32, 32]"]
CURVED = "data.soft_tissue=[-200, 200]"

CASES = {
    "2d, frames enlarged": ("ct", [*SPACED, "network.name=unet", "network.levels=4", CURVED]),
    "25d of coronal slices to mr": ("mr", [*SPACED, "data.slices=3", "data.plane=coronal", "method.name=munit"]),
    "25d": ("ct", [*SPACED, "data.slices=5", "data.mr_normalisation=z-score", "data.bias_correction=true"]),
    "all planes": (
        "ct",
        ["data.spacing=[8, 8, 8]", SPACED[1], "data.plane=all", "data.mr_normalisation=nyul", CURVED],
    ),
    "3d": ("ct", VOLUMES),
    "shipped": ("ct", None),
}

REQUIRED = {
    *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"),
    *("task", "description", "authors", "copyright", "network_data_format"),
}
"""By the schema of 2024-07-25, as the next ones."""

OF_TENSORS = {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range"}


def oblique(volume: Volume) -> Volume:
    """On a grid that is turned, and whose axes point left, back and up."""
    turn = np.deg2rad(8)
    affine = np.eye(4)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine[:3, :3] = rotation @ np.diag([-4.5, -4.5, 5.0])
    shape = (48, 54, 46)
    centre = volume.grid.affine @ [*(np.array(volume.grid.shape) - 1) / 2, 1]
    affine[:3, 3] = centre[:3] - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return resample_to(volume, Grid(shape, affine), background=float(volume.array.min()))


@pytest.mark.slow
@pytest.mark.parametrize(("to", "overrides"), CASES.values(), ids=CASES)
def test_it_makes_the_same_without_medcycle(tmp_path: Path, to: str, overrides: list[str] | None) -> None:
    model = tmp_path / "c.pt" if overrides else shipped_file("head")
    if overrides:
        saved = untrained(*overrides)
        save_method(landmarks(saved) if "data.mr_normalisation=nyul" in overrides else saved, model)
    grid, phantom = head_grid(spacing=(4, 4, 5)), HeadPhantom.random(3)
    volume = oblique(phantom.mr(grid) if to == "ct" else phantom.ct(grid))
    write_nifti(Volume(volume.array.astype(np.float32), volume.grid), tmp_path / "case.nii.gz")
    assert execute(["export", str(model), str(tmp_path / "b"), "--format", "monai-bundle", "--to", to]) == 0
    call = [sys.executable, PROGRAM, tmp_path / "b", tmp_path / "case.nii.gz", "32-true", tmp_path / "out"]
    subprocess.run(call, check=True, capture_output=True, cwd=tmp_path)
    made = read_nifti(tmp_path / "out" / f"case_s{to}.nii.gz")
    plainly = Options(precision="32-true")
    expected = synthesize(read_nifti(tmp_path / "case.nii.gz"), load_method(model), to, plainly, any_region=True)
    assert made.grid.is_close(volume.grid)
    assert expected.volume.array[expected.body.array].std() > (100 if to == "ct" else 0.1)
    np.testing.assert_allclose(made.array, expected.volume.array, atol=0.5 if to == "ct" else 1e-3)


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("fire", "ignite")),
    reason="MONAI runs bundles by fire and pytorch-ignite, which are not installed",
)
def test_monai_runs_it(tmp_path: Path, checkpoint: Path) -> None:
    volume = HeadPhantom.random(5).mr(head_grid(spacing=(4, 4, 5)))
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_nifti(volume, tmp_path / "in" / f"{name}.nii.gz")
    assert execute(["export", str(checkpoint), str(tmp_path / "bundle"), "--format", "monai-bundle"]) == 0
    call = "-m monai.bundle run --config_file configs/inference.json --bundle_root ."
    subprocess.run(
        [sys.executable, *call.split(), "--dataset_dir", "../in", "--output_dir", "../out"],
        check=True,
        capture_output=True,
        cwd=tmp_path / "bundle",
    )
    assert execute(["synthesize", str(checkpoint), str(tmp_path / "in" / "a.nii.gz"), str(tmp_path / "a.nii.gz")]) == 0
    expected = nib.load(tmp_path / "a.nii.gz").get_fdata()
    for name in ("a", "b"):
        np.testing.assert_allclose(nib.load(tmp_path / "out" / f"{name}_sct.nii.gz").get_fdata(), expected, atol=0.5)


def test_scripts_import_nothing_of_medcycle(tmp_path: Path) -> None:
    write_scripts(tmp_path / "scripts", "1.2.3")
    there = {path.stem for path in (tmp_path / "scripts").iterdir()}
    for path in (tmp_path / "scripts").iterdir():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.module in there, f"{path.name}: {node.module} is missing"
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert all(str(name).split(".")[0] != "medcycle" for name in names), path.name


@pytest.mark.slow
def test_the_folder(tmp_path: Path, checkpoint: Path, capfd) -> None:
    out = tmp_path / "new" / "bundle"
    assert execute(["export", str(checkpoint), str(out), "--format", "monai-bundle", "--to", "mr"]) == 0
    assert "research only" in capfd.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and "scripts" not in path.parts}
    assert names == {"configs/inference.json", "configs/metadata.json", "models/model.ts", "docs/README.md", "LICENSE"}
    told = json.loads((out / "configs" / "metadata.json").read_text(encoding="utf-8"))
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert told["made_by"]["checkpoint"] == {"file": "model.pt", "sha256": sha256}
    assert sha256 in (out / "docs" / "README.md").read_text(encoding="utf-8")
    assert "Apache License" in (out / "LICENSE").read_text(encoding="utf-8")
    inside = {"metadata.json": "", "inference.json": ""}
    network = torch.jit.load(out / "models" / "model.ts", _extra_files=inside)
    assert json.loads(inside["metadata.json"])["task"] == told["task"] == "Synthetic MR from CT"
    assert json.loads(inside["inference.json"]) == json.loads((out / "configs" / "inference.json").read_text())
    given = told["network_data_format"]["inputs"]["image"]
    sizes = [int(size.partition("*")[0]) * 9 for size in given["spatial_shape"]]
    made = network(torch.rand(1, given["num_channels"], *sizes))
    assert made.shape == (1, told["network_data_format"]["outputs"]["pred"]["num_channels"], *sizes)


@pytest.mark.parametrize(
    ("to", "overrides"), [("ct", ["data.slices=3"]), ("mr", ["data.slices=3"]), ("ct", VOLUMES), ("ct", None)]
)
def test_metadata(to: str, overrides: list[str] | None) -> None:
    shipped = None if overrides else Description.read(shipped_file("head"))
    saved = untrained(*overrides) if overrides else load_method(shipped_file("head"))
    sizes = sizes_of(saved, to, style_input=False)
    told = json.loads(json.dumps(metadata_of(saved, to, sizes, checkpoint={"sha256": "0"}, shipped=shipped)))
    assert set(told) >= REQUIRED
    assert all(isinstance(told[key], str) for key in REQUIRED - {"required_packages_version", "network_data_format"})
    assert "research only" in told["intended_use"]
    (image,), (pred,) = (told["network_data_format"][part].values() for part in ("inputs", "outputs"))
    (whole,) = told["network_data_format"]["post_processed_outputs"].values()
    for tensor in (image, pred, whole):
        assert set(tensor) >= OF_TENSORS
        assert len(tensor["channel_def"]) == tensor["num_channels"]
    assert len(image["spatial_shape"]) == saved.config.network.spatial_dims
    low, high = whole["value_range"]
    assert (low, high) == ((-1024, 2000) if to == "ct" else (0, 7))
    if shipped:
        assert [one["licence"] for one in told["training_data"]] == [one.licence for one in shipped.training_data]
        assert all(one.source in told["data_source"] for one in shipped.training_data)
        assert told["eval_metrics"][shipped.figures[0].on]["mae_hu"] == pytest.approx(
            shipped.figures[0].mae_hu, abs=1e-3
        )


def test_nothing_is_overwritten(tmp_path: Path, checkpoint: Path, capfd) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("mine")
    assert execute(["export", str(checkpoint), str(tmp_path / "b"), "--format", "monai-bundle"]) == 2
    assert "already exists" in capfd.readouterr().err
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine"]


def test_a_failure_leaves_nothing(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    class OfOneSize(torch.nn.Module):
        def forward(self, image):
            return image + float(image.shape[2])  # a constant in a trace

    monkeypatch.setattr(writing, "translation_of", lambda *_: OfOneSize())
    assert execute(["export", str(checkpoint), str(tmp_path / "out" / "b"), "--format", "monai-bundle"]) == 1
    said = capfd.readouterr().err
    assert "differs from the network" in said
    assert said.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_wrong_calls(tmp_path: Path, checkpoint: Path, capfd) -> None:
    save_method(untrained("method.name=randomized"), tmp_path / "one-way.pt")
    for arguments, reason in [
        ([str(checkpoint), "--style-input"], "leave out --style-input"),
        ([str(tmp_path / "one-way.pt"), "--to", "mr"], "makes CT only"),
        ([str(tmp_path / "none.pt")], "no such checkpoint"),
    ]:
        assert execute(["export", arguments[0], str(tmp_path / "b"), "--format", "monai-bundle", *arguments[1:]]) == 2
        assert reason in capfd.readouterr().err
    assert not (tmp_path / "b").exists()
