"""Pairing by name, and the tables."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcycle.errors import ConfigError, DataError, EmptyFolder, GridMismatch, UsageError
from medcycle.evaluation import Case, evaluate, match_cases, write_tables


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def save(path: Path, value: float, shift: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full((16, 16, 16), value, dtype=np.float32)
    array[:, :, 0] = -1000
    nib.save(nib.Nifti1Image(array, np.diag([1.0, 1, 2, 1]) + np.eye(4, k=3) * shift), path)
    return path


def test_folders_as_synthesize_writes_them(tmp_path: Path) -> None:
    real, synthetic, mask = tmp_path / "ct", tmp_path / "out", tmp_path / "mask"
    touch(real / "b.mha", real / "a.nii.gz", real / "c" / "volume.nrrd", real / "notes.txt", real / ".hidden.nii")
    touch(synthetic / "a" / "sct.nii.gz", synthetic / "a" / "uncertainty.nii.gz", synthetic / "b" / "smr.nii.gz")
    touch(synthetic / "c.nii.gz", synthetic / "run.json")
    touch(*(mask / f"{name}.nii.gz" for name in "abcd"))
    assert match_cases(real, synthetic, mask) == [
        Case("a", real / "a.nii.gz", synthetic / "a" / "sct.nii.gz", mask / "a.nii.gz"),
        Case("b", real / "b.mha", synthetic / "b" / "smr.nii.gz", mask / "b.nii.gz"),
        Case("c", real / "c" / "volume.nrrd", synthetic / "c.nii.gz", mask / "c.nii.gz"),
    ]


def test_single_volumes_need_no_common_name(tmp_path: Path) -> None:
    real, synthetic, mask = tmp_path / "patient.nii.gz", tmp_path / "sct.nii.gz", tmp_path / "body.nii"
    touch(real, synthetic, mask)
    assert match_cases(real, synthetic, mask) == [Case("patient", real, synthetic, mask)]


def test_dicom_folders_are_volumes(tmp_path: Path) -> None:
    touch(tmp_path / "ct" / "p1" / "0001.dcm", tmp_path / "out" / "p1" / "dicom" / "0001.dcm", tmp_path / "one" / "IM1")
    ct, out = tmp_path / "ct", tmp_path / "out"
    assert match_cases(ct, out) == [Case("p1", ct / "p1", out / "p1")]
    assert match_cases(tmp_path / "one", tmp_path / "ct" / "p1") == [Case("one", tmp_path / "one", ct / "p1")]


def test_unmatched_names_are_listed(tmp_path: Path) -> None:
    touch(tmp_path / "ct" / "a.nii", tmp_path / "ct" / "b.nii", tmp_path / "out" / "b.nii", tmp_path / "out" / "z.nii")
    with pytest.raises(UsageError, match=r"out lacks a; .*ct lacks z"):
        match_cases(tmp_path / "ct", tmp_path / "out")
    touch(tmp_path / "mask" / "a.nii")
    with pytest.raises(UsageError, match="no mask for b"):
        match_cases(tmp_path / "ct", tmp_path / "ct", tmp_path / "mask")


def test_ambiguity_and_absence_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "twice" / "a.nii", tmp_path / "twice" / "a.nii.gz")
    touch(tmp_path / "several" / "a" / "ct.nii", tmp_path / "several" / "a" / "mr.nii")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="twice"):
        match_cases(tmp_path / "twice", tmp_path / "twice")
    with pytest.raises(UsageError, match=r"ct\.nii, mr\.nii"):
        match_cases(tmp_path / "several", tmp_path / "several")
    with pytest.raises(EmptyFolder, match="empty"):
        match_cases(tmp_path / "empty", tmp_path / "twice")
    with pytest.raises(UsageError, match="nowhere"):
        match_cases(tmp_path / "nowhere", tmp_path / "twice")


def test_tables_hold_every_case_and_the_mean(tmp_path: Path) -> None:
    for name, error in (("a", 10), ("b", 30), ("c", 0)):
        save(tmp_path / "ct" / f"{name}.nii.gz", 40)
        save(tmp_path / "out" / name / "sct.nii.gz", 40 + error)
    heard: list[str] = []
    cases = match_cases(tmp_path / "ct", tmp_path / "out")
    summary = evaluate(cases, "medcycle", on_case=lambda name, _: heard.append(name))
    write_tables(summary, tmp_path / "scores")
    write_tables(summary, tmp_path / "scores")
    assert heard == ["a", "b", "c"]
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["cases.csv", "summary.json"]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    written = json.loads((tmp_path / "scores" / "summary.json").read_text(), parse_constant=refuse)
    assert list(written) == ["protocol", "cases", "mean"]
    assert written["protocol"] == "medcycle"
    assert [written["cases"][name]["mae"] for name in "abc"] == [10, 30, 0]
    assert written["mean"]["mae"] == pytest.approx(40 / 3)
    assert written["cases"]["c"]["psnr"] is None
    rows = list(csv.DictReader((tmp_path / "scores" / "cases.csv").read_text().splitlines()))
    assert list(rows[0]) == ["case", "mae", "me", "psnr", "ssim"]
    assert [(row["case"], float(row["mae"])) for row in rows] == [("a", 10), ("b", 30), ("c", 0)]
    assert float(rows[2]["psnr"]) == np.inf


def test_errors_name_the_case(tmp_path: Path) -> None:
    real = save(tmp_path / "real.nii.gz", 40)
    with pytest.raises(GridMismatch, match="case p7"):
        evaluate([Case("p7", real, save(tmp_path / "moved.nii.gz", 40, shift=1))], "medcycle")
    torn = tmp_path / "torn.nii.gz"
    torn.write_bytes(real.read_bytes()[:50])
    with pytest.raises(DataError, match="case p8"):
        evaluate([Case("p8", real, torn)], "medcycle")
    with pytest.raises(ConfigError, match="synthrad2023"):
        evaluate([], "nonsense")
