"""The commands, in process, on small phantoms."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medcycle import __version__
from medcycle.cli.main import EXAMPLES, execute
from medcycle.config import config_names
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from medcycle.training.runs import score_in_words
from tests.sizes import TINY

SMALL = [f"--set={item}" for item in (*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]")]
SMALL_UNET = [f"--set={item}" for item in ("network.filters=4", "network.levels=2", "training.validations=0")]
SMALL_UNET += ["--set=data.spacing=[4, 4, null]", "--set=data.patch_size=[32, 32]"]


@pytest.fixture(scope="module")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    train = ["train", "demo", "--mr", str(cohort / "mr"), "--ct", str(cohort / "ct"), "--output", str(folder)]
    assert execute([*train, *SMALL, "--set=training.max_steps=4"]) == 0
    return folder


def test_training_on_raw_folders_prepares_once(cohort: Path, run: Path, capfd) -> None:
    second = run.with_name("second")
    train = ["train", "demo", "--mr", str(cohort / "mr"), "--ct", str(cohort / "ct"), "--output", str(second)]
    assert execute([*train, *SMALL, "--set=training.max_steps=2"]) == 0
    said = capfd.readouterr()
    assert "preparing" not in said.err
    assert "2 steps" in said.out
    assert execute([*train, *SMALL, "--set=training.max_steps=3", "--resume"]) == 0
    said = capfd.readouterr()
    assert "3 steps" in said.out
    assert f"next: medcycle synthesize {second} INPUT OUTPUT" in said.out
    assert "resumed at step 2, after" in said.err


@pytest.fixture(scope="module", params=["head_ct_only", "body_ct_only"])
def run_on_ct(cohort: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("ct_only") / "run"
    train = ["train", request.param, "--ct", str(cohort / "ct"), "--output", str(folder)]
    assert execute([*train, *SMALL_UNET, "--set=training.max_steps=3"]) == 0
    return folder


@pytest.mark.slow
def test_ct_alone_is_enough_to_make_ct_of_mr(cohort: Path, run_on_ct: Path, tmp_path: Path, capfd) -> None:
    given = cohort / "mr" / "mr000.nii.gz"
    assert execute(["synthesize", str(run_on_ct), str(given), str(tmp_path / "sct.nii.gz")]) == 0
    made = nib.load(tmp_path / "sct.nii.gz")
    assert made.shape == nib.load(given).shape
    assert -1024 <= made.get_fdata().min() < made.get_fdata().max() <= 2000
    capfd.readouterr()
    assert execute(["synthesize", str(run_on_ct), str(cohort / "ct"), str(tmp_path / "smr"), "--to", "mr"]) == 2
    assert "makes CT only" in capfd.readouterr().err
    assert not (tmp_path / "smr").exists()


@pytest.mark.slow
def test_a_store_of_ct_alone(cohort: Path, tmp_path: Path, capfd) -> None:
    store, ct = str(tmp_path / "store"), ["--ct", str(cohort / "ct")]
    assert execute(["prepare", store, *ct, "--config", "head_ct_only", "--set=data.spacing=[4,4,null]"]) == 0
    assert "2 CT prepared" in capfd.readouterr().out
    settings = [*SMALL_UNET, "--set=training.max_steps=2"]
    train = ["train", "head_ct_only", "--store", store, "--output", str(tmp_path / "run"), *settings]
    assert execute(train) == 0
    assert execute(["train", "demo", "--store", store, "--output", str(tmp_path / "other"), *SMALL]) == 2
    assert "prepare a store with MR" in capfd.readouterr().err
    assert execute(["prepare", str(tmp_path / "auto"), *ct]) == 0
    assert 'name: "randomized"  # learns from CT alone' in capfd.readouterr().out


@pytest.mark.parametrize("to", ["ct", "mr"])
def test_a_folder_of_cases_keeps_names_and_grids(cohort: Path, run: Path, tmp_path: Path, to: str) -> None:
    source = cohort / ("mr" if to == "ct" else "ct")
    assert execute(["synthesize", str(run), str(source), str(tmp_path / "out"), "--to", to]) == 0
    for path in source.iterdir():
        case = tmp_path / "out" / path.name.removesuffix(".nii.gz")
        made, given = nib.load(case / f"s{to}.nii.gz"), nib.load(path)
        assert made.shape == given.shape
        np.testing.assert_allclose(made.affine, given.affine, atol=1e-4)
        description = json.loads((case / "synthesis.json").read_text())
        assert description["use"] == "research only"
        assert description["units"] == ("HU" if to == "ct" else "arbitrary")


def test_one_file_into_one_file(cohort: Path, run: Path, tmp_path: Path, capfd) -> None:
    given = cohort / "mr" / "mr001.nii.gz"
    checkpoint = run / "checkpoints" / "last.pt"
    assert execute(["synthesize", str(checkpoint), str(given), str(tmp_path / "a" / "b.nii.gz")]) == 0
    made = nib.load(tmp_path / "a" / "b.nii.gz")
    np.testing.assert_allclose(made.affine, nib.load(given).affine, atol=1e-4)
    assert made.get_fdata().min() == -1024
    assert "research only" in capfd.readouterr().out


def test_a_sagittal_series_becomes_a_ct_series(run: Path, tmp_path: Path) -> None:
    grid = head_grid(spacing=(4, 4, 5), orientation="PIR", rotation_degrees=(2, 3, 0))
    write_series(HeadPhantom.random(1).mr(grid), tmp_path / "mr", modality="MR")
    out = tmp_path / "out"
    assert execute(["synthesize", str(run), str(tmp_path / "mr"), str(out), "--format", "both"]) == 0
    nifti = sitk.ReadImage(out / "mr" / "sct.nii.gz")
    assert nifti.GetSize() == grid.shape
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(out / "mr" / "dicom")))
    ct = reader.Execute()
    np.testing.assert_allclose(ct.GetDirection(), np.eye(3).ravel(), atol=1e-6)
    onto = sitk.Resample(nifti, ct, sitk.Transform(), sitk.sitkLinear, -1024.0)
    difference = sitk.GetArrayFromImage(onto) - sitk.GetArrayFromImage(ct)
    assert np.abs(difference).max() < 1


def test_evaluation_writes_what_the_contract_says(cohort: Path, run: Path, tmp_path: Path, capfd) -> None:
    assert execute(["synthesize", str(run), str(cohort / "test" / "mr"), str(tmp_path / "out")]) == 0
    real, made = cohort / "test" / "ct", tmp_path / "out"
    scores = tmp_path / "scores"
    assert execute(["evaluate", "--real", str(real), "--synthetic", str(made), "--output", str(scores)]) == 0
    summary = json.loads((scores / "summary.json").read_text())
    assert set(summary) == {"protocol", "modality", "cases", "mean", "statistics"}
    assert set(summary["cases"]["case000"]) == {"mae", "me", "rmse", "psnr", "ssim", "ms_ssim", "ncc"}
    assert (scores / "cases.csv").read_text().startswith("case,mae,me,rmse,psnr,ssim,ms_ssim,ncc")
    assert "case000" in capfd.readouterr().out


def test_inspect(cohort: Path, tmp_path: Path, capfd) -> None:
    (tmp_path / "torn.nii.gz").write_bytes(b"\x1f\x8b")
    findings = tmp_path / "findings.json"
    call = ["inspect", str(cohort), str(tmp_path), "--json", str(findings), "--workers", "1"]
    assert execute(call) == 0
    assert "3 MR, 3 CT, 0 of other kinds, of 7 patients; 1 refused, 0 skipped" in capfd.readouterr().out
    found = {item["name"]: item for item in json.loads(findings.read_text())}
    assert found["mr_mr000"]["modality"] == "mr"
    assert found["mr_mr000"]["spacing"] == [4, 4, 5]
    assert "torn.nii.gz" in found["torn"]["path"]


def test_prepare_then_train_on_the_store(cohort: Path, tmp_path: Path, capfd) -> None:
    store = str(tmp_path / "store")
    folders = ["--mr", str(cohort / "mr"), "--ct", str(cohort / "ct")]
    assert execute(["prepare", *folders, store, "--config", "demo", *SMALL]) == 0
    assert "2 MR and 2 CT" in capfd.readouterr().out
    train = ["train", "demo", "--store", store, "--output", str(tmp_path / "run"), *SMALL]
    assert execute([*train, "--set=training.max_steps=1"]) == 0
    assert (tmp_path / "run" / "checkpoints" / "last.pt").is_file()


def test_runs_are_listed(run: Path, tmp_path: Path, capfd) -> None:
    shutil.copytree(run, tmp_path / "one")
    shutil.copytree(run, tmp_path / "below" / "two")
    (tmp_path / "below" / "two" / "checkpoints" / "last.pt").unlink()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    shutil.copytree(run, tmp_path / "zeros")
    (tmp_path / "zeros" / "metrics.csv").write_bytes(b"step,elapsed_seconds\n9," + bytes(1000))
    shutil.copytree(run, tmp_path / "torn")
    saved = tmp_path / "torn" / "checkpoints" / "last.pt"
    saved.write_bytes(saved.read_bytes()[:1000])
    for name in ("one", "torn", "below/two"):
        (tmp_path / name / "metrics.csv").write_text(
            "step,elapsed_seconds,cycle_source,discriminator_source\n9,120.0,0.25,3\n11,1"
        )
    (tmp_path / "one" / "validation.csv").write_text("step,elapsed_seconds,score,mae\n2,1.0,90,90\n")
    (tmp_path / "torn" / "validation.csv").write_text("step,elapsed_seconds,score,simulated_mr\n2,1.0,120,80\n")
    capfd.readouterr()
    assert execute(["runs", str(tmp_path)]) == 0
    told = capfd.readouterr().out
    # four steps are saved, whatever the log says
    assert re.search(r"one .* cyclegan .* 2D .* 2, 2 .* 4 .* 2 min .* 0\.25 .* 90\.0 HU at step 2 .* yes", told)
    assert re.search(r"torn .* 9 .* 120\.0 at step 2 .* damaged", told)
    assert re.search(r"two .* 9 .* none yet", told)
    assert re.search(r"broken .* damaged", told)
    assert re.search(r"damaged: .*zeros.*: its files can't be read", told)


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ("simulated_mr\n2,1.0,90,80\n", "score 90 (lower is better)"),
        ("mae\n2,1.0,90,90\n", "mean absolute error 90 HU"),
    ],
)
def test_only_an_error_is_in_hounsfield_units(tmp_path: Path, scores: str, told: str) -> None:
    (tmp_path / "validation.csv").write_text(f"step,elapsed_seconds,score,{scores}")
    assert score_in_words(tmp_path, 90.0) == told


def test_configurations(capfd, tmp_path: Path) -> None:
    assert execute(["config", "list"]) == 0
    listed = capfd.readouterr().out
    assert all(re.search(rf"│ {name} +│ \w", listed) for name in (*config_names(), "auto"))
    assert "--method" in listed.splitlines()[-1]
    assert execute(["config", "show", "head_mr_ct", "--device", "gpu", "--set", "training.batch_size=1"]) == 0
    shown = capfd.readouterr().out
    assert "22.7 million parameters in generators" in shown.splitlines()[-1]
    assert "GFLOP" in shown.splitlines()[-1]
    (tmp_path / "mine.yaml").write_text(shown)
    assert execute(["config", "check", str(tmp_path / "mine.yaml")]) == 0
    assert "correct; next: medcycle train" in capfd.readouterr().out
    assert execute(["config", "schema"]) == 0
    assert json.loads(capfd.readouterr().out)["additionalProperties"] is False


def test_help_and_version(capfd) -> None:
    assert execute(["--version"]) == 0
    assert capfd.readouterr().out.strip() == __version__
    assert execute(["--help"]) == 0
    assert "..." not in capfd.readouterr().out.partition("Commands:")[2]  # no summary is cut


OF_CONFIG = [["config", name] for name in ("list", "show", "check", "schema")]


@pytest.mark.parametrize("command", [*([name] for name in EXAMPLES), *OF_CONFIG], ids=" ".join)
def test_every_help_has_an_example_with_its_own_options(command: list[str], capfd) -> None:
    assert execute([*command, "--help"]) == 0
    told, _, example = capfd.readouterr().out.partition("Example: ")
    assert " ".join(example.split()).startswith(f"medcycle {' '.join(command)}")
    assert all(word in told for word in example.split() if word.startswith("--"))


@pytest.mark.parametrize("group", [[], ["config"]])
def test_a_group_alone_prints_its_help(group: list[str], capfd) -> None:
    assert execute(group) == 0
    alone = capfd.readouterr()
    assert execute([*group, "--help"]) == 0
    assert alone == capfd.readouterr()
    assert len(alone.out.splitlines()) > 9
    assert not alone.err


@pytest.mark.parametrize("command", ["show", "check"])
def test_the_plan_is_no_configuration_to_show(command: str, capfd) -> None:
    assert execute(["config", command, "auto"]) == 2
    said = capfd.readouterr().err
    assert "plan it from the scans" in said
    assert "`medcycle prepare --mr DIR --ct DIR STORE`" in said


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("medcycle syn", ["synthesize"]),
        ("medcycle train head", ["head_ct_only", "head_mr_ct", "heads.yaml"]),
        ("medcycle train head_mr_ct --method c", ["cyclegan", "cut"]),
        ("medcycle config show au", ["auto"]),
        ("medcycle prepare --config dem", ["demo"]),
        ("medcycle models info he", ["head"]),
        ("medcycle synthesize he", ["head", "heads.yaml", "heart/"]),
        ("medcycle export he", ["head", "heads.yaml", "heart/"]),
        ("medcycle synthesize heads", []),  # a shell looks for files itself
        ("medcycle runs --qu", ["--quiet"]),
    ],
)
def test_a_shell_completes_commands_and_names(line: str, names: list[str], monkeypatch, capfd, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heart").mkdir()
    (tmp_path / "heads.yaml").touch()
    monkeypatch.setenv("_MEDCYCLE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    assert execute([]) == 0
    assert capfd.readouterr().out.split() == names


def test_completion_is_shown(monkeypatch, capfd) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    assert execute(["--show-completion"]) == 0
    assert "complete -o default -F _medcycle_completion medcycle" in capfd.readouterr().out


@pytest.mark.slow
def test_the_demo_goes_all_the_way(tmp_path: Path, capfd) -> None:
    demo = tmp_path / "demo"
    assert execute(["demo", "--output", str(demo), "--minutes", "0.1"]) == 0
    said = capfd.readouterr().out
    shown, trained = [line for line in said.splitlines() if line.startswith("body MAE:")]
    assert re.match(r"body MAE: \d+ HU, in \d+ seconds. Look at the result: open .*head.report.html", shown)
    assert "untrained" in trained
    assert (demo / "head" / "report.html").is_file()
    assert sorted(path.name for path in demo.iterdir()) == [
        "cohort", "evaluation", "head", "report.html", "run", "store", "synthetic", "untrained",
    ]  # fmt: skip
    assert list((demo / "synthetic" / "case000" / "dicom").glob("*.dcm"))
    assert list((demo / "run" / "previews").glob("*.png"))
    assert execute(["demo", "--output", str(demo)]) == 2
