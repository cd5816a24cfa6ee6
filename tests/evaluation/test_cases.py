"""Pairing by name, and the tables."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcycle.body import body_mask
from medcycle.cli.main import execute
from medcycle.errors import ConfigError, DataError, EmptyFolder, GridMismatch, UsageError, WrongModality
from medcycle.evaluation import Case, evaluate, match_cases, scoring, write_tables
from medcycle.io import discover, read_volume, write_nifti
from medcycle.io.discover import case_name
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume


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
        Case(
            "a",
            real / "a.nii.gz",
            synthetic / "a" / "sct.nii.gz",
            mask / "a.nii.gz",
            uncertainty=synthetic / "a" / "uncertainty.nii.gz",
        ),
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


def test_codes_stand_for_the_names_that_they_hide(tmp_path: Path, caplog) -> None:
    real, out = tmp_path / "ct", tmp_path / "out"
    for patient, shift in (("Doe Jane", 0.0), ("Roe Rick", 9.0)):
        save(real / f"{patient}.nii.gz", 40, shift)
        save(tmp_path / "mask" / f"{patient}.nii.gz", 1, shift)
    for number in (1, 2):
        save(out / f"case-{number}" / "sct.nii.gz", 10)
    own = {"case-1": "Doe-Jane", "case-2": "Roe-Rick", "case-3": "Poe-Pia"}
    matched = match_cases(real, out, tmp_path / "mask", own)
    assert [(case.name, case.real.name, case.is_coded) for case in matched] == [
        ("case-1", "Doe Jane.nii.gz", True),
        ("case-2", "Roe Rick.nii.gz", True),
    ]
    assert matched[1].mask == tmp_path / "mask" / "Roe Rick.nii.gz"
    summary = evaluate(match_cases(real, out, own_names=own))
    assert set(summary.cases) == {"case-1"}
    write_tables(summary, tmp_path)
    for text in ((tmp_path / "cases.csv").read_text(), (tmp_path / "summary.json").read_text(), caplog.text):
        assert "case-" in text
        assert not [name for name in ("Doe", "Roe", "Poe") if name in text]


def test_no_message_about_a_coded_case_tells_its_name(tmp_path: Path, caplog) -> None:
    save(tmp_path / "ct" / "Doe Jane.nii.gz", 40)
    save(tmp_path / "out" / "case-1" / "sct.nii.gz", 10)
    for kind in ("seen", "target"):
        save(tmp_path / kind / "Doe Jane.nii.gz", 1, 9.0)
    own = {"case-1": "Doe-Jane"}
    for kind in ("field_of_view", "target"):
        place = tmp_path / ("seen" if kind == "field_of_view" else "target")
        cases = match_cases(tmp_path / "ct", tmp_path / "out", own_names=own, **{kind: place})
        with pytest.raises(GridMismatch, match="case case-1") as raised:
            evaluate(cases, on_details=lambda *_: None)
        assert "Doe" not in str(raised.value) + caplog.text
    (tmp_path / "seen" / "Doe Jane.nii.gz").write_bytes(b"torn")
    cases = match_cases(tmp_path / "ct", tmp_path / "out", own_names=own, field_of_view=tmp_path / "seen")
    with pytest.raises(DataError) as torn:
        evaluate(cases)
    assert "Doe" not in str(torn.value)


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    for folder in ("ct", "out"):
        save(tmp_path / folder / "=HYPERLINK(1).nii.gz", 40)
    write_tables(evaluate(match_cases(tmp_path / "ct", tmp_path / "out")), tmp_path)
    with (tmp_path / "cases.csv").open(newline="") as stream:
        assert next(csv.DictReader(stream))["case"] == "'=HYPERLINK(1)"


def test_one_and_one_keep_the_code(tmp_path: Path) -> None:
    touch(tmp_path / "Doe Jane" / "1.dcm", tmp_path / "out" / "case-1" / "sct.nii.gz")
    (case,) = match_cases(tmp_path / "Doe Jane", tmp_path / "out", own_names={"case-1": "Doe-Jane_T1"})
    assert (case.name, case.is_coded) == ("case-1", True)


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


def test_tables_hold_every_case_and_the_mean(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, error in (("a", 10), ("b", 30), ("c", 0)):
        save(tmp_path / "ct" / f"{name}.nii.gz", 40)
        save(tmp_path / "out" / name / "sct.nii.gz", 40 + error)
    heard: list[str] = []
    cases = match_cases(tmp_path / "ct", tmp_path / "out")
    summary = evaluate(cases, "medcycle", on_case=lambda name, _: heard.append(name))
    write_tables(summary, tmp_path / "scores")
    assert "are replaced" not in capfd.readouterr().err
    write_tables(summary, tmp_path / "scores")
    assert "the scores of an earlier evaluation are replaced" in capfd.readouterr().err
    write_tables(summary, tmp_path / "scores")
    assert heard == ["a", "b", "c"]
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == [
        "cases.csv",
        "summary.json",
        "summary.md",
        "summary.tex",
    ]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    written = json.loads((tmp_path / "scores" / "summary.json").read_text(), parse_constant=refuse)
    assert list(written) == ["protocol", "modality", "cases", "mean", "statistics"]
    assert written["protocol"] == "medcycle"
    assert [written["cases"][name]["mae"] for name in "abc"] == [10, 30, 0]
    assert written["mean"]["mae"] == pytest.approx(40 / 3)
    assert written["cases"]["c"]["psnr"] is None
    rows = list(csv.DictReader((tmp_path / "scores" / "cases.csv").read_text().splitlines()))
    assert list(rows[0]) == ["case", "mae", "me", "rmse", "psnr", "ssim", "ms_ssim", "ncc"]
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


@pytest.mark.parametrize("name", ["case 02", "Müller Anna (1)", "v1.2.", "Ångström", "李明"])
def test_any_name_is_found_again(tmp_path: Path, name: str) -> None:
    """As the README has it: what `synthesize` writes of a folder is scored against another of the same names."""
    touch(tmp_path / "mr" / f"{name}.nii.gz", tmp_path / "ct" / f"{name}.nii.gz", tmp_path / "ct" / "other.nii.gz")
    touch(tmp_path / "mr" / "other.nii.gz", tmp_path / "mask" / f"{name}.nii.gz", tmp_path / "mask" / "other.nii")
    for source in discover(tmp_path / "mr"):
        touch(tmp_path / "out" / source.name / "sct.nii.gz")
    cases = {case.name: case for case in match_cases(tmp_path / "ct", tmp_path / "out", tmp_path / "mask")}
    assert set(cases) == {name, "other"}
    assert cases[name].synthetic.parent.name == case_name(name)
    assert cases[name].mask == tmp_path / "mask" / f"{name}.nii.gz"


def test_a_name_in_another_normal_form_is_the_same(tmp_path: Path) -> None:
    touch(tmp_path / "ct" / "M\u00fcller.nii", tmp_path / "ct" / "b.nii")
    touch(tmp_path / "out" / "Mu\u0308ller.nii", tmp_path / "out" / "b.nii")
    assert len(match_cases(tmp_path / "ct", tmp_path / "out")) == 2


def test_names_that_become_one_are_not_mixed_up(tmp_path: Path) -> None:
    touch(*(tmp_path / "ct" / f"{name}.nii" for name in ("a b", "a-b")))
    touch(*(tmp_path / "out" / f"{name}.nii" for name in ("a b", "a-b")))
    assert {case.name: case.synthetic.stem for case in match_cases(tmp_path / "ct", tmp_path / "out")} == {
        "a b": "a b",
        "a-b": "a-b",
    }


def test_one_and_one_are_a_pair_and_that_is_said(tmp_path: Path, caplog) -> None:
    real, made = tmp_path / "patient7.nii.gz", tmp_path / "out" / "mr007" / "sct.nii.gz"
    touch(real, made, tmp_path / "mask" / "m.nii")
    assert match_cases(real, tmp_path / "out", tmp_path / "mask") == [
        Case("patient7", real, made, tmp_path / "mask" / "m.nii")
    ]
    assert "taken as a pair" in caplog.text
    touch(tmp_path / "out" / "mr008" / "sct.nii.gz")
    with pytest.raises(UsageError, match=r"holds 2 cases for one; give the one you mean, such as .*mr007.sct\.nii\.gz"):
        match_cases(real, tmp_path / "out")


def test_a_link_to_nowhere_is_a_case_that_fails(tmp_path: Path) -> None:
    save(tmp_path / "ct" / "a.nii.gz", 40)
    save(tmp_path / "out" / "a.nii.gz", 40)
    (tmp_path / "ct" / "b.nii.gz").symlink_to(tmp_path / "nowhere")
    save(tmp_path / "out" / "b.nii.gz", 40)
    found = evaluate(match_cases(tmp_path / "ct", tmp_path / "out"))
    assert (list(found.cases), list(found.failed)) == (["a"], ["b"])
    with pytest.raises(DataError, match=r"1 of 2 cases not scored; first failure: case b: .*which is not there"):
        found.require_all()
    assert found.to_json()["failed"] == dict(found.failed)


def test_a_fault_in_one_case_is_no_end_of_the_others(tmp_path: Path, monkeypatch) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "ct" / f"{name}.nii.gz", 40)
        save(tmp_path / "out" / f"{name}.nii.gz", 40)

    def failing(*given: object) -> object:
        if given[0].name == "b":  # type: ignore[attr-defined]
            raise MemoryError("17 GiB")
        return score_case(*given)  # type: ignore[arg-type]

    score_case = scoring._compared
    monkeypatch.setattr(scoring, "_compared", failing)
    call = ["evaluate", "--real", str(tmp_path / "ct"), "--synthetic", str(tmp_path / "out")]
    assert execute([*call, "--output", str(tmp_path / "scores")]) == 1
    told = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert list(told["cases"]) == ["a", "c"]
    assert "17 GiB" in told["failed"]["b"]


def pair(tmp_path: Path, real: Volume, made: Volume) -> list[Case]:
    write_nifti(real, tmp_path / "real.nii.gz")
    write_nifti(made, tmp_path / "made.nii.gz")
    return match_cases(tmp_path / "real.nii.gz", tmp_path / "made.nii.gz")


def test_axes_turned_and_places_rounded_score_the_same(tmp_path: Path) -> None:
    made = CT.with_array(CT.array + 10)
    expected = evaluate(pair(tmp_path, CT, made)).mean
    assert expected["mae"] > 9
    for other in (made.to_ras(), made.with_axes("PIR"), Volume(made.array, shifted(0.05))):
        assert evaluate(pair(tmp_path, CT, other)).mean == pytest.approx(expected, rel=1e-6)
    with pytest.raises(GridMismatch, match=r"the same voxels are up to 0\.2 mm apart"):
        evaluate(pair(tmp_path, CT, Volume(made.array, shifted(0.2))))


def shifted(distance: float) -> Grid:
    return Grid(CT.grid.shape, CT.grid.affine + np.eye(4, k=3) * distance)


def test_mr_is_scored_as_mr(tmp_path: Path) -> None:
    """In its own range: its half is far off, whatever its units, and no Hounsfield limit touches it."""
    for factor in (1.0, 1000.0):
        real = MR.with_array(MR.array * factor)
        summary = evaluate(pair(tmp_path, real, real.with_array(real.array / 2)))
        assert summary.protocol == "mr"
        body = body_mask(real, "mr").array
        low, high = np.percentile(read_volume(tmp_path / "real.nii.gz").array[body], (1, 99))
        error = real.array[body].mean() / 2 / (high - low)
        assert summary.mean["nmae"] == pytest.approx(error, rel=1e-4)
        assert summary.mean["ncc"] == pytest.approx(1)
    same = evaluate(pair(tmp_path, MR, MR)).mean
    assert (same["nmae"], same["ssim"]) == (0, 1)


def test_modalities_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(WrongModality, match="synthrad2023 scores CT, and these are MR; choose mr"):
        evaluate(pair(tmp_path, MR, MR), "synthrad2023")
    with pytest.raises(WrongModality, match="mr scores MR"):
        evaluate(pair(tmp_path, CT, CT), "mr")
    with pytest.raises(WrongModality, match=r"a CT in Hounsfield units, but .* is an MR"):
        evaluate(pair(tmp_path, MR, CT))
    with pytest.raises(WrongModality, match=r"no negative values, but .* is a CT"):
        evaluate(pair(tmp_path, CT, MR))
    with pytest.raises(ConfigError, match="pass --modality"):
        evaluate([], "mr", modality="ct")
    assert evaluate(pair(tmp_path, CT, CT), modality="ct").mean["mae"] == 0


def test_a_ct_with_an_offset_is_corrected_when_asked(tmp_path: Path) -> None:
    stored = CT.with_array(np.round(CT.array + 1024).clip(0))
    with pytest.raises(WrongModality, match=r"about 1024 added .* pass --ct-offset 1024"):
        evaluate(pair(tmp_path, stored, CT))
    assert evaluate(pair(tmp_path, stored, CT), ct_offset=1024).mean["mae"] < 0.5


GRID = head_grid((24, 28, 24), (8, 8, 8))
CT = HeadPhantom.random(4).ct(GRID)
MR = HeadPhantom.random(4).mr(GRID)
