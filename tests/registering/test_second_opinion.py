"""Second opinions of a registration, with the true CT in place of a model's."""

import json
from pathlib import Path

import numpy as np
import pytest

import medcycle as mc
from medcycle.body import body_mask
from medcycle.cli.main import execute
from medcycle.errors import DataError, RegistrationFailed, UsageError
from medcycle.evaluation import match_cases
from medcycle.inference import Prediction, Predictor
from medcycle.intensity import MrPercentile
from medcycle.io import read_volume, write_nifti
from medcycle.io.discover import discover
from medcycle.io.itk import matrix_of, transform_of
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.registering.second_opinion import SecondReader, refined
from medcycle.registration import Registration
from medcycle.volume import Volume
from tests.test_registration import motion, moved

HEAD, GRID = HeadPhantom.random(4), head_grid(spacing=(4, 4, 4))

TRUTH = motion((6, -4, 5), (12, -20, 30))
"""Where the CT lies."""

WRONG = motion((3, 0, -2), (2, 3, -2))
"""Some 5 mm of the body."""


@pytest.fixture(scope="module")
def mr() -> Volume:
    return HEAD.mr(GRID)


@pytest.fixture(scope="module")
def ct() -> Volume:
    return moved(HEAD.ct(GRID), TRUTH)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that makes the true CT of any MR."""

    def predict(_: Predictor, mr: Volume) -> Prediction:
        true = HEAD.ct(GRID, noise=40, blur=3)
        return Prediction(Volume(true.array, mr.grid), body_mask(true, "ct"), MrPercentile(0, 1))

    monkeypatch.setattr(Predictor, "predict", predict)
    monkeypatch.setattr("medcycle.registering.second_opinion.TILTS", ((0.0, 0.0),))  # one start finds it, in less time


@pytest.fixture
def scans(tmp_path: Path, mr: Volume, ct: Volume) -> Path:
    write_nifti(mr, tmp_path / "mr" / "p1.nii.gz")
    write_nifti(ct, tmp_path / "ct" / "p1.nii.gz")
    return tmp_path


def first_is(monkeypatch: pytest.MonkeyPatch, matrix: np.ndarray) -> None:
    monkeypatch.setattr(
        "medcycle.registering.one_pair.register_rigid", lambda *_, **__: Registration(matrix, 0.1, 1.2, 1.0)
    )


def distance(matrix: np.ndarray, volume: Volume) -> float:
    inside = np.argwhere(body_mask(volume, "mr").array)[::51]
    points = volume.grid.affine @ np.column_stack([inside, np.ones(len(inside))]).T
    return float(np.linalg.norm((matrix @ points - points)[:3], axis=0).mean())


@pytest.mark.slow
def test_a_wrong_place_is_left(mr: Volume, ct: Volume) -> None:
    first = WRONG @ np.linalg.inv(TRUTH)
    assert distance(first @ TRUTH, mr) > 4
    matrix, correlation = refined(HEAD.ct(GRID, blur=3), body_mask(mr, "mr"), ct, first)
    assert distance(matrix @ TRUTH, mr) < 0.5
    assert correlation > 0.9


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("onto", ["mr", "ct"])
def test_a_wrong_optimum_is_refused_with_numbers_and_a_picture(scans: Path, monkeypatch, capsys, onto) -> None:
    wrong = WRONG @ np.linalg.inv(TRUTH)  # from the CT to the MR
    first_is(monkeypatch, wrong if onto == "mr" else np.linalg.inv(wrong))
    call = ["register", "--mr", str(scans / "mr"), "--ct", str(scans / "ct"), str(scans / "out"), f"--onto={onto}"]
    assert execute(call) == 1
    printed = capsys.readouterr()
    assert "p1: outlines 1.2 mm apart, starts 0.1 mm apart, second opinion " in printed.out
    assert "registration to the synthetic CT places it" in printed.err
    told = json.loads((scans / "out" / "registration.json").read_text())["p1"]
    assert "the limit is 3 mm" in told["refused"]
    second = told["second_opinion"]
    assert second["shift_mm"] > 4
    assert distance(np.array(second["ct_to_mr_ras_mm"]) @ TRUTH, read_volume(scans / "mr")) < 1
    assert sorted(path.name for path in (scans / "out").iterdir()) == ["p1.png", "registration.json"]


@pytest.mark.usefixtures("made")
def test_a_right_place_is_kept_as_mutual_information_has_it(scans: Path, monkeypatch) -> None:
    right = np.linalg.inv(TRUTH)
    first_is(monkeypatch, right)
    (written,) = mc.register(scans / "mr", scans / "ct", output=scans / "out")
    assert written.name == "p1-ct-on-mr.nii.gz"
    told = json.loads((scans / "out" / "registration.json").read_text())["p1"]
    assert told["second_opinion"]["shift_mm"] < 1
    np.testing.assert_allclose(told["moving_to_fixed_ras_mm"], right)
    (source,) = discover(scans / "out")
    assert source.patient == "p1"
    (case,) = match_cases(scans / "out", scans / "ct")
    assert case.name == "p1"


@pytest.mark.usefixtures("made")
def test_a_shift_by_a_model_that_fits_badly_is_told(scans: Path, monkeypatch, caplog) -> None:
    first_is(monkeypatch, WRONG @ np.linalg.inv(TRUTH))
    monkeypatch.setattr("medcycle.registering.second_opinion.FITTING", 1.0)
    (written,) = mc.register(scans / "mr", scans / "ct", output=scans / "out")
    assert written.is_file()
    assert "the model fits these scans badly" in caplog.text
    told = json.loads((scans / "out" / "registration.json").read_text())["p1"]
    assert "look at the picture" in told["remark"]


@pytest.mark.usefixtures("made")
def test_what_is_no_head_has_no_second_opinion(scans: Path, monkeypatch, capsys) -> None:
    first_is(monkeypatch, np.linalg.inv(TRUTH))
    monkeypatch.setattr("medcycle.registering.second_opinion.head_regions", lambda _: {})
    paths = ["--mr", str(scans / "mr"), "--ct", str(scans / "ct"), str(scans / "out")]
    assert execute(["register", *paths]) == 0
    assert "no second opinion: neither CT shows a head" in capsys.readouterr().out
    assert execute(["register", *paths, "--no-model"]) == 0
    assert "no second opinion: none was asked for" in capsys.readouterr().out


def test_a_model_that_refuses_gives_no_second_opinion(mr: Volume, ct: Volume, monkeypatch) -> None:
    reader = SecondReader(Path("head"))
    empty = Prediction(mr.with_array(np.zeros(mr.grid.shape)), body_mask(mr, "mr"), MrPercentile(0, 1))
    monkeypatch.setattr(Predictor, "predict", lambda *_: empty)
    with pytest.raises(RegistrationFailed, match="synthetic CT"):
        reader.opinion(mr, ct, np.linalg.inv(TRUTH))


def test_memory_that_lacks_is_an_error_of_the_case(scans: Path, monkeypatch) -> None:
    def failed(*_: object) -> None:
        raise MemoryError("17 GiB")

    first_is(monkeypatch, np.linalg.inv(TRUTH))
    monkeypatch.setattr(Predictor, "predict", failed)
    with pytest.raises(DataError, match="more memory than there is"):
        mc.register(scans / "mr", scans / "ct", output=scans / "out")


def test_a_model_that_is_not_there_is_told_first(tmp_path: Path, capsys) -> None:
    with pytest.raises(UsageError, match="no such checkpoint"):
        mc.register(tmp_path / "no", tmp_path / "where", output=tmp_path / "out", model="tail")
    assert execute(["register", "--mr=a", "--ct=b", "out", "--model=head", "--no-model"]) == 2
    assert "can't be combined" in capsys.readouterr().err


def test_transforms_and_matrices() -> None:
    transform = transform_of(TRUTH, centre=np.array([5.0, -30, 70]))
    np.testing.assert_allclose(matrix_of(transform), TRUTH, atol=1e-9)
    np.testing.assert_allclose(transform.GetCenter(), (-5, 30, 70))
