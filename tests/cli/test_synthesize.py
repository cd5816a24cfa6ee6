"""`medcycle synthesize`: its options, and what it says."""

import json
import re
import shutil
import socket
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from medcycle.cli.main import execute
from medcycle.io import write_nifti
from medcycle.methods.checkpoint import load_method, save_method
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import Identity
from medcycle.volume import Grid, Volume
from tests.io.support import source_series
from tests.sizes import TINY

CALL_WRONG = 2


def synthesized(*given: object) -> int:
    return execute(["synthesize", *map(str, given)])


@pytest.mark.slow
def test_all_that_can_be_wanted(checkpoint: Path, cohort: Path, tmp_path: Path) -> None:
    source, out = cohort / "mr" / "mr000.nii.gz", tmp_path / "out"
    more = ["--planes", "all", "--flips", "--shifts", "2", "--fusion", "median", "--ensemble", checkpoint]
    assert synthesized(checkpoint, source, out, "--uncertainty", "--device", "cpu", "--batch-size", "4", *more) == 0
    said = json.loads((out / "mr000" / "synthesis.json").read_text())
    assert said["passes"] == 20  # of two networks: axial and coronal ones mirrored too, all of them shifted
    assert said["options"]["fusion"] == "median"
    assert len(said["checkpoints"]) == 2
    assert said["warnings"]


def test_a_second_call_does_nothing(checkpoint: Path, cohort: Path, tmp_path: Path, capfd) -> None:
    for turn in range(2):
        assert synthesized(checkpoint, cohort / "mr", tmp_path / "out") == 0
        output = capfd.readouterr()
        assert f"wrote 2 cases to {tmp_path / 'out'}; next: medcycle evaluate" in output.out
        assert ("2 of 2 exist already" in output.err) == (turn == 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--device", "gpu"], "--device gpu: no such device here"),
        (["--rtstruct", "plan.dcm"], "add --format dicom or both"),
        (["--deidentify"], "add --format dicom or both"),
        (["--deidentify-key", "key"], "need --deidentify"),
        (["--deidentify", "--format", "both"], "need a DICOM series"),
        (["--shifts", "9"], "Invalid value for '--shifts'"),
        (["--ensemble", "nothing.pt"], "nothing.pt: no such checkpoint"),
    ],
)
def test_calls_that_can_not_be_meant(options, said, checkpoint: Path, cohort: Path, tmp_path: Path, capfd) -> None:
    source = cohort / "mr" / "mr000.nii.gz"
    assert synthesized(checkpoint, source, tmp_path / "out", *options) == CALL_WRONG
    errors = capfd.readouterr().err
    assert said in errors
    assert errors.count("error: ") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_deidentified_series_go_on_without_a_key(checkpoint: Path, tmp_path: Path, capfd) -> None:
    for number in (1, 2):
        source_series(tmp_path / "mr" / f"Doe^Jane-{number}", patient=Identity(f"P{number}", seed=number))
    call = [checkpoint, tmp_path / "mr", tmp_path / "out", "--format", "dicom", "--deidentify"]
    assert synthesized(*call) == 0
    shutil.rmtree(tmp_path / "out" / "case-2")
    assert synthesized(*call) == 0
    assert "1 of 2 exist already" in capfd.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["case-1", "case-2"]
    assert not [path for path in (tmp_path / "out").rglob("*.json") if "Doe" in path.read_text()]


def test_a_deidentified_call_names_nobody(checkpoint: Path, tmp_path: Path, caplog, capfd) -> None:
    """One case is done, one is torn, and one file is no image; names are told in one file beside the output alone."""
    for number, patient in enumerate(("Doe^Jane", "Roe^Rick")):
        source_series(tmp_path / "mr" / patient / "T1 Doe", patient=Identity(f"P{number}", seed=number))
    (tmp_path / "mr" / "Doe^Jane" / "Doe.dcm").write_bytes(bytes(128) + b"DICM")
    broken = tmp_path / "mr" / "Roe^Rick" / "T1 Doe" / "7.dcm"
    dataset = dcmread(broken)
    dataset.PixelData = dataset.PixelData[:-2000]
    dataset.save_as(broken)
    call = [checkpoint, tmp_path / "mr", tmp_path / "out", "--format", "both", "--deidentify"]
    assert synthesized(*call) == 1
    said = capfd.readouterr()
    told = said.out + said.err + caplog.text
    assert "case-2" in told
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    jsons = [path.read_text() for path in written if path.suffix == ".json"]
    assert len(jsons) == 1
    for text in (told, *jsons, *(str(path.relative_to(tmp_path)) for path in written)):
        assert not [name for name in ("Doe", "Roe", "Jane", "Rick", socket.gethostname()) if name in text]
    assert "7.dcm" not in told
    assert str(tmp_path) not in "".join(jsons)
    names = (tmp_path / "out-names.csv").read_text()
    (tmp_path / "out-names.csv").write_text("of another kind\n1\n")
    assert synthesized(*call) == CALL_WRONG
    assert "out-names.csv: not a list of case names" in capfd.readouterr().err
    assert names == (
        "case,name,source\ncase-1,Doe-Jane_T1-Doe,Doe^Jane/T1 Doe\ncase-2,Roe-Rick_T1-Doe,Roe^Rick/T1 Doe\n"
    )


def test_structure_sets_are_looked_at_first(checkpoint: Path, tmp_path: Path, capfd) -> None:
    source_series(tmp_path / "mr")
    call = [checkpoint, tmp_path / "mr", tmp_path / "out", "--format", "dicom", "--rtstruct"]
    (tmp_path / "text.dcm").write_text("nothing")
    for given, status, said in (("none.dcm", CALL_WRONG, "no such file"), ("text.dcm", 1, "not an RT Structure Set")):
        assert synthesized(*call, tmp_path / given) == status
        told = capfd.readouterr().err
        assert said in told
        assert "synthesizing" not in told
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_deidentified_series_goes_on_with_the_same_key(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "mr").mkdir()
    source_series(tmp_path / "mr", "sagittal")
    call = [checkpoint, tmp_path / "mr", tmp_path / "out", "--format", "dicom", "--deidentify"]
    for _ in range(2):
        assert synthesized(*call, "--deidentify-key", tmp_path / "key.txt") == 0
    (folder,) = (tmp_path / "out").iterdir()
    assert re.fullmatch("case-[0-9a-f]{12}", folder.name)
    names = tmp_path / "out-names.csv"
    assert names.read_text() == f"case,name,source\n{folder.name},mr,mr\n"
    assert stat.S_IMODE(names.stat().st_mode) == 0o600
    assert json.loads((folder / "synthesis.json").read_text())["case"] == folder.name
    made = dcmread(folder / "dicom" / "0001.dcm")
    source = dcmread(next((tmp_path / "mr").iterdir()))
    assert made.PatientIdentityRemoved == "YES"
    assert made.PatientID != source.PatientID
    assert made.StudyInstanceUID != source.StudyInstanceUID


@pytest.mark.parametrize(
    ("learned", "warned"),
    [
        ({"mr": 7, "ct": 6, "score": 295.0, "kind": "mae", "constant": 280.0}, "no better than a single CT number"),
        ({"mr": 7, "ct": 6, "score": 95.0, "kind": "unpaired", "constant": 280.0}, ""),
        ({"mr": 7, "ct": 6}, "it is unknown whether the model has learned anything"),
        ({}, ""),  # of an older version
    ],
)
def test_what_a_model_has_learned_is_said(checkpoint, cohort, tmp_path, capfd, learned: dict, warned: str) -> None:
    save_method(replace(load_method(checkpoint), step=34, learned=learned), tmp_path / "model.pt")
    assert synthesized(tmp_path / "model.pt", cohort / "mr" / "mr000.nii.gz", tmp_path / "out") == 0
    said = capfd.readouterr()
    assert f"translating with {tmp_path / 'model.pt'}: 34 steps of training" in said.out
    assert ("on 7 MR and 6 CT" in said.out) == bool(learned)
    assert ("HU" in said.out.split("translating with")[1].split("wrote")[0]) == (learned.get("kind") == "mae")
    assert (warned in said.err) if warned else ("CT number" not in said.err)
    described = json.loads((tmp_path / "out" / "mr000" / "synthesis.json").read_text())
    assert described["checkpoints"][0]["score"] == learned.get("score")
    doubts = [text for text in described["warnings"] if "CT number" in text or "unknown" in text]
    assert len(doubts) == bool(warned)
    assert all(warned in text and said.err.count(text) == 1 for text in doubts)


def test_one_mr_and_one_ct_go_all_the_way(cohort: Path, tmp_path: Path, capfd) -> None:
    """The smallest cohort: trained, and its MR translated, with warnings and no faults."""
    for kind in ("mr", "ct"):
        (tmp_path / kind).mkdir()
        shutil.copy(next((cohort / kind).iterdir()), tmp_path / kind)
    given = ["--mr", tmp_path / "mr", "--ct", tmp_path / "ct", "--output", tmp_path / "run"]
    settings = [f"--set={item}" for item in (*TINY, "data.spacing=[4, 4, null]", "training.max_steps=2")]
    more = ["--set=data.validation_fraction=0.2", "--set=training.validations=1", "--set=data.deformed_ct=0"]
    assert execute(["train", "demo", *map(str, given), *settings, *more]) == 0
    assert "too few patients with MR to hold one out" in capfd.readouterr().err
    assert synthesized(tmp_path / "run", tmp_path / "mr", tmp_path / "out") == 0


@pytest.mark.slow
def test_another_region_is_refused_unless_any_is_wanted(tmp_path: Path, capfd) -> None:
    head = HeadPhantom.random(5).mr(head_grid(spacing=(4.0, 4.0, 12.0)))
    wide = Volume(head.array, Grid(head.grid.shape, head.grid.affine @ np.diag([2.5, 1.6, 1, 1])))
    write_nifti(wide, tmp_path / "pelvis.nii.gz")
    call = ["synthesize", "head", str(tmp_path / "pelvis.nii.gz"), str(tmp_path / "out")]
    assert execute(call) == 1
    said = capfd.readouterr().err
    assert "another region" in said
    assert "--any-region" in said
    assert execute([*call, "--any-region"]) == 0
