"""The examples that users copy; those that draw pictures of the documentation run with its pages, too."""

import ast
import base64
import json
import re
import sys
from pathlib import Path

import nibabel as nib
import pytest
from matplotlib import image

import medcycle as mc
from examples import (
    compare_methods,
    first_result,
    from_python,
    hospital_folder,
    show_outputs,
    show_result,
    show_simulated_cbct,
    show_windows,
)
from medcycle.config import load_config
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, save_method
from medcycle.phantom import HeadPhantom, head_grid, write_cohort
from tests.sizes import TINY

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.usefixtures("one_thread")


def test_each_is_in_the_table() -> None:
    rows = re.findall(r"^\| \[?`([\w/]+(?:\.py)?)", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    there = {*(path.name for path in EXAMPLES.glob("*.py")), "slicer/"}
    assert sorted(rows) == sorted(there)


def test_a_first_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mr = first_result.generated(tmp_path / "mr.nii.gz", (4.0, 4.0, 12.0))
    first_result.main(tmp_path / "made", tmp_path / "mr.nii.gz")
    assert nib.load(tmp_path / "made" / "sct.nii.gz").shape == mr.grid.shape
    assert image.imread(tmp_path / "made" / "result.png")[..., :3].std() > 0.1
    assert re.search(r"verdict:\n  (no finding|check|do not use)", capsys.readouterr().out)


@pytest.mark.slow
def test_a_hospital_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is used and what is not is known, since the export is generated."""
    small = ["training.validations=0", "data.deformed_ct=0", "data.patch_size=[64, 64]", "network.filters=4"]
    given = ["--steps=2", "--spacing", "4", "4", "9", *(f"--set={one}" for one in small)]
    monkeypatch.setattr(sys, "argv", ["hospital_folder.py", str(tmp_path), *given])
    hospital_folder.main()
    found = json.loads((tmp_path / "findings.json").read_text())
    used = {"PATIENT0", "PATIENT2", "PATIENT3", "PATIENT5"}
    verdicts = {one["patient"]: one["verdict"] for one in found if one["patient"]}
    assert verdicts == dict.fromkeys(used, "sound") | {"PATIENT1": "irregular", "PATIENT4": "refused"}
    skipped = {one["name"] for one in found if one["verdict"] == "skipped"}
    assert skipped == {"Series 1", "readme.txt", "VERSION", "DICOMDIR", "capture.dcm", "raw.dcm"}
    split = json.loads((tmp_path / "run" / "manifest.json").read_text())["split"]
    assert {one["patient"] for side in split.values() for scans in side.values() for one in scans} == used
    made = tmp_path / "synthetic" / "PATIENT6"
    assert nib.load(made / "sct.nii.gz").shape[2] == len(list((made / "dicom").iterdir()))
    assert set(json.loads((tmp_path / "scores" / "summary.json").read_text())["mean"]) >= {"mae", "ssim"}
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")[-100:]


def test_outputs_are_drawn(tmp_path: Path) -> None:
    show_outputs.main(tmp_path, (4.0, 4.0, 6.0))
    for name in ("uncertainty", "maps", "outlines", "registration", "radiograph"):
        assert image.imread(tmp_path / f"{name}.png")[..., :3].std() > 0.05, name


def test_a_hospital_folder_needs_mr_to_translate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hospital_folder.py", str(tmp_path / "made"), "--mr=mr", "--ct=ct"])
    with pytest.raises(SystemExit, match="2"):
        hospital_folder.main()


def test_from_python(checkpoint: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = cohort / "mr" / "mr000.nii.gz"
    from_python.main(str(checkpoint), str(source), str(tmp_path / "sct.nii.gz"))
    assert nib.load(tmp_path / "sct.nii.gz").shape == nib.load(source).shape
    assert "above 250 HU" in capsys.readouterr().out


def test_python_is_short() -> None:
    tree = ast.parse((EXAMPLES / "from_python.py").read_text(encoding="utf-8"))
    lines = ast.unparse(ast.Module(tree.body[1:], [])).splitlines()  # without its docstring, comments and blank lines
    assert len([line for line in lines if line.strip()]) <= 20


@pytest.mark.slow
def test_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs from top to bottom, and its viewers have the volumes in them."""
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    pytest.importorskip("ipyniivue")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = jupytext.read(EXAMPLES / "show_in_notebook.py")
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (widgets,) = notebook.metadata["widgets"].values()
    volumes = [one for one in widgets["state"].values() if one["state"].get("_anywidget_id", "").endswith(".Volume")]
    shown = [(one["state"]["name"], one["state"]["cal_min"], one["state"]["cal_max"]) for one in volumes]
    ct, error = ("sct.nii.gz", -300, 1300), ("uncertainty.nii.gz", 50, 300)
    assert shown == [("mr.nii.gz", None, None), ct, ct, error]
    for one in volumes:
        sent = b"".join(base64.b64decode(buffer["data"]) for buffer in one["buffers"])
        assert sent == (tmp_path / "notebook_output" / one["state"]["name"]).read_bytes()


@pytest.mark.slow
def test_methods_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(tmp_path, patients=0, paired_cases=1, spacing=(4.0, 4.0, 9.0))
    mr, ct = (str(tmp_path / "test" / kind) for kind in ("mr", "ct"))
    scans = ["--mr", mr, "--ct", ct, "--test-mr", mr, "--test-ct", ct]
    chosen = ["--minutes=0.01", "--dimensions", "2d", "--methods", "cut", "pix2pix"]
    monkeypatch.setattr(compare_methods, "SHORT", [*TINY, "training.max_steps=1", "data.patch_size=[64, 64]"])
    monkeypatch.setattr(sys, "argv", ["compare_methods.py", str(tmp_path / "compared"), *scans, *chosen])
    compare_methods.main()
    rows = (tmp_path / "compared" / "table.md").read_text().splitlines()[3:]
    assert [row.split(" | ")[0] for row in rows] == ["| cut", "| pix2pix"]


def test_the_picture_of_a_result(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_result.main(tmp_path / "result.png", checkpoint, width=5.0)
    assert image.imread(tmp_path / "result.png")[..., :3].std() > 0.1
    assert "HU in the body" in capsys.readouterr().out
    mc.write_nifti(HeadPhantom.random(3).ct(head_grid(spacing=(5.0, 5.0, 5.0))), tmp_path / "ct.nii.gz")
    show_result.main(tmp_path / "simulated.png", checkpoint, str(tmp_path / "ct.nii.gz"), width=5.0)
    assert image.imread(tmp_path / "simulated.png")[..., :3].std() > 0.1


@pytest.mark.slow
def test_the_picture_of_simulated_cbct(cohort: Path, tmp_path: Path) -> None:
    show_simulated_cbct.main(tmp_path / "cbct.png", ct_file=cohort / "ct" / "ct000.nii.gz")
    assert image.imread(tmp_path / "cbct.png")[..., :3].std() > 0.1


@pytest.mark.slow
def test_the_picture_of_windows(cohort: Path, checkpoint: Path, tmp_path: Path) -> None:
    three = ["network.spatial_dims=3", "data.spacing=[4, 4, 4]", "data.patch_size=[32, 32, 32]"]
    config = load_config("demo", [*TINY, *three])
    intensity = {"ct": HounsfieldWindow(-1024, 2000), "mr": MrPercentile(0, 1000)}
    save_method(SavedMethod(build_method(config), config, intensity, 1), tmp_path / "model.pt")
    picture, source = tmp_path / "windows.png", cohort / "mr" / "mr000.nii.gz"
    show_windows.main(picture, tmp_path / "model.pt", source)
    assert image.imread(picture)[..., :3].std() > 0.1
    with pytest.raises(SystemExit, match="takes slices"):
        show_windows.main(picture, checkpoint, source)
