"""Many cases: what is done is not done again, what is wrong stops nothing, and several devices share the work."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medcycle.errors import DataError, UsageError
from medcycle.inference import devices_of
from medcycle.io.nifti import read_nifti
from medcycle.methods.saved import load_method, save_method
from medcycle.synthesis import works as module
from medcycle.synthesis.cohort import synthesize_path
from medcycle.synthesis.options import Options
from medcycle.synthesis.outputs import Outputs
from medcycle.synthesis.works import Order


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
    own = module.synthesize

    def counting(volume, *given, **named):
        seen.append(str(named.get("device")))
        return own(volume, *given, **named)

    monkeypatch.setattr(module, "synthesize", counting)
    return seen


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_what_is_done_is_left_as_it_is(folder: Path, checkpoint: Path, counted: list[str], caplog) -> None:
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
    assert "2 of" in caplog.text


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
    with pytest.raises(DataError, match="made of other data or in another way; delete it"):
        synthesize_path(model, source, tmp_path / "out", order)
    assert contents(tmp_path / "out") == before


def test_the_rest_is_made_when_one_is_bad(folder: Path, checkpoint: Path, caplog) -> None:
    (folder / "case1.nii.gz").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"1 of 4 volumes not translated, 3 done; the first: .*case1"):
        synthesize_path(checkpoint, folder, folder.parent / "out")
    assert sorted(path.name for path in (folder.parent / "out").iterdir()) == ["case0", "case2", "case3"]
    assert "not translated: " in caplog.text


def test_a_full_disk_is_a_bad_case(folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = module.write_case

    def full(synthesis, source, *given, **named):
        if source.name == "case2":
            raise OSError(28, "No space left on device")
        own(synthesis, source, *given, **named)

    monkeypatch.setattr(module, "write_case", full)
    with pytest.raises(DataError, match=r"1 of 4 .* No space left"):
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
    monkeypatch.setattr(module, "LARGE", 1000)
    order: list[str] = []
    read, write = module.Works._read, module.Works._write
    monkeypatch.setattr(module.Works, "_read", lambda *given: (order.append("read"), read(*given))[1])
    monkeypatch.setattr(module.Works, "_write", lambda *given: (write(*given), order.append("written"))[1])
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
    with pytest.raises(UsageError, match="there already"):
        synthesize_path(checkpoint, source, target)


def test_devices_are_named() -> None:
    assert devices_of("cpu") == (torch.device("cpu"),)
    assert devices_of("cpu, cpu") == (torch.device("cpu"), torch.device("cpu"))
    assert devices_of("auto")
    for wrong in ("gpu", "cuda:77", ""):
        with pytest.raises(UsageError, match="no such device"):
            devices_of(wrong)
