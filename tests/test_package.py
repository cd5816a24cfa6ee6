"""The examples that users copy."""

from pathlib import Path

import nibabel as nib
import pytest
from matplotlib import image

import medcycle as mc
from examples import show_result, show_simulated_cbct, show_windows
from examples.from_python import main
from medcycle.config import load_config
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, save_method
from medcycle.phantom import HeadPhantom, head_grid
from tests.sizes import TINY


def test_the_example_runs(checkpoint: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = cohort / "mr" / "mr000.nii.gz"
    main(str(checkpoint), str(source), str(tmp_path / "sct.nii.gz"))
    assert nib.load(tmp_path / "sct.nii.gz").shape == nib.load(source).shape
    assert "above 250 HU" in capsys.readouterr().out


def test_the_picture_of_a_result(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_result.main(tmp_path / "result.png", checkpoint, width=5.0)
    assert image.imread(tmp_path / "result.png")[..., :3].std() > 0.1
    assert "HU in the body" in capsys.readouterr().out
    mc.write_nifti(HeadPhantom.random(3).ct(head_grid(spacing=(5.0, 5.0, 5.0))), tmp_path / "ct.nii.gz")
    show_result.main(tmp_path / "simulated.png", checkpoint, str(tmp_path / "ct.nii.gz"), width=5.0)
    assert image.imread(tmp_path / "simulated.png")[..., :3].std() > 0.1


def test_the_picture_of_simulated_cbct(tmp_path: Path) -> None:
    mc.write_nifti(HeadPhantom.random(3).ct(head_grid(spacing=(6.0, 6.0, 12.0))), tmp_path / "ct.nii.gz")
    show_simulated_cbct.main(tmp_path / "cbct.png", None, tmp_path / "ct.nii.gz")
    assert image.imread(tmp_path / "cbct.png")[..., :3].std() > 0.1


def test_the_readme_is_short() -> None:
    shown, _, _ = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").partition("## Developing")
    assert len(shown.split()) < 500


@pytest.mark.slow
def test_the_picture_of_windows(cohort: Path, checkpoint: Path, tmp_path: Path) -> None:
    three = ["network.spatial_dims=3", "data.spacing=[4, 4, 4]", "data.patch_size=[32, 32, 32]"]
    config = load_config("demo", [*TINY, *three])
    intensity = {"ct": HounsfieldWindow(-1024, 2000), "mr": MrPercentile(0, 1000)}
    save_method(SavedMethod(build_method(config), config, intensity, 1), tmp_path / "model.pt")
    picture, source = tmp_path / "windows.png", cohort / "mr" / "mr000.nii.gz"
    show_windows.main(picture, tmp_path / "model.pt", source)
    assert image.imread(picture)[..., :3].std() > 0.1
    with pytest.raises(SystemExit, match="takes slices"):
        show_windows.main(picture, checkpoint, source)
