"""From CT alone to a model that makes CT of CBCT: trained, used and refused through the command line."""

import base64
import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

import medcycle as mc
from medcycle.cli.main import execute
from medcycle.config import Choice, load_config
from medcycle.dataset.store import Store
from medcycle.errors import ConfigError, UsageError, WrongModality
from medcycle.methods.checkpoint import facts_of, load_method
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from medcycle.report.page import _viewed
from medcycle.report.volumes import Files, pack_case
from medcycle.simulation import simulated_cbct
from medcycle.simulation.cbct import CbctPair
from medcycle.volume import Volume

GRID = head_grid(spacing=(4.0, 4.0, 8.0))

QUICK = {
    "data.spacing": [4, 4, None],
    "data.patch_size": [32, 40],
    "data.simulated_cbct": 2,
    "network.filters": 4,
    "training.max_steps": 2,
    "training.batch_size": 1,
}


def as_cbct(ct: Volume, seed: int = 1) -> CbctPair:
    """The CT, 60 HU too high and noisy: quick, where it does not matter what a CBCT is like."""
    noise = np.random.default_rng(seed).normal(60, 40, ct.array.shape).astype(np.float32)
    return CbctPair(ct.with_array(np.clip(ct.array + noise, -1024, 3000)), ct)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CT to train on, a CBCT of another head as NIfTI and as DICOM, its CT, and its MR."""
    root = tmp_path_factory.mktemp("cbct")
    for seed in (1, 2):
        mc.write_nifti(HeadPhantom.random(seed).ct(GRID), root / "ct" / f"ct{seed}.nii.gz")
    new = HeadPhantom.random(21)
    mc.write_nifti(as_cbct(new.ct(GRID)).cbct, root / "new" / "head.nii.gz")
    mc.write_nifti(new.ct(GRID), root / "true" / "head.nii.gz")
    mc.write_nifti(new.mr(GRID), root / "mr.nii.gz")
    write_series(
        as_cbct(new.ct(head_grid(spacing=(4.0, 4.0, 8.0), orientation="LPS"))).cbct, root / "dicom", modality="CT"
    )
    return root


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_cbct, "simulate_cbct", as_cbct)
        mc.train("cbct", ct=folder / "ct", output=folder / "run", settings=QUICK)
    return folder / "run"


def test_it_learns_from_ct_alone_and_makes_ct_of_cbct(run: Path, folder: Path, tmp_path: Path) -> None:
    assert execute(["synthesize", str(run), str(folder / "new"), str(tmp_path / "out"), "--report"]) == 0
    made = mc.read(tmp_path / "out" / "head" / "sct.nii.gz")
    assert np.allclose(made.grid.affine, GRID.affine)
    told = json.loads((tmp_path / "out" / "head" / "synthesis.json").read_text())
    assert (told["made_from"], told["units"]) == ("CBCT", "HU")
    assert told["source_intensity"] == load_method(run / "checkpoints" / "last.pt").intensity["ct"].to_dict()
    scored = [
        "--real",
        str(folder / "true"),
        "--synthetic",
        str(tmp_path / "out"),
        "--output",
        str(tmp_path / "scores"),
    ]
    assert execute(["evaluate", *scored]) == 0


def test_its_report_without_a_true_ct_judges_what_can_be_judged(run: Path, folder: Path, tmp_path: Path) -> None:
    assert execute(["synthesize", str(run), str(folder / "new"), str(tmp_path / "out")]) == 0
    call = ["evaluate", "--mr", str(folder / "new"), "--synthetic", str(tmp_path / "out"), "--output"]
    assert execute([*call, str(tmp_path / "judged")]) == 0
    assert mc.judge(folder / "new" / "head.nii.gz", tmp_path / "out" / "head" / "sct.nii.gz", made_from="cbct")
    (judged,) = json.loads((tmp_path / "judged" / "summary.json").read_text())["cases"].values()
    assert "bright_voids" not in judged
    assert judged["edges"] is not None
    details = json.loads((tmp_path / "judged" / "cases" / "head.json").read_text())
    assert "flicker of axial slices against that of the CBCT" in [one["name"] for one in details["measures"]]
    assert any("whether the model has learned anything" in text for text in details["warnings"])
    assert details["verdict"]["grade"] != "no finding"


def test_the_page_shows_cbct_in_hounsfield_units(run: Path, folder: Path, tmp_path: Path) -> None:
    made = mc.synthesize(mc.read(folder / "new" / "head.nii.gz"), run)
    mc.write_nifti(made.volume, tmp_path / "sct.nii.gz")
    files = Files(source=folder / "new" / "head.nii.gz", synthetic=tmp_path / "sct.nii.gz")
    packed = pack_case(files, "ct", 10**6, str)
    (source,) = [one for one in _viewed(0, "ct", packed)["panels"] if one["role"] == "source"]
    assert (source["label"], source["unit"], source["hounsfield"]) == ("Source CBCT", "HU", True)
    shown = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(packed.panels["source"].data))).get_fdata()
    assert shown.min() < -900


def test_the_dicom_series_says_what_it_was_made_from(run: Path, folder: Path, tmp_path: Path) -> None:
    assert execute(["synthesize", str(run), str(folder / "dicom"), str(tmp_path / "out"), "--format", "both"]) == 0
    (case,) = (tmp_path / "out").iterdir()
    made, source = (pydicom.dcmread(next(path.iterdir())) for path in (case / "dicom", folder / "dicom"))
    assert made.DerivationDescription.startswith("Synthetic CT predicted from CBCT")
    assert (made.Modality, made.StudyInstanceUID) == ("CT", source.StudyInstanceUID)
    assert made.FrameOfReferenceUID == source.FrameOfReferenceUID
    again = ["to-dicom", str(case / "sct.nii.gz"), str(tmp_path / "later"), "--reference", str(folder / "dicom")]
    assert execute([*again, "--made-from", "cbct"]) == 0
    assert "from CBCT" in pydicom.dcmread(next((tmp_path / "later").iterdir())).DerivationDescription


def test_mr_is_refused_by_it_and_cbct_by_others(
    run: Path, checkpoint: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["synthesize", str(run), str(folder / "mr.nii.gz"), str(tmp_path / "out")]) == 1
    assert "not a CT in Hounsfield units" in capsys.readouterr().err
    assert execute(["synthesize", str(checkpoint), str(folder / "new"), str(tmp_path / "out")]) == 1
    assert "not an MR" in capsys.readouterr().err
    assert execute(["synthesize", str(run), str(folder / "new"), str(tmp_path / "out"), "--to", "mr"]) == 2
    assert "makes CT only" in capsys.readouterr().err
    with pytest.raises(WrongModality):
        mc.synthesize(folder / "mr.nii.gz", run)
    assert mc.synthesize(folder / "new" / "head.nii.gz", run).volume.grid.shape == GRID.shape


def test_what_is_of_mr_refuses_it(run: Path, folder: Path, tmp_path: Path) -> None:
    mr, ct = folder / "mr.nii.gz", folder / "true"
    with pytest.raises(UsageError, match="a model for CBCT; give one that makes CT from MR"):
        mc.register(mr, ct, output=tmp_path / "registered", model=run)
    with pytest.raises(UsageError, match="models for CBCT can't be adapted"):
        mc.adapt(run, mr=mr, ct=ct, output=tmp_path / "adapted")


def test_cbct_of_patients_are_learned_from_by_the_methods_for_two_folders(folder: Path, tmp_path: Path) -> None:
    small = QUICK | {"network.discriminator_filters": 4}
    settings = [f"--set={key}={json.dumps(value)}" for key, value in small.items() if key != "data.simulated_cbct"]
    given = ["--cbct", str(folder / "new"), "--ct", str(folder / "ct"), "--output", str(tmp_path / "run")]
    assert execute(["train", "cbct", "--method", "cyclegan", *given, *settings]) == 0
    assert facts_of(mc.load_model(tmp_path / "run")).text.startswith("2 steps of training on 1 CBCT and 2 CT")


def test_an_offset_is_taken_off_cbct_too(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cbct = mc.read(folder / "new" / "head.nii.gz")
    mc.write_nifti(cbct.with_array(cbct.array + 1024), tmp_path / "cbct" / "head.nii.gz")
    given = ["--cbct", str(tmp_path / "cbct"), "--ct", str(folder / "ct"), "--config", "cbct", "--method", "cyclegan"]
    assert execute(["prepare", str(tmp_path / "refused"), *given]) == 1
    assert "pass --ct-offset 1024 to take it off" in capsys.readouterr().err
    assert execute(["prepare", str(tmp_path / "store"), *given, "--ct-offset", "1024"]) == 0
    (prepared,) = Store.open(tmp_path / "store").mr
    assert np.median(prepared.intensity.inverse(np.asarray(prepared.image)[np.asarray(prepared.body)])) < 300


def test_settings_that_do_not_fit_are_told() -> None:
    with pytest.raises(ConfigError, match="simulated MR is not for data"):
        load_config("head_ct_only", ["data.source=cbct"])
    with pytest.raises(ConfigError, match="simulated_cbct needs data"):
        load_config("head_mr_ct", ["data.simulated_cbct=3"])
    with pytest.raises(ConfigError, match="is of scans; leave it out"):
        load_config("images_2d", ["data.source=cbct"])
    for method in ("pix2pix", "cyclegan", "hybrid", "regcyclegan", "cut", "unit", "munit"):
        for dims in (2, 2.5, 3):
            assert load_config("cbct", choice=Choice(method, dims, "cpu")).data.source == "cbct"


def test_no_cbct_and_none_simulated_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="learns from CBCT; give --cbct, or set data"):
        mc.train("cbct", method="cyclegan", ct=folder / "ct", output=tmp_path / "run")
    with pytest.raises(UsageError, match="for CBCT, train cbct"):
        mc.train("auto", ct=folder / "ct", output=tmp_path / "run", settings={"data.source": "cbct"})


def test_simulated_from_python(folder: Path) -> None:
    ct = mc.read(folder / "true" / "head.nii.gz")
    cbct, shown = mc.simulate_cbct(ct, seed=3)
    assert cbct.grid.shape == shown.grid.shape == ct.grid.shape
    inside = (ct.array > -100) & (ct.array < 100)
    assert 5 < np.abs(cbct.array - shown.array)[inside].mean() < 400


def test_mr_in_the_place_of_cbct_are_refused_as_such(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mr").mkdir()
    (tmp_path / "mr" / "head.nii.gz").symlink_to(folder / "mr.nii.gz")
    with pytest.raises(WrongModality, match=r"no CBCT can be used; 1 refused, the first: .*is it an MR"):
        mc.train("cbct", method="cyclegan", mr=tmp_path / "mr", ct=folder / "ct", output=tmp_path / "run")
