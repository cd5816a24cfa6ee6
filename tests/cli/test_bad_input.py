"""Wrong calls and wrong data: one line, the right exit status, nothing half-written."""

import shutil
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.errors import MedcycleError

DATA_WRONG, CALL_WRONG = 1, 2


@pytest.fixture
def world(tmp_path: Path, cohort: Path, checkpoint: Path) -> Path:
    """A folder with good and bad things to point commands at."""
    shutil.copytree(cohort, tmp_path, dirs_exist_ok=True)
    for name in ("empty", "text", "torn", "swapped"):
        (tmp_path / name).mkdir()
    good = (cohort / "mr" / "mr000.nii.gz").read_bytes()
    (tmp_path / "text" / "a.nii.gz").write_text("this is a text")
    (tmp_path / "torn" / "a.nii.gz").write_bytes(good[: len(good) // 2])
    shutil.copy(checkpoint, tmp_path / "model.pt")
    (tmp_path / "fake.pt").write_text("not a checkpoint")
    (tmp_path / "misspelt.yaml").write_text("training:\n  max_step: 5\n")
    return tmp_path


CASES = {
    "missing folder": ("train demo --mr nowhere --ct ct --output out", CALL_WRONG, "nowhere"),
    "empty folder": ("train demo --mr empty --ct ct --output out", DATA_WRONG, "empty: no volumes"),
    "text as nifti": ("train demo --mr text --ct ct --output out", DATA_WRONG, "text/a.nii.gz"),
    "torn nifti": ("train demo --mr torn --ct ct --output out", DATA_WRONG, "torn/a.nii.gz"),
    "misspelt key": ("train misspelt.yaml --mr mr --ct ct --output out", CALL_WRONG, "training.max_steps"),
    "misspelt override": ("train demo --mr mr --ct ct --output out --set training.sed=1", CALL_WRONG, "training.seed"),
    "no such config": ("train nothing --mr mr --ct ct --output out", CALL_WRONG, "medcycle config list"),
    "mr as ct": ("train demo --mr mr --ct mr2 --output out", DATA_WRONG, "not a CT in Hounsfield units"),
    "ct as mr": ("train demo --mr ct2 --ct ct --output out", DATA_WRONG, "not an MR"),
    "no data": ("train demo --output out", CALL_WRONG, "--mr and --ct"),
    "no pairs": (
        "train head_mr_ct --method pix2pix --mr mr --ct ct --output out",
        DATA_WRONG,
        "no patient has both MR and CT",
    ),
    "nothing to resume": ("train demo --mr mr --ct ct --output out --resume", CALL_WRONG, "nothing to resume"),
    "unknown option": ("train demo --mr mr --ct ct --output out --fast", CALL_WRONG, "--fast"),
    "missing argument": ("train --mr mr --ct ct --output out", CALL_WRONG, "'config'. See `medcycle train --help`."),
    "unknown command": ("trian", CALL_WRONG, "See `medcycle --help`."),
    "unknown command of a group": ("config lsit", CALL_WRONG, "See `medcycle config --help`."),
    "not a number": ("demo --minutes soon --output out", CALL_WRONG, "See `medcycle demo --help`."),
    "fake checkpoint": ("synthesize fake.pt mr out", DATA_WRONG, "fake.pt: not a medcycle checkpoint"),
    "missing checkpoint": ("synthesize gone.pt mr out", CALL_WRONG, "gone.pt"),
    "run without checkpoint": ("synthesize empty mr out", CALL_WRONG, "last.pt"),
    "missing input": ("synthesize model.pt gone.nii.gz out", CALL_WRONG, "gone.nii.gz"),
    "torn input": ("synthesize model.pt torn/a.nii.gz out", DATA_WRONG, "torn/a.nii.gz"),
    "text input": ("synthesize model.pt text out", DATA_WRONG, "text/a.nii.gz"),
    "input of no kind": ("synthesize model.pt misspelt.yaml out", DATA_WRONG, "misspelt.yaml"),
    "empty input": ("synthesize model.pt empty out", DATA_WRONG, "no volumes"),
    "ct where mr belongs": ("synthesize model.pt ct/ct000.nii.gz out", DATA_WRONG, "not an MR"),
    "many into one file": ("synthesize model.pt mr out.nii.gz", CALL_WRONG, "one file for 2"),
    "dicom into a file": ("synthesize model.pt mr/mr000.nii.gz out.nii.gz --format dicom", CALL_WRONG, "DICOM"),
    "unknown target": ("synthesize model.pt mr out --to pet", CALL_WRONG, "pet"),
    "missing real": ("evaluate --real gone --synthetic ct --output out", CALL_WRONG, "gone"),
    "unmatched": ("evaluate --real ct --synthetic mr --output out", CALL_WRONG, "match"),
    "unknown protocol": ("evaluate --real ct --synthetic ct --protocol best --output out", CALL_WRONG, "best"),
    "a cyclegan without mr": ("train demo --ct ct --output out", CALL_WRONG, "give --mr"),
    "mr for ct, alone": ("train head_ct_only --ct mr2 --output out", DATA_WRONG, "not a CT in Hounsfield units"),
    "mr without ct": ("train head_ct_only --mr mr --output out", CALL_WRONG, "--ct"),
    "nothing to initialise from": ("train demo --mr mr --ct ct --output out --init-from gone", CALL_WRONG, "gone"),
    "an old option": ("train demo --mr mr --ct ct --output out --from gone", CALL_WRONG, "are now --init-from"),
    "unknown family": ("train head_ct_only --ct ct --output out --set randomize.families=[t3]", CALL_WRONG, "t2"),
    "no such device": ("train demo --mr mr --ct ct --output out --set training.accelerator=mps", CALL_WRONG, "mps"),
    "settings at odds": (
        "train demo --mr mr --ct ct --output out --set data.slices=2",
        CALL_WRONG,
        "give an odd number",
    ),
    "store that is none": ("train demo --store empty --output out", CALL_WRONG, "store.json"),
    "no runs": ("runs empty", DATA_WRONG, "empty: no runs"),
    "no folder of runs": ("runs gone", CALL_WRONG, "gone"),
    "nothing to inspect": ("inspect empty", DATA_WRONG, "no volumes"),
    "config that is none": ("config show nothing", CALL_WRONG, "nothing"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_clear_line(name: str, world: Path, monkeypatch, capfd) -> None:
    call, status, words = CASES[name]
    monkeypatch.chdir(world)
    shutil.copytree(world / "mr", world / "mr2")
    shutil.copytree(world / "ct", world / "ct2")
    before = sorted(path for path in world.rglob("*"))
    assert execute(call.split()) == status
    errors = [
        line for line in capfd.readouterr().err.splitlines() if not line.startswith(("preparing", "synthesizing"))
    ]
    assert len(errors) == 1, errors
    assert errors[0].startswith("error: ")
    assert words in errors[0]
    assert "Traceback" not in errors[0]
    assert sorted(path for path in world.rglob("*")) == before


def test_debug_shows_the_traceback(world: Path, capfd) -> None:
    assert execute(["synthesize", str(world / "fake.pt"), str(world / "mr"), str(world / "out"), "--debug"]) == 1
    errors = capfd.readouterr().err
    assert "Traceback" in errors
    assert "BadCheckpoint" in errors


def test_one_bad_case_among_good_ones(world: Path, capfd) -> None:
    shutil.copy(world / "torn" / "a.nii.gz", world / "mr" / "torn.nii.gz")
    assert execute(["synthesize", str(world / "model.pt"), str(world / "mr"), str(world / "out")]) == DATA_WRONG
    errors = capfd.readouterr().err
    assert "error: 1 of 3 volumes not translated, 2 done" in errors
    assert sorted(path.name for path in (world / "out").iterdir()) == ["mr000", "mr001"]


def test_outputs_are_not_overwritten(world: Path, capfd) -> None:
    arguments = ["synthesize", str(world / "model.pt"), str(world / "mr" / "mr000.nii.gz"), str(world / "out.nii.gz")]
    assert execute(arguments) == 0
    first = (world / "out.nii.gz").read_bytes()
    assert execute(arguments) == CALL_WRONG
    assert "already exists" in capfd.readouterr().err
    assert (world / "out.nii.gz").read_bytes() == first


def test_every_error_has_a_documented_status() -> None:
    def kinds(base: type[MedcycleError]) -> set[type[MedcycleError]]:
        return {base}.union(*(kinds(kind) for kind in base.__subclasses__()))

    assert {kind.exit_status for kind in kinds(MedcycleError)} == {DATA_WRONG, CALL_WRONG}
