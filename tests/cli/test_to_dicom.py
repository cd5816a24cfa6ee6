"""`medcycle to-dicom`, in process."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from medcycle import __version__
from medcycle.cli.main import execute
from medcycle.io.dicom.series import grid_of, read_headers
from medcycle.io.discover import read_volume
from medcycle.io.itk import to_itk
from medcycle.io.nifti import write_nifti
from medcycle.phantom.dicom_series import Identity
from tests.io.support import complaints, saved, source_series, square, structure_set


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    sct, mr = source_series(folder / "mr")
    smr, _ = source_series(folder / "ct", "sagittal", "CT")
    write_nifti(sct, folder / "sct.nii.gz")
    write_nifti(smr, folder / "smr.nii.gz")
    headers = read_headers(mr)
    drawn = structure_set(headers, {"Organ": [(square(grid_of(mr), 8), headers[8])]})
    saved([drawn], folder / "drawn")
    shutil.copytree(folder / "mr", folder / "two" / "a")
    source_series(folder / "two" / "b", patient=Identity("OTHER"))
    (folder / "empty").mkdir()
    (folder / "text.nii.gz").write_text("a text")
    (folder / "short.key").write_text("abc")
    return folder


@pytest.fixture
def world(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A synthetic CT and MR as files, with the series they were made from and a structure set; the current folder."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_volume_joins_its_study(world: Path, capfd) -> None:
    call = ["to-dicom", "sct.nii.gz", "out", "--reference", "mr", "--rtstruct", "drawn/0.dcm", "--body-part", "BRAIN"]
    assert execute(call) == 0
    said = capfd.readouterr()
    files = sorted((world / "out").iterdir())
    assert f"wrote {len(files)} files to out" in said.out
    assert "research only" in said.out
    slices, rtstruct = files[:-1], files[-1]
    assert rtstruct.name == "rtstruct.dcm"
    assert complaints("dciodvfy", [slices[0], rtstruct]) == []
    first = pydicom.dcmread(slices[0])
    assert first.StudyInstanceUID == pydicom.dcmread(world / "mr" / "1.dcm").StudyInstanceUID
    assert (first.BodyPartExamined, first.SoftwareVersions) == ("BRAIN", __version__)
    assert "from a volume file of SHA-256 " in first.DerivationDescription
    made, given = read_volume(world / "out").to_ras(), read_volume(world / "sct.nii.gz").to_ras()
    assert made.grid.is_close(given.grid, 1e-3)
    np.testing.assert_array_equal(made.array, np.rint(given.array.clip(-1024, 3071)))


def test_an_mr_and_a_study_of_its_own(world: Path) -> None:
    assert execute(["to-dicom", "smr.nii.gz", "out", "--modality", "mr", "--reference", "ct"]) == 0
    assert pydicom.dcmread(world / "out" / "0001.dcm").Modality == "MR"
    sitk.WriteImage(to_itk(read_volume(world / "sct.nii.gz")), world / "sct.mha")
    assert execute(["to-dicom", "sct.mha", "alone"]) == 0
    assert pydicom.dcmread(world / "alone" / "0001.dcm").PatientName == "Anonymous^medcycle"


def test_outputs_of_one_key_belong_together(world: Path, capfd) -> None:
    shutil.copy(world / "sct.nii.gz", world / "again.nii.gz")
    for name in ("sct", "again"):
        wanted = ["--reference", "mr", "--deidentify", "--deidentify-key", "keys/one.key", "--with-source"]
        assert execute(["to-dicom", f"{name}.nii.gz", name, *wanted]) == 0
    first, second = (pydicom.dcmread(world / name / "0001.dcm") for name in ("sct", "again"))
    source = pydicom.dcmread(world / "again" / "source" / "0001.dcm")
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "StudyDate"):
        assert first[keyword].value == second[keyword].value == source[keyword].value
    assert first.PatientID != "PHANTOM"
    said = capfd.readouterr()
    assert "PHANTOM" not in said.out + said.err
    assert (world / "keys" / "one.key").read_text().strip() not in said.out + said.err


DATA_WRONG, CALL_WRONG = 1, 2

REFUSALS = {
    "no volume": ("to-dicom gone.nii.gz out", CALL_WRONG, "gone.nii.gz"),
    "a torn volume": ("to-dicom text.nii.gz out", DATA_WRONG, "text.nii.gz"),
    "a series as volume": ("to-dicom mr out", DATA_WRONG, "mr: not an image file"),
    "an mr as ct": ("to-dicom smr.nii.gz out --reference mr", DATA_WRONG, "not a CT in Hounsfield units"),
    "a ct as mr": ("to-dicom sct.nii.gz out --modality mr --reference ct", DATA_WRONG, "not an MR"),
    "no reference": ("to-dicom sct.nii.gz out --reference gone", CALL_WRONG, "gone"),
    "an empty reference": ("to-dicom sct.nii.gz out --reference empty", DATA_WRONG, "empty: no DICOM series"),
    "two series": ("to-dicom sct.nii.gz out --reference two", DATA_WRONG, "two: 2 series (MR of"),
    "of the wrong kind": ("to-dicom sct.nii.gz out --reference ct", DATA_WRONG, "modality CT"),
    "a slice as reference": ("to-dicom sct.nii.gz out --reference mr/3.dcm", DATA_WRONG, "only one slice"),
    "an image as structures": ("to-dicom sct.nii.gz out --reference mr --rtstruct mr/3.dcm", DATA_WRONG, "RTSTRUCT"),
    "no structures": ("to-dicom sct.nii.gz out --reference mr --rtstruct gone", CALL_WRONG, "gone"),
    "others' structures": (
        "to-dicom sct.nii.gz out --reference two/b --rtstruct drawn/0.dcm",
        DATA_WRONG,
        "another frame of reference",
    ),
    "structures alone": ("to-dicom sct.nii.gz out --rtstruct drawn/0.dcm", CALL_WRONG, "--reference"),
    "nobody to hide": ("to-dicom sct.nii.gz out --deidentify", CALL_WRONG, "--reference"),
    "a key alone": ("to-dicom sct.nii.gz out --reference mr --deidentify-key a", CALL_WRONG, "--deidentify"),
    "retained alone": ("to-dicom sct.nii.gz out --reference mr --retain dates", CALL_WRONG, "--deidentify"),
    "an unknown thing retained": (
        "to-dicom sct.nii.gz out --reference mr --deidentify --retain names",
        CALL_WRONG,
        "--retain names: unknown; did you mean roi-names? choose from device",
    ),
    "a short key": (
        "to-dicom sct.nii.gz out --reference mr --deidentify --deidentify-key short.key",
        CALL_WRONG,
        "short.key",
    ),
    "a full folder": ("to-dicom sct.nii.gz mr --reference mr", CALL_WRONG, "nothing is overwritten"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_one_line_and_leave_nothing(name: str, world: Path, capfd) -> None:
    call, status, message = REFUSALS[name]
    before = sorted(world.rglob("*"))
    assert execute(call.split()) == status
    said = capfd.readouterr()
    assert message in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert sorted(world.rglob("*")) == before
