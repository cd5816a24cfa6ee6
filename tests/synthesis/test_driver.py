"""Many cases: what is done is not done again, what is wrong stops nothing, and several devices share the work."""

import json
import shutil
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch

from medcycle.cli.main import execute
from medcycle.errors import DataError, UsageError
from medcycle.inference import Options, Windows, devices_of
from medcycle.io.nifti import read_nifti, write_nifti
from medcycle.methods.checkpoint import load_method, save_method
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from medcycle.synthesis import runner as module
from medcycle.synthesis.driver import synthesize_path
from medcycle.synthesis.order import Order
from medcycle.synthesis.outputs import Outputs
from medcycle.volume import Grid, Volume
from tests.io.support import source_series


@pytest.fixture
def folder(cohort: Path, tmp_path: Path) -> Path:
    """Four MR, of two heads."""
    (tmp_path / "mr").mkdir()
    for number in range(4):
        shutil.copy(cohort / "mr" / f"mr{number % 2:03d}.nii.gz", tmp_path / "mr" / f"case{number}.nii.gz")
    return tmp_path / "mr"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each volume that is computed."""
    seen: list[str] = []
    own = module.predicted

    def counting(volume, models, order, style, device, progress):
        seen.append(str(device))
        return own(volume, models, order, style, device, progress)

    monkeypatch.setattr(module, "predicted", counting)
    return seen


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_what_is_done_is_left_as_it_is(folder: Path, checkpoint: Path, counted: list[str], capsys) -> None:
    out = folder.parent / "out"
    (folder / "case3.nii.gz").rename(folder.parent / "later")
    first = synthesize_path(checkpoint, folder, out)
    assert [path.name for path in first] == ["case0", "case1", "case2"]
    before = contents(out)
    shutil.rmtree(out / "case1")
    (folder.parent / "later").rename(folder / "case3.nii.gz")
    counted.clear()
    assert len(synthesize_path(checkpoint, folder, out)) == 4
    assert len(counted) == 2
    after = contents(out)
    for name in ("case0/sct.nii.gz", "case0/synthesis.json", "case2/sct.nii.gz", "case1/sct.nii.gz"):
        assert after[name] == before[name]
    assert "2 of 4 exist already" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["voxels", "checkpoint", "options", "torn"])
def test_what_was_made_otherwise_is_refused_and_kept(
    cohort: Path, tmp_path: Path, checkpoint: Path, change: str
) -> None:
    source, model, order = tmp_path / "mr.nii.gz", tmp_path / "model.pt", Order()
    shutil.copy(cohort / "mr" / "mr000.nii.gz", source)
    shutil.copy(checkpoint, model)
    (made,) = synthesize_path(model, source, tmp_path / "out")
    if change == "voxels":
        shutil.copy(cohort / "mr" / "mr001.nii.gz", source)
    elif change == "checkpoint":
        saved = load_method(model)
        next(iter(saved.method.parameters())).data += 1
        save_method(saved, model)
    elif change == "options":
        order = Order(options=Options(flips=True))
    else:
        (made / "sct.nii.gz").unlink()
    before = contents(tmp_path / "out")
    words = {
        "voxels": "of another input",
        "checkpoint": "with another checkpoint",
        "options": "--flips false, not true",
    }
    with pytest.raises(DataError, match=f"already exists, but .*{words.get(change, 'files are missing')}; delete it"):
        synthesize_path(model, source, tmp_path / "out", order)
    assert contents(tmp_path / "out") == before


@pytest.mark.slow
def test_options_that_do_nothing_make_no_difference(folder: Path, checkpoint: Path, capsys) -> None:
    synthesize_path(checkpoint, folder, folder.parent / "out")
    other = Order(options=Options(windows=Windows(overlap=0.3)))  # of 3D networks alone
    synthesize_path(checkpoint, folder, folder.parent / "out", other)
    assert "4 of 4 exist already" in capsys.readouterr().err


def test_the_rest_is_made_when_one_is_bad(folder: Path, checkpoint: Path, caplog) -> None:
    (folder / "case1.nii.gz").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"1 of 4 volumes not translated, 3 done; first failure: .*case1"):
        synthesize_path(checkpoint, folder, folder.parent / "out")
    assert sorted(path.name for path in (folder.parent / "out").iterdir()) == ["case0", "case2", "case3"]
    assert "not translated: " in caplog.text


def test_a_fault_in_one_case_is_no_end_of_the_others(folder: Path, checkpoint: Path, monkeypatch) -> None:
    own = module.write_case

    def faulty(synthesis, source, *given, **named):
        if source.name == "case1":
            raise ValueError("could not convert string to float: '70,5'")
        own(synthesis, source, *given, **named)

    monkeypatch.setattr(module, "write_case", faulty)
    with pytest.raises(DataError, match=r"1 of 4 .* case1: ValueError: could not .* a bug in medcycle") as caught:
        synthesize_path(checkpoint, folder, folder.parent / "out")
    assert "in faulty" in "".join(caught.value.__cause__.__notes__)  # which --debug shows
    assert sorted(path.name for path in (folder.parent / "out").iterdir()) == ["case0", "case2", "case3"]


def test_after_an_error_no_device_begins_another_case(folder: Path, checkpoint: Path, monkeypatch) -> None:
    begun = []

    def stopped(*given):
        begun.append(given[-1])
        if len(begun) == 1:
            raise KeyboardInterrupt
        time.sleep(0.2)
        raise DataError("slow")

    monkeypatch.setattr(module, "predicted", stopped)
    for number in range(4, 12):
        shutil.copy(folder / "case0.nii.gz", folder / f"case{number}.nii.gz")
    with pytest.raises(KeyboardInterrupt):
        synthesize_path(checkpoint, folder, folder.parent / "out", Order(devices=(torch.device("cpu"),) * 2))
    assert len(begun) < 6


@pytest.mark.slow
def test_what_was_made_is_no_input(folder: Path, checkpoint: Path, capsys, caplog) -> None:
    order = Order(options=Options(uncertainty=True))
    first = synthesize_path(checkpoint, folder, folder, order)
    again = synthesize_path(checkpoint, folder, folder, order)
    assert again == first
    assert "4 of 4 exist already" in capsys.readouterr().err
    assert "12 volumes written by an earlier call are skipped" in caplog.text
    back = synthesize_path(checkpoint, first[0] / "sct.nii.gz", folder / "back", Order(to="mr"))
    assert [path.name for path in back] == ["sct"]


def test_what_is_no_volume_is_told(cohort: Path, checkpoint: Path, tmp_path: Path, caplog) -> None:
    shutil.copy(cohort / "mr" / "mr000.nii.gz", tmp_path / "a.nii.gz")
    grid = head_grid((40, 40, 6), (4, 4, 4))
    (torn,) = write_series(HeadPhantom.random(1).mr(grid), tmp_path / "p1", modality="MR")[:1]
    for path in (tmp_path / "p1").iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.PixelData
        dataset.save_as(path)
    (tmp_path / "notes.txt").write_text("nothing")
    synthesize_path(checkpoint, tmp_path, tmp_path / "out")
    assert f"skipped: {torn.parent}" in caplog.text
    assert "notes" not in caplog.text


def test_voxels_in_another_file_are_of_the_data(cohort: Path, checkpoint: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.mhd"
    for patient in ("mr000", "mr001"):
        image = sitk.ReadImage(str(cohort / "mr" / f"{patient}.nii.gz"))
        image.CopyInformation(sitk.ReadImage(str(cohort / "mr" / "mr000.nii.gz")))
        sitk.WriteImage(image, str(source))
        if patient == "mr000":
            synthesize_path(checkpoint, source, tmp_path / "out")
    with pytest.raises(DataError, match="made of another input"):
        synthesize_path(checkpoint, source, tmp_path / "out")


@pytest.mark.parametrize("spacing", [0.003, 200])
def test_voxels_of_no_scanner(spacing: float, checkpoint: Path, tmp_path: Path) -> None:
    head = HeadPhantom.random(1).mr(head_grid((40, 40, 12), (5, 5, 5)))
    write_nifti(Volume(head.array, Grid(head.grid.shape, np.diag([spacing] * 3 + [1]))), tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match=r"voxels of .* mm, outside 0\.1 to 20 mm; correct the header"):
        synthesize_path(checkpoint, tmp_path / "a.nii.gz", tmp_path / "out")


@pytest.mark.parametrize("name", ["file", "file/below", "out.nii", "out.mha"])
def test_outputs_that_can_not_be_are_told_before_anything_is_made(
    name: str, cohort: Path, checkpoint: Path, tmp_path: Path, counted: list[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"can't be written|single files are written as .nii.gz only"):
        synthesize_path(checkpoint, cohort / "mr", tmp_path / name)
    assert not counted


def test_a_full_disk_is_a_bad_case(folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = module.write_case

    def full(synthesis, source, *given, **named):
        if source.name == "case2":
            raise OSError(28, "No space left on device")
        own(synthesis, source, *given, **named)

    monkeypatch.setattr(module, "write_case", full)
    with pytest.raises(DataError, match=r"1 of 4 .* no room left"):
        synthesize_path(checkpoint, folder, folder.parent / "out")
    assert sorted(path.name for path in (folder.parent / "out").iterdir()) == ["case0", "case1", "case3"]


def test_devices_share_the_work(folder: Path, checkpoint: Path, counted: list[str]) -> None:
    two = Order(devices=(torch.device("cpu"), torch.device("cpu", 0)))
    synthesize_path(checkpoint, folder, folder.parent / "two", two)
    assert set(counted) == {"cpu", "cpu:0"}
    first, third = (nib.load(folder.parent / "two" / f"case{n}" / "sct.nii.gz").get_fdata() for n in (0, 2))
    np.testing.assert_array_equal(first, third)  # of the same MR, whichever device it was on


def test_large_volumes_have_the_memory_for_themselves(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No volume is read before the one before it is written."""
    monkeypatch.setattr("medcycle.synthesis.order.LARGE", 1000)
    order: list[str] = []
    read, write = module.BatchRunner._read, module.BatchRunner._write
    monkeypatch.setattr(module.BatchRunner, "_read", lambda *given: (order.append("read"), read(*given))[1])
    monkeypatch.setattr(module.BatchRunner, "_write", lambda *given: (write(*given), order.append("written"))[1])
    synthesize_path(checkpoint, folder, folder.parent / "out")
    assert order == ["read", "written"] * 4


def test_uncertainty_and_what_is_said_of_it(cohort: Path, checkpoint: Path, tmp_path: Path) -> None:
    source = cohort / "mr" / "mr000.nii.gz"
    (made,) = synthesize_path(checkpoint, source, tmp_path / "out", Order(options=Options(uncertainty=True)))
    assert sorted(path.name for path in made.iterdir()) == [
        "cycle_error.nii.gz",
        "sct.nii.gz",
        "synthesis.json",
        "uncertainty.nii.gz",
    ]
    said = json.loads((made / "synthesis.json").read_text())
    assert said["source"] == "mr000.nii.gz"
    assert said["files"] == ["cycle_error.nii.gz", "sct.nii.gz", "uncertainty.nii.gz"]
    assert said["uncertainty"]["meaning"] == "standard deviation over passes"
    assert said["uncertainty"]["mean_in_body"] > 0
    assert said["slice_continuity"] > 0
    grids = [read_nifti(made / name).grid for name in said["files"]]
    assert all(grid.is_close(read_nifti(source).grid) for grid in grids)
    (plain,) = synthesize_path(checkpoint, source, tmp_path / "plain")
    np.testing.assert_array_equal(*(read_nifti(path / "sct.nii.gz").array for path in (made, plain)))


def test_one_file_holds_one_volume(cohort: Path, checkpoint: Path, tmp_path: Path) -> None:
    source, target = cohort / "mr" / "mr000.nii.gz", tmp_path / "made.nii.gz"
    for order, reason in (
        (Order(options=Options(uncertainty=True)), "uncertainty"),
        (Order(outputs=Outputs("dicom")), "DICOM"),
    ):
        with pytest.raises(UsageError, match=reason):
            synthesize_path(checkpoint, source, target, order)
    assert synthesize_path(checkpoint, source, target) == [target]
    with pytest.raises(UsageError, match="already exists"):
        synthesize_path(checkpoint, source, target)


def test_devices_are_named() -> None:
    assert devices_of("cpu") == (torch.device("cpu"),)
    assert devices_of("cpu, cpu") == (torch.device("cpu"), torch.device("cpu"))
    assert devices_of("auto")
    for wrong in ("gpu", "cuda:77", "meta", ""):
        with pytest.raises(UsageError, match="no such device"):
            devices_of(wrong)


def test_a_station_and_deidentification_exclude_each_other(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is said before anything is computed, or a patient is written down."""
    source_series(tmp_path / "mr")
    (tmp_path / "site.yaml").write_text("station_name: SCT_HEAD\n")
    call = ["synthesize", checkpoint, tmp_path / "mr", tmp_path / "out", "--format", "dicom", "--deidentify"]
    assert execute([*map(str, call), "--site", str(tmp_path / "site.yaml")]) == 2
    assert "which --deidentify removes" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mr", "site.yaml"]
