"""Several outputs of one input."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medcycle.cli.main import execute
from medcycle.config import load_config
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, save_method
from tests.sizes import TINY

INTENSITY = {"ct": HounsfieldWindow(-1024, 2000), "mr": MrPercentile(0, 1000)}


@pytest.fixture(scope="module", params=[1, 3])
def munit(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    settings = ["method.name=munit", "network.blocks=1", "data.spacing=[4, 4, null]", f"data.slices={request.param}"]
    config = load_config("demo", [*TINY, *settings, "method.simulated_pair_weight=0", "training.warm_start=0"])
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("munit") / "model.pt"
    save_method(SavedMethod(build_method(config), config, INTENSITY, 1), path)
    return path


def made(folder: Path) -> tuple[np.ndarray, list[float] | None]:
    (image,) = folder.glob("s*.nii.gz")
    return nib.load(image).get_fdata(), json.loads((folder / "synthesis.json").read_text())["style"]


@pytest.mark.slow
def test_a_seed_gives_the_same_style_again(munit: Path, cohort: Path, tmp_path: Path) -> None:
    given = str(cohort / "mr" / "mr000.nii.gz")
    for name, style in (
        ("plain", []),
        ("one", ["--style", "1"]),
        ("again", ["--style", "1"]),
        ("two", ["--style", "2"]),
    ):
        assert execute(["synthesize", str(munit), given, str(tmp_path / name), *style]) == 0
    (plain, none), (one, style), (again, _), (two, _) = (
        made(tmp_path / name / "mr000") for name in ("plain", "one", "again", "two")
    )
    assert none is None
    assert len(style) == 8
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - two).max() > 1
    assert np.abs(one - plain).max() > 1


def test_samples_are_cases_of_their_own(munit: Path, cohort: Path, tmp_path: Path) -> None:
    given = str(cohort / "ct" / "ct000.nii.gz")
    assert execute(["synthesize", str(munit), given, str(tmp_path / "out"), "--to", "mr", "--samples", "3"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ct000_1", "ct000_2", "ct000_3"]
    images = [made(path)[0] for path in sorted((tmp_path / "out").iterdir())]
    assert np.abs(images[0] - images[1]).max() > 0.1
    assert np.abs(images[1] - images[2]).max() > 0.1


@pytest.mark.slow
def test_a_volume_gives_its_style(munit: Path, cohort: Path, tmp_path: Path) -> None:
    given = [str(munit), str(cohort / "ct" / "ct000.nii.gz")]
    for name in ("mr000", "mr001"):
        reference = str(cohort / "mr" / f"{name}.nii.gz")
        assert execute(["synthesize", *given, str(tmp_path / name), "--to", "mr", "--style", reference]) == 0
    first, second = (made(tmp_path / name / "ct000") for name in ("mr000", "mr001"))
    assert first[1] != second[1]
    assert not np.array_equal(first[0], second[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--style", "nowhere.nii.gz"], "nowhere"),
        (["--style", "REFERENCE", "--samples", "2"], "leave out --samples"),
        (["--style", "FOLDER"], "one volume; there are 2"),
    ],
)
def test_styles_that_are_none(munit: Path, cohort: Path, tmp_path: Path, capfd, options: list[str], words: str) -> None:
    places = {"REFERENCE": str(cohort / "mr" / "mr000.nii.gz"), "FOLDER": str(cohort / "mr")}
    given = [str(munit), str(cohort / "ct" / "ct000.nii.gz"), str(tmp_path / "out"), "--to", "mr"]
    assert execute(["synthesize", *given, *(places.get(option, option) for option in options)]) == 2
    assert words in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_methods_without_styles_say_so(checkpoint: Path, cohort: Path, tmp_path: Path, capfd) -> None:
    given = [str(checkpoint), str(cohort / "mr" / "mr000.nii.gz"), str(tmp_path / "out")]
    assert execute(["synthesize", *given, "--samples", "2"]) == 2
    assert "makes only one output" in capfd.readouterr().err
    assert execute(["synthesize", *given[:2], str(tmp_path / "one.nii.gz"), "--samples", "2"]) == 2
    assert "give a folder" in capfd.readouterr().err
