"""Volumes as the page holds them."""

import base64
import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcycle.io import write_nifti
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.report.volumes import Files, Packed, Panel, pack_case
from medcycle.volume import Volume
from tests.report.folders import write_volumes

GENEROUS = 10**8


def read(panel: Panel) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(panel.data)))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("volumes") / "data"
    write_volumes(folder, "a", 3, head_grid(spacing=(3.0, 3.0, 4.0)))
    return Files(**{kind: folder / kind / "a.nii.gz" for kind in ("real", "synthetic", "source", "uncertainty")})


@pytest.fixture(scope="module")
def packed(files: Files) -> Packed:
    return pack_case(files, "ct", GENEROUS, str)


def test_all_lie_on_one_grid_about_the_body(packed: Packed, files: Files) -> None:
    images = {name: read(panel) for name, panel in packed.panels.items()}
    assert set(images) == {"real", "synthetic", "source", "uncertainty", "mask"}
    assert len({image.shape for image in images.values()}) == 1
    assert all(np.allclose(image.affine, images["real"].affine) for image in images.values())
    assert images["real"].shape < nib.load(files.real).shape
    assert packed.missing == {}


def test_hounsfield_units_are_kept_within_half_a_step(packed: Packed, files: Files) -> None:
    image, whole = read(packed.panels["real"]), nib.load(files.real)
    start = np.linalg.inv(whole.affine) @ image.affine @ [0, 0, 0, 1]
    first = start[:3].round().astype(int)
    box = tuple(slice(a, a + n) for a, n in zip(first, image.shape, strict=True))
    true, shown = whole.get_fdata()[box], image.get_fdata()
    inside = np.asarray(read(packed.panels["mask"]).dataobj) > 0
    error = np.abs(true - shown)[inside]
    assert error.max() <= 4 + 1e-3
    assert error[np.abs(true[inside]) < 190].max() <= 1 + 1e-3
    assert set(np.unique(shown[~inside & (true < -960)])) <= {-1000.0}


def test_a_small_budget_makes_them_coarser_and_still_smooth(files: Files, packed: Packed) -> None:
    budget = packed.size // 4
    small = pack_case(files, "ct", budget, str)
    assert small.size <= budget
    assert small.spacing > packed.spacing
    inside, coarse = (read(one.panels["real"]).get_fdata() for one in (packed, small))
    assert coarse.mean() == pytest.approx(inside.mean(), abs=15)


def test_nothing_names_the_source(packed: Packed) -> None:
    header = read(packed.panels["real"]).header
    assert not header["descrip"].item()
    assert not header["aux_file"].item()


def test_what_is_on_another_grid_is_brought_to_the_real_one(tmp_path: Path, files: Files) -> None:
    mr = HeadPhantom.random(3).mr(head_grid(spacing=(5.0, 4.0, 3.0), orientation="PIR"))
    write_nifti(mr, tmp_path / "mr.nii.gz")
    moved = pack_case(Files(files.synthetic, files.real, tmp_path / "mr.nii.gz"), "ct", GENEROUS, str)
    source, real = read(moved.panels["source"]), read(moved.panels["real"])
    np.testing.assert_allclose(source.affine, real.affine)
    assert np.corrcoef(source.get_fdata().ravel() > 60, real.get_fdata().ravel() > -300)[0, 1] > 0.8


def test_what_is_missing_is_said_and_the_rest_shown(tmp_path: Path, files: Files) -> None:
    (tmp_path / "torn.nii.gz").write_bytes(b"\x1f\x8b nothing")
    gone = Files(files.synthetic, tmp_path / "gone.nii.gz", tmp_path / "torn.nii.gz", mask=tmp_path / "gone.nii")
    made = pack_case(gone, "ct", GENEROUS, lambda text: text)
    assert set(made.panels) == {"synthetic", "mask"}
    assert set(made.missing) == {"real", "source", "uncertainty", "mask"}
    assert "no such file" in made.missing["real"]
    assert pack_case(Files(), "ct", GENEROUS, str).panels == {}


def test_mr_of_one_case_have_one_scale(tmp_path: Path) -> None:
    mr = HeadPhantom.random(4).mr(head_grid(spacing=(6.0, 6.0, 8.0)))
    write_nifti(mr, tmp_path / "real.nii.gz")
    write_nifti(Volume(mr.array * 0.5, mr.grid), tmp_path / "made.nii.gz")
    made = pack_case(Files(tmp_path / "made.nii.gz", tmp_path / "real.nii.gz"), "mr", GENEROUS, str)
    assert made.panels["real"].high == made.panels["synthetic"].high
    real, synthetic = (read(made.panels[name]).get_fdata() for name in ("real", "synthetic"))
    bright = real > 0.5 * made.panels["real"].high
    assert np.median(synthetic[bright] / real[bright]) == pytest.approx(0.5, abs=0.05)
