"""`medcycle dose` on generated heads, with pyRadPlan."""

import json
from pathlib import Path

import numpy as np
import pytest

import medcycle as mc
from medcycle.cli.main import execute
from medcycle.errors import UsageError
from medcycle.io.nifti import read_nifti, write_nifti
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from medcycle.report import write_report
from medcycle.volume import Volume
from tests.dose.datasets import rt_dose, rt_plan, saved

SPACING = 3.0
"""mm; the coarsest, which is the quickest."""


def ball(volume: Volume, centre: tuple[float, float, float], radius: float) -> Volume:
    grid = volume.grid
    places = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    inside = np.linalg.norm(places - centre, axis=-1) < radius
    return volume.with_array(inside.astype(np.uint8))


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT as DICOM and as NIfTI, one in which soft tissue is 40 HU denser, and labels."""
    folder = tmp_path_factory.mktemp("patient")
    ct = HeadPhantom.random(5).ct(head_grid(spacing=(3.0, 3.0, 4.0)))
    write_nifti(ct, folder / "ct.nii.gz")
    write_series(ct, folder / "series", modality="CT")
    dense = np.where((ct.array > -200) & (ct.array < 200), ct.array + 40, ct.array)
    write_nifti(ct.with_array(dense), folder / "denser.nii.gz")
    (folder / "labels").mkdir()
    middle = ct.grid.affine[:3] @ [*((np.array(ct.grid.shape) - 1) / 2), 1]
    write_nifti(ball(ct, tuple(np.add(middle, (15, 0, 30))), 10), folder / "labels" / "PTV.nii.gz")
    write_nifti(ball(ct, tuple(np.add(middle, (-25, 0, 30))), 8), folder / "labels" / "Hippocampus_L.nii.gz")
    return folder


def call(patient: Path, output: Path, synthetic: str, *more: str) -> list[str]:
    given = ["--real", str(patient / "ct.nii.gz"), "--synthetic", str(patient / synthetic)]
    given += ["--structures", str(patient / "labels"), "--output", str(output)]
    return ["dose", *given, *more]


@pytest.mark.slow
@pytest.mark.usefixtures("dose_engine")
def test_denser_tissue_takes_dose_from_the_target(patient: Path, tmp_path: Path, capsys) -> None:
    assert execute(call(patient, tmp_path / "dose", "denser.nii.gz", "--spacing", "3")) == 0
    said = capsys.readouterr().out
    assert "photons, 7 beams, 60 Gy in 30 fractions to PTV" in said
    found = json.loads((tmp_path / "dose" / "summary.json").read_text())
    target = found["structures"]["PTV"]
    assert target["real"]["mean"] == pytest.approx(60, abs=2.5)
    # 40 HU are 3.8 % more electrons on 7 to 10 cm of tissue, of which 6 MV loses 4 to 5 % each cm
    assert -2.5 < target["difference_percent"]["mean"] < -0.5
    assert 0.6 > found["gamma"]["2 %/2 mm"]["mean"] > found["gamma"]["3 %/3 mm"]["mean"] > 0
    doses = [read_nifti(tmp_path / "dose" / f"dose_{name}.nii.gz") for name in ("real", "synthetic", "difference")]
    np.testing.assert_allclose(doses[2].array, doses[1].array - doses[0].array, atol=1e-3)
    hottest = np.unravel_index(doses[0].array.argmax(), doses[0].array.shape)
    target_mask = read_nifti(patient / "labels" / "PTV.nii.gz")
    place = doses[0].grid.affine @ [*hottest, 1]
    centre = target_mask.grid.affine @ [*np.argwhere(target_mask.array).mean(axis=0), 1]
    assert np.linalg.norm((place - centre)[:3]) < 20  # the dose is where the target is
    page = write_report([tmp_path / "dose"], tmp_path / "dose.html").read_text()
    assert "7 beams of photons, 60 Gy in 30 fractions" in page
    assert '"title":"Dose-volume histograms' in page


@pytest.mark.slow
@pytest.mark.usefixtures("dose_engine")
def test_the_same_ct_gets_the_same_dose_of_a_plan_that_is_read(patient: Path, tmp_path: Path) -> None:
    """Protons, through DICOM, with a table of stopping powers: only the slice of air above differs."""
    (tmp_path / "spr.csv").write_text("HU,SPR\n-1000,0.001\n0,1\n1000,1.6\n3000,2.6\n")
    plan = rt_plan([[(90, "NONE")]], protons=True)
    target = read_nifti(patient / "labels" / "PTV.nii.gz")
    centre = (target.grid.affine @ [*np.argwhere(target.array).mean(axis=0), 1])[:3] * [-1, -1, 1]
    plan.IonBeamSequence[0].IonControlPointSequence[0].IsocenterPosition = [float(value) for value in centre]
    plan.IonBeamSequence[0].IonControlPointSequence[0].PatientSupportAngle = 0.0
    found = mc.compare_dose(
        tmp_path / "dose",
        real=patient / "series",
        synthetic=patient / "ct.nii.gz",
        structures=patient / "labels",
        target="ptv",
        plan=saved(plan, tmp_path / "plan.dcm"),
        hlut=tmp_path / "spr.csv",
        spacing=SPACING,
    )
    assert found["plan"]["gantry"] == (90.0,)
    assert (found["plan"]["dose"], found["plan"]["table"]) == (54.0, "spr")
    assert abs(found["structures"]["PTV"]["difference_percent"]["mean"]) < 0.2
    assert found["gamma"]["2 %/2 mm"]["pass_percent"] > 99.5
    # gantry 90° is the patient's left, from which protons come: beyond the target is next to nothing
    assert found["structures"]["PTV"]["real"]["mean"] > 45
    dose = read_nifti(tmp_path / "dose" / "dose_real.nii.gz").to_ras()
    x = dose.grid.affine[0, 0] * np.arange(dose.grid.shape[0]) + dose.grid.affine[0, 3]
    left, right = dose.array[x < -centre[0] - 30].sum(), dose.array[x > -centre[0] + 30].sum()
    assert left > 20 * right


@pytest.mark.slow
@pytest.mark.usefixtures("dose_engine")
def test_a_synthetic_ct_of_half_the_head(patient: Path, tmp_path: Path, caplog) -> None:
    ct = read_nifti(patient / "ct.nii.gz").to_ras()
    k = ct.grid.shape[2] // 3
    affine = ct.grid.affine.copy()
    affine[:3, 3] = ct.grid.affine[:3] @ [0, 0, k, 1]
    upper = ct.array[:, :, k:]
    write_nifti(Volume(upper, mc.Grid(upper.shape, affine)), tmp_path / "upper.nii.gz")
    found = mc.compare_dose(
        tmp_path / "dose",
        real=patient / "ct.nii.gz",
        synthetic=tmp_path / "upper.nii.gz",
        structures=patient / "labels",
        radiation="protons",
        spacing=SPACING,
    )
    assert 15 < found["plan"]["body_outside_synthetic_percent"] < 40
    assert "of the body lies outside the synthetic CT" in caplog.text
    assert abs(found["structures"]["PTV"]["difference_percent"]["mean"]) < 0.2


@pytest.mark.slow
@pytest.mark.usefixtures("dose_engine")
def test_doses_of_a_planning_system(patient: Path, tmp_path: Path, capsys) -> None:
    target = read_nifti(patient / "labels" / "PTV.nii.gz").with_axes("LPS")
    dose = target.with_array(np.where(target.array > 0, 60.0, 5.0).astype(np.float32))
    real = saved(rt_dose(dose), tmp_path / "real.dcm")
    write_nifti(dose.with_array(dose.array * 0.98), tmp_path / "synthetic.nii.gz")
    given = ["--real-dose", str(real), "--synthetic-dose", str(tmp_path / "synthetic.nii.gz")]
    given += ["--structures", str(patient / "labels"), "--output", str(tmp_path / "dose")]
    assert execute(["dose", *given]) == 0
    found = json.loads((tmp_path / "dose" / "summary.json").read_text())
    assert found["plan"] is None
    for name, value in found["structures"]["PTV"]["difference"].items():
        assert value == pytest.approx(-1.2, abs=0.01), name
    assert found["gamma"]["2 %/2 mm"]["pass_percent"] == 100
    assert "gamma 2 %/2 mm: 100.0 %" in capsys.readouterr().out
    (tmp_path / "far.txt").write_text("")
    moved = dose.grid.affine.copy()
    moved[:3, 3] += 1000
    write_nifti(Volume(dose.array, mc.Grid(dose.grid.shape, moved)), tmp_path / "far.nii.gz")
    assert execute(["dose", *given[:2], "--synthetic-dose", str(tmp_path / "far.nii.gz"), *given[4:]]) == 1
    assert "two doses in the same space" in capsys.readouterr().err


def test_calls_that_are_wrong(patient: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCYCLE_DOSE_PYTHON", "/bin/true")  # has all that is asked for
    ct, labels = str(patient / "ct.nii.gz"), str(patient / "labels")
    whole = ["--real", ct, "--synthetic", ct, "--structures", labels]
    wrong = {
        ("--real", ct, "--synthetic", ct): "give a real CT, a synthetic CT and structures",
        ("--real-dose", ct): "go together; give both",
        ("--real-dose", ct, "--synthetic-dose", ct, "--target", "PTV"): "leave out the rest",
        (*whole, "--plan", ct, "--radiation", "photons"): "the radiation is that of the plan",
        (*whole, "--dose", "0"): "is no plan",
        (*whole, "--target", "GTV"): "0 structures are named GTV; name one of Hippocampus_L, PTV",
        (*whole, "--hlut", str(tmp_path / "none.csv")): "none.csv",
        (*whole, "--plan", str(tmp_path / "none.dcm")): "no such file",
    }
    for given, says in wrong.items():
        assert execute(["dose", *given, "--output", str(tmp_path / "out")]) == 2, given
        assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_mr_is_no_ct(patient: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCYCLE_DOSE_PYTHON", "/bin/true")
    mr = HeadPhantom.random(5).mr(head_grid(spacing=(3.0, 3.0, 4.0)))
    write_nifti(mr, tmp_path / "mr.nii.gz")
    given = ["--real", str(patient / "ct.nii.gz"), "--synthetic", str(tmp_path / "mr.nii.gz")]
    assert execute(["dose", *given, "--structures", str(patient / "labels"), "--output", str(tmp_path / "out")]) == 1
    assert "mr.nii.gz" in capsys.readouterr().err


def test_a_ct_of_another_place_is_refused(patient: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("MEDCYCLE_DOSE_PYTHON", "/bin/true")
    ct = read_nifti(patient / "ct.nii.gz")
    affine = ct.grid.affine.copy()
    affine[:3, 3] += 150
    write_nifti(Volume(ct.array, mc.Grid(ct.grid.shape, affine)), tmp_path / "far.nii.gz")
    given = ["--real", str(patient / "ct.nii.gz"), "--synthetic", str(tmp_path / "far.nii.gz")]
    assert execute(["dose", *given, "--structures", str(patient / "labels"), "--output", str(tmp_path / "out")]) == 1
    assert "of the body lies outside the synthetic CT; give two CT in the same space" in capsys.readouterr().err


def test_an_output_that_is_a_file_is_refused(patient: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="give a folder"):
        mc.compare_dose(
            tmp_path / "out", real=patient / "ct.nii.gz", synthetic=patient / "ct.nii.gz", structures=patient / "labels"
        )
