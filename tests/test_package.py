"""What users install, and the example they copy."""

import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import pytest

from examples.from_python import main
from medcycle.config import config_names

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_wheel_holds_the_configurations(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"medcycle/_configs/{name}.yaml" for name in config_names()} <= set(names)
    assert "medcycle/py.typed" in names
    assert not any(name.startswith(("tests", "examples")) for name in names)


def test_the_example_runs(checkpoint: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = cohort / "mr" / "mr000.nii.gz"
    main(checkpoint, source, tmp_path / "sct.nii.gz")
    assert nib.load(tmp_path / "sct.nii.gz").shape == nib.load(source).shape
    assert "above 250 HU" in capsys.readouterr().out
