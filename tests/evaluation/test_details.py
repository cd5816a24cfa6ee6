"""`medcycle evaluate` as it is called: what it writes of each case, and invariants of that."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from medcycle.cli.main import execute
from medcycle.evaluation.assessment import assess, cropped
from medcycle.evaluation.protocols import compared
from medcycle.io.locks import locked
from medcycle.io.nifti import write_nifti
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume

GRID = head_grid(spacing=(3.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def head() -> Volume:
    return HeadPhantom.random(6).ct(GRID)


def worse(ct: Volume, size: float = 60.0) -> Volume:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=ct.grid.shape), 2)
    error = (size * noise / noise.std()).astype(np.float32)
    return ct.with_array(np.where(ct.array > -500, ct.array + error, ct.array).astype(np.float32))


@pytest.fixture(scope="module")
def folder(head: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients: MR, CT, what `synthesize` would have written, masks and labels."""
    root = tmp_path_factory.mktemp("evaluated")
    for number, name in enumerate(("anna", "bert")):
        ct = head if number == 0 else HeadPhantom.random(7).ct(GRID)
        write_nifti(HeadPhantom.random(6 + number).mr(GRID), root / "mr" / f"{name}.nii.gz")
        write_nifti(ct, root / "ct" / f"{name}.nii.gz")
        made = worse(ct, 40.0 + 40.0 * number)
        write_nifti(made, root / "out" / name / "sct.nii.gz")
        write_nifti(ct.with_array(np.abs(made.array - ct.array)), root / "out" / name / "uncertainty.nii.gz")
        told = {"warnings": ["dark"] * number, "uncertainty": {"calibration": {"error": [1.0]}}}
        (root / "out" / name / "synthesis.json").write_text(json.dumps(told))
        seen = np.ones(GRID.shape, np.uint8)
        seen[:, :, :10] = 0
        write_nifti(ct.with_array(seen), root / "seen" / f"{name}.nii.gz")
        for kind, one in (("labels", ct), ("labels_made", made)):
            labels = np.where(one.array > 250, 91, np.where(np.abs(one.array - 35) < 20, 90, 0)).astype(np.uint8)
            write_nifti(one.with_array(labels), root / kind / f"{name}.nii.gz")
    return root


def evaluate(root: Path, output: Path, *more: object) -> dict[str, Any]:
    given = ["--real", root / "ct", "--synthetic", root / "out", "--output", output, *more]
    assert execute(["evaluate", *map(str, given)]) == 0
    return json.loads((output / "summary.json").read_text())


def details(output: Path, name: str) -> dict[str, Any]:
    return json.loads((output / "cases" / f"{name}.json").read_text())


@pytest.mark.slow
def test_everything_that_is_promised_is_written(folder: Path, tmp_path: Path) -> None:
    labels = ("--real-labels", folder / "labels", "--synthetic-labels", folder / "labels_made", "--anatomy", "hn")
    summary = evaluate(folder, tmp_path, "--mr", folder / "mr", *labels)
    assert summary["statistics"]["mae"]["n"] == 2
    found = details(tmp_path, "anna")
    assert found["scores"] == summary["cases"]["anna"]
    parts = {"tissues", "calibration", "histogram", "levels", "regions", "structures", "continuity", "misregistration"}
    assert parts | {"density", "wepl", "drr", "tolerances", "labels", "warnings"} <= set(found)
    assert set(found["regions"]) == {"vault", "skull base", "face"}
    assert found["misregistration"]["mean_mm"] < 0.3
    assert set(found["labels"]["structures"]) == {"brain", "skull"}
    assert (tmp_path / found["drr"]["ap"]["image"]).read_bytes()[:4] == b"\x89PNG"
    assert {one["inside"] for one in found["tolerances"]} <= {True, False}
    inputs = json.loads((tmp_path / "inputs.json").read_text())["cases"]["anna"]
    assert all((tmp_path / path).is_file() for path in inputs.values() if path)
    assert [kind for kind, path in inputs.items() if not path] == ["mask"]


@pytest.mark.slow
def test_where_the_true_ct_ends_nothing_is_scored(folder: Path, tmp_path: Path) -> None:
    whole, cut = evaluate(folder, tmp_path / "a"), evaluate(folder, tmp_path / "b", "--field-of-view", folder / "seen")
    assert whole["cases"]["anna"]["mae"] != cut["cases"]["anna"]["mae"]
    levels = [details(tmp_path / one, "anna")["levels"]["z_mm"] for one in "ab"]
    assert min(levels[1]) > min(levels[0])
    assert min(levels[1]) == pytest.approx(float(GRID.affine[2, 3]) + 30)


def test_a_brief_evaluation_writes_scores_alone(folder: Path, tmp_path: Path) -> None:
    assert evaluate(folder, tmp_path, "--brief")["cases"]
    assert not (tmp_path / "cases").exists()
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "anna.json").write_text("of an earlier evaluation")
    evaluate(folder, tmp_path, "--brief")
    assert not (tmp_path / "cases" / "anna.json").exists()


@pytest.mark.slow
def test_without_a_true_ct_there_is_a_verdict(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--mr", folder / "mr", "--synthetic", folder / "out", "--output", tmp_path]
    assert execute(["evaluate", *map(str, given)]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["kind"] == "without reference"
    assert summary["verdicts"] == {name: details(tmp_path, name)["verdict"] for name in ("anna", "bert")}
    assert summary["verdicts"]["bert"]["grade"] == "check"
    assert details(tmp_path, "bert")["verdict"]["reasons"][-1] == "the synthesis warned: dark"
    assert summary["cases"]["bert"]["score"] > summary["cases"]["anna"]["score"]
    assert (tmp_path / "cases.csv").read_text().startswith("case,grade,score,")
    told = capsys.readouterr().out
    assert "verdict" in told
    assert "the synthesis warned" in " ".join(told.split())
    inputs = json.loads((tmp_path / "inputs.json").read_text())["cases"]["bert"]
    assert inputs["real"] is None
    assert (tmp_path / inputs["source"]).samefile(folder / "mr" / "bert.nii.gz")


def test_a_second_evaluation_into_one_folder_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--real", folder / "ct", "--synthetic", folder / "out", "--output", tmp_path / "scores", "--brief"]
    with locked(tmp_path / "scores"):
        assert execute(["evaluate", *map(str, given)]) == 1
    assert "scores: in use by" in capsys.readouterr().err
    assert execute(["evaluate", *map(str, given)]) == 0


def test_a_tolerance_that_judges_nothing_is_told(
    head: Volume, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, ct in (("ct", head), ("out", worse(head))):
        write_nifti(ct, tmp_path / name / "a.nii.gz")
    text = "tolerances:\n"
    for name, key in (("right", "scores.mae"), ("wrong", "scores.mea")):
        text += f"- {{name: {name}, key: {key}, max: 3, unit: HU, source: ours}}\n"
    (tmp_path / "own.yaml").write_text(text)
    given = ["--real", tmp_path / "ct", "--synthetic", tmp_path / "out", "--output", tmp_path / "scores"]
    assert execute(["evaluate", *map(str, given), "--tolerances", str(tmp_path / "own.yaml")]) == 0
    assert [one["name"] for one in details(tmp_path / "scores", "a")["tolerances"]] == ["right"]
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert warned == ["warning: tolerance 'wrong': no case has scores.mea; check its key"]


@pytest.mark.slow
def test_what_can_not_be_registered_is_told(head: Volume) -> None:
    flat = head.with_array(np.where(head.array > -500, 40.0, 40.0).astype(np.float32))
    found = assess(cropped(compared(head, flat, None, "ct")))
    assert found["misregistration"] is None
    assert "misregistration not measured" in found["warnings"][0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--synthetic", "out"], "--real, or else the MR with --mr"),
        (["--mr", "mr", "--synthetic", "out", "--mask", "seen"], "--mask needs the true volumes"),
        (["--mr", "mr", "--synthetic", "out", "--brief"], "--brief needs the true volumes"),
        (["--real", "ct", "--synthetic", "out", "--anatomy", "hn", "--brief"], "--anatomy has no effect with --brief"),
        (["--real", "ct", "--synthetic", "out", "--real-labels", "labels"], "go together"),
        (["--mr", "ct", "--synthetic", "out"], "a CT in Hounsfield units; give the MR with --mr"),
        (["--mr", "mr", "--synthetic", "mr"], "only synthetic CT can be judged"),
        (["--real", "ct", "--synthetic", "out", "--field-of-view", "ct/anna.nii.gz"], "no field of view for bert"),
        (["--real", "ct", "--synthetic", "out", "--brief", "--output", "labels/anna.nii.gz"], "a file; give a folder"),
        (["--real", "ct", "--synthetic", "out", "--density", "out/anna/synthesis.json"], "synthesis.json"),
        (["--real", "ct", "--synthetic", "out", "--tolerances", "out/anna/synthesis.json"], "synthesis.json"),
    ],
)
def test_wrong_calls_say_what_to_do(
    folder: Path, tmp_path: Path, given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [one if one.startswith("--") or one == "hn" else str(folder / one) for one in given]
    output = [] if "--output" in given else ["--output", str(tmp_path / "scores")]
    assert execute(["evaluate", *places, *output]) in {1, 2}
    assert message in capsys.readouterr().err
    assert not (tmp_path / "scores" / "summary.json").exists()


def assessed(real: Volume, synthetic: Volume) -> dict[str, Any]:
    found = assess(cropped(compared(real, synthetic, None, "ct")), misregistration=False)
    assert found.pop("warnings") == []
    return found


def test_equal_volumes_have_no_error_anywhere(head: Volume) -> None:
    found = assessed(head, head)
    assert all(one["mae"] in (0, None) for one in found["tissues"].values())
    assert found["structures"]["bone"] == {"dice": 1.0, "hd95_mm": 0.0, "msd_mm": 0.0}
    assert found["calibration"]["bone"]["slope"] == pytest.approx(1)
    assert found["continuity"]["real_hu"] == found["continuity"]["synthetic_hu"]
    assert not any(found["levels"]["mae"])


@pytest.mark.slow
@pytest.mark.parametrize("orientation", ["LPS", "PIR", "SAL"])
def test_figures_do_not_depend_on_how_the_arrays_lie(head: Volume, orientation: str) -> None:
    usual = assessed(head, worse(head))
    turned = assessed(head.with_axes(orientation), worse(head).with_axes(orientation))
    assert flat(turned) == pytest.approx(flat(usual), rel=1e-3, nan_ok=True)


def flat(found: Any, before: str = "") -> dict[str, float]:
    if isinstance(found, dict):
        return {key: value for name, one in found.items() for key, value in flat(one, f"{before}.{name}").items()}
    if isinstance(found, list):
        return {key: value for n, one in enumerate(found) for key, value in flat(one, f"{before}.{n}").items()}
    return {before: float("nan") if found is None else float(found)}


@pytest.mark.slow
def test_a_shifted_head_is_as_far_as_it_was_shifted(head: Volume) -> None:
    shifted = Volume(np.roll(head.array, 2, axis=0), head.grid)
    found = assess(cropped(compared(head, shifted, None, "ct")))
    assert found["misregistration"]["translation_mm"] == pytest.approx([-6, 0, 0], abs=0.3)
    assert found["misregistration"]["after"]["mae"] < 0.3 * found["misregistration"]["before"]["mae"]
    assert found["structures"]["body"]["hd95_mm"] == pytest.approx(6, abs=1)


def test_a_mask_of_a_few_voxels_has_figures_or_none(head: Volume) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[40:43, 40:43, 30] = 1
    found = assess(cropped(compared(head, worse(head), head.with_array(mask), "ct")), misregistration=False)
    assert sum(one["voxels"] for one in found["tissues"].values()) == 9
    assert found["calibration"]["all"]["slope"] is None
    assert found["levels"]["z_mm"] == []
    assert found["continuity"]["worst_z_mm"] is None


def test_other_spacings_and_thin_volumes_are_taken() -> None:
    grid = head_grid(spacing=(2.0, 3.0, 8.0))
    ct = HeadPhantom.random(2).ct(grid)
    thin = Grid((*grid.shape[:2], 2), grid.affine)
    two = Volume(ct.array[:, :, 8:10], thin)
    found = assessed(two, worse(two))
    assert found["continuity"]["real_hu"] is None
    assert assessed(ct, worse(ct))["regions"]
