"""What `import medcycle` offers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

import medcycle as mc
from medcycle import api, errors
from medcycle.cli.main import execute
from medcycle.io.itk import to_itk
from medcycle.phantom import HeadPhantom, head_grid
from tests.io.support import source_series
from tests.sizes import TINY

GRID = head_grid(spacing=(4.0, 4.0, 5.0))
MR, CT = HeadPhantom.random(7).mr(GRID), HeadPhantom.random(7).ct(GRID)


def test_the_names_are_these() -> None:
    functions = [
        "adapt",
        "compare_dose",
        "convert",
        "evaluate",
        "judge",
        "list_models",
        "load_model",
        "model_info",
        "read",
        "register",
        "score_pictures",
        "simulate_cbct",
        "synthesize",
        "train",
        "translate_pictures",
        "write_dicom",
        "write_nifti",
        "write_report",
    ]
    assert set(mc.__all__) == {*functions, "Grid", "Volume", *errors.__all__}
    assert {name for name in mc.__all__ if callable(getattr(mc, name))} == set(mc.__all__)
    assert set(mc.__all__) <= set(dir(mc))
    assert set(functions) == set(api.__all__) - {"Progress"}
    with pytest.raises(AttributeError, match="no attribute 'synthesise'"):
        _ = mc.synthesise


def test_importing_loads_nothing() -> None:
    code = (
        "import sys, medcycle; sys.exit(any(name in sys.modules for name in ('numpy', 'torch', 'nibabel', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One MR in every form that is taken."""
    folder = tmp_path_factory.mktemp("forms")
    mc.write_nifti(MR, folder / "mr.nii.gz")
    return {
        "path": folder / "mr.nii.gz",
        "text": str(folder / "mr.nii.gz"),
        "volume": MR,
        "nibabel": nib.Nifti1Image(MR.array, GRID.affine),
        "nibabel, 4D": nib.Nifti1Image(MR.array[..., None], GRID.affine),
        "SimpleITK": to_itk(MR),
    }


@pytest.mark.parametrize("form", ["path", "text", "nibabel", "nibabel, 4D", "SimpleITK"])
def test_an_image_of_any_kind_gives_the_same(files: dict[str, Any], form: str, checkpoint: Path) -> None:
    expected = mc.synthesize(MR, checkpoint, device="cpu").volume
    made = mc.synthesize(files[form], str(checkpoint), device="cpu").volume
    assert made.grid.is_close(GRID)
    np.testing.assert_allclose(made.array, expected.array, atol=0.5)


def test_an_array_has_its_affine(checkpoint: Path) -> None:
    model = mc.load_model(checkpoint)
    made = mc.synthesize(MR.array, model, affine=GRID.affine, device="cpu")
    np.testing.assert_array_equal(made.volume.array, mc.synthesize(MR, model, device="cpu").volume.array)
    with pytest.raises(mc.UsageError, match="needs its affine"):
        mc.synthesize(MR.array, model)
    with pytest.raises(mc.UsageError, match="only for arrays, not for a Volume"):
        mc.synthesize(MR, model, affine=GRID.affine)
    with pytest.raises(mc.UsageError, match="no such device"):
        mc.synthesize(MR, model, device="tpu")
    with pytest.raises(mc.UsageError, match="a list is not an image"):
        mc.synthesize([1, 2], model)
    with pytest.raises(mc.DataError, match="three positive sizes"):
        mc.synthesize(MR.array[0], model, affine=GRID.affine)


def test_what_is_no_mr_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(mc.WrongModality, match="the image given"):
        mc.synthesize(CT, checkpoint)
    mc.write_nifti(CT, tmp_path / "ct.nii")
    with pytest.raises(mc.WrongModality, match=r"ct\.nii"):
        mc.synthesize(tmp_path / "ct.nii", checkpoint)
    assert mc.synthesize(CT, checkpoint, to="mr", device="cpu").volume.array.min() >= 0


def test_progress_rises_to_the_end(checkpoint: Path) -> None:
    told: list[float] = []
    mc.synthesize(
        MR, [checkpoint, checkpoint], device="cpu", flips=True, progress=lambda share, note: told.append(share)
    )
    assert told == sorted(told)
    assert len(told) > 4
    assert told[-1] == pytest.approx(1)
    assert any(0.4 < share < 0.6 for share in told)


def test_it_is_what_the_command_makes(cohort: Path, checkpoint: Path, tmp_path: Path) -> None:
    source = cohort / "mr" / "mr000.nii.gz"
    assert execute(["synthesize", str(checkpoint), str(source), str(tmp_path / "sct.nii.gz"), "--device", "cpu"]) == 0
    made = mc.synthesize(source, checkpoint, device="cpu")
    np.testing.assert_allclose(mc.read(tmp_path / "sct.nii.gz").array, made.volume.array, atol=1e-3)


def test_training_and_scoring(cohort: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {key: int(value) for key, value in (one.split("=") for one in TINY)}
    settings |= {"data.spacing": [4, 4, None], "data.patch_size": [32, 32], "training.max_steps": 3}
    told: list[tuple[float, str]] = []
    folders = {"mr": cohort / "mr", "ct": str(cohort / "ct")}
    result = mc.train(
        "demo", output=tmp_path / "run", **folders, settings=settings, progress=lambda *now: told.append(now)
    )
    assert (result.step, result.stopped_by, len(told)) == (3, "steps", 3)
    assert told[-1][0] == 1
    assert "step 3" in told[-1][1]
    with pytest.raises(mc.UsageError, match="holds a run; pass --resume"):
        mc.train("demo", output=tmp_path / "run", **folders)
    with pytest.raises(mc.UsageError, match="not empty, and holds no run"):
        mc.train("demo", output=cohort, **folders)
    with pytest.raises(mc.ConfigError, match="did you mean training"):
        mc.train("demo", output=tmp_path / "other", **folders, settings={"training.max_step": 3})
    pair = cohort / "test"
    made = mc.synthesize(pair / "mr" / "case000.nii.gz", result.checkpoint, device="cpu")
    mc.write_nifti(made.volume, tmp_path / "sct" / "case000.nii.gz")
    by_folder = mc.evaluate(pair / "ct", str(tmp_path / "sct"))
    by_volume = mc.evaluate(mc.read(pair / "ct" / "case000.nii.gz"), made.volume, protocol="synthrad2023")
    assert list(by_folder.cases) == ["case000"]
    assert by_folder.mean["mae"] > 0
    assert by_volume.mean["psnr"] == pytest.approx(
        mc.evaluate(pair / "ct", tmp_path / "sct", protocol="synthrad2023").mean["psnr"], rel=1e-3
    )
    whole = mc.evaluate(MR, MR)
    assert (whole.protocol, whole.mean["nmae"]) == ("mr", 0)


def test_evaluations_are_written_as_the_command_writes_them(tmp_path: Path) -> None:
    mc.write_nifti(MR, tmp_path / "mr" / "a.nii.gz")
    mc.write_nifti(CT, tmp_path / "ct" / "a.nii.gz")
    mc.write_nifti(CT.with_array(CT.array + 5), tmp_path / "out" / "a" / "sct.nii.gz")
    places = {"real": tmp_path / "ct", "synthetic": tmp_path / "out", "mr": tmp_path / "mr"}
    mc.evaluate(**places, output=tmp_path / "python")
    given = [text for name, path in places.items() for text in (f"--{name}", str(path))]
    assert execute(["evaluate", *given, "--output", str(tmp_path / "command")]) == 0
    written = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "python", tmp_path / "command")
    ]
    assert written[0] == written[1]
    with pytest.raises(mc.UsageError, match="output needs files"):
        mc.evaluate(CT, CT, output=tmp_path / "no")


def test_images_of_any_kind_are_judged() -> None:
    found = mc.judge(MR, to_itk(CT))
    assert found["verdict"]["grade"] == "no finding", found["verdict"]
    with pytest.raises(mc.WrongModality, match="only synthetic CT"):
        mc.judge(MR, MR)


def test_a_series_of_the_source_study(checkpoint: Path, tmp_path: Path) -> None:
    source_series(tmp_path / "mr")
    made = mc.synthesize(tmp_path / "mr", checkpoint, device="cpu")
    files = mc.write_dicom(made.volume, str(tmp_path / "sct"), reference=tmp_path / "mr")
    source = pydicom.dcmread(next((tmp_path / "mr").iterdir()))
    assert {pydicom.dcmread(file).StudyInstanceUID for file in files} == {source.StudyInstanceUID}
    with pytest.raises(mc.UsageError):
        mc.write_dicom(made.volume, tmp_path / "sct", reference=tmp_path / "mr")
    anonymous = mc.write_dicom(made.volume, tmp_path / "nobody")
    assert pydicom.dcmread(anonymous[0]).PatientID != source.PatientID
