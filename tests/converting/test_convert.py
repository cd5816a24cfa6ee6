"""`medcycle convert` and `mc.convert`: files in, files out."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import PositronEmissionTomographyImageStorage

import medcycle as mc
from medcycle import __version__
from medcycle.cli.main import execute
from medcycle.converting.attenuation import linear_attenuation
from medcycle.converting.description import SKULL_FILES
from medcycle.evaluation.density import table
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from medcycle.volume import Grid, Volume

GRID = head_grid(spacing=(4.0, 4.0, 5.0))
HEAD = HeadPhantom.random(7)
DATA_WRONG, CALL_WRONG = 1, 2
MAPS = {
    "mu-map": ("mu_511keV_per_cm.nii.gz", lambda hu: linear_attenuation(hu, 120)),
    "red": ("red_relative_to_water.nii.gz", table("generic").of),
    "spr": ("spr_relative_to_water.nii.gz", lambda hu: np.interp(hu, [-1000, 0, 1500], [0.001, 1, 1.75])),
}


def pet_series(folder: Path) -> Grid:
    """A PET of another orientation, coarser and longer than the CT."""
    affine = np.diag([-6.0, -6.0, 8.0, 1])
    affine[:3, 3] = [110, 130, -180]
    volume = Volume(np.random.default_rng(0).random((36, 40, 36)) * 900, Grid((36, 40, 36), affine))
    for file in write_series(volume, folder, modality="CT"):
        dataset = pydicom.dcmread(file)
        dataset.Modality, dataset.Units = "PT", "BQML"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
        dataset.save_as(file)
    return volume.grid


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    ct = HEAD.ct(GRID)
    image = nib.Nifti1Image(ct.array, GRID.affine)
    image.set_sform(GRID.affine, 2)
    image.set_qform(GRID.affine, 1)
    nib.save(image, folder / "sct.nii.gz")
    mc.write_nifti(ct.with_array(np.minimum(ct.array, 200)), folder / "boneless.nii.gz")
    mc.write_nifti(HEAD.mr(GRID), folder / "mr.nii.gz")
    mc.write_nifti(ct.with_array(ct.array + 1024), folder / "offset.nii.gz")
    nib.save(nib.Nifti1Image(np.stack([ct.array] * 2, axis=-1), GRID.affine), folder / "two.nii.gz")
    for case in ("anna", "otto"):
        (folder / "cases" / case).mkdir(parents=True)
        shutil.copy(folder / "sct.nii.gz", folder / "cases" / case)
        mc.write_nifti(ct.with_array(np.full(GRID.shape, 50.0)), folder / "cases" / case / "uncertainty.nii.gz")
    (folder / "spr.csv").write_text("HU,SPR\n-1000,0.001\n0,1\n1500,1.75\n")
    (folder / "red.csv").write_text("HU,RED\n-1000,0.001\n0,1\n1500,1.7\n")
    far = GRID.affine.copy()
    far[:3, 3] += 2000
    mc.write_nifti(Volume(np.zeros(GRID.shape, np.float32), Grid(GRID.shape, far)), folder / "far.nii.gz")
    pet_series(folder / "pet")
    return folder


@pytest.fixture
def world(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(path: Path) -> bytes:
    """Without compression, whose header has a name in it."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def call(line: str) -> int:
    return execute(["convert", *line.split()])


@pytest.mark.parametrize("to", MAPS)
def test_a_map_is_of_every_voxel_on_the_grid_of_the_ct(world: Path, to: str, capfd) -> None:
    name, expected = MAPS[to]
    assert call(f"sct.nii.gz out --to {to}" + (" --hlut spr.csv" if to == "spr" else "")) == 0
    said = capfd.readouterr()
    assert f"wrote out/{name}" in said.out
    assert "research only" in said.out
    made, source = nib.load(world / "out" / name), nib.load("sct.nii.gz")
    np.testing.assert_allclose(made.get_fdata(), expected(source.get_fdata()), rtol=1e-5, atol=1e-7)
    for form in ("qform", "sform"):
        ours, theirs = (getattr(image, f"get_{form}")(coded=True) for image in (made, source))
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)
        assert ours[1] == theirs[1]
    told = json.loads((world / "out" / name.replace(".nii.gz", ".json")).read_text())
    assert told["input"] == {
        "file": "sct.nii.gz",
        "sha256": hashlib.sha256(hashlib.sha256(Path("sct.nii.gz").read_bytes()).digest()).hexdigest(),
    }
    assert (told["files"], told["medcycle"]) == ([name], __version__)
    assert told["use"].startswith("research only")
    assert told["formula"]
    assert told["source"]
    assert sorted(path.name for path in (world / "out").iterdir()) == [name.replace(".nii.gz", ".json"), name]


def test_the_last_value_of_a_table_is_told(world: Path, capfd) -> None:
    assert call("sct.nii.gz out --to spr --hlut spr.csv") == 0
    assert "above 1500 HU, where the table spr ends" in capfd.readouterr().err
    (warning,) = json.loads(Path("out/spr_relative_to_water.json").read_text())["warnings"]
    assert "1500 HU" in warning


def test_the_grid_of_a_pet(world: Path, capfd) -> None:
    """Two points along each axis of a voxel, here as a finer image of SimpleITK that is binned afterwards."""
    assert call("sct.nii.gz out/mu.nii.gz --to mu-map --like pet --kvp 100") == 0
    told = json.loads((world / "out" / "mu.json").read_text())
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames("pet"))
    pet = reader.Execute()
    ct = sitk.ReadImage("sct.nii.gz")
    attenuation = sitk.GetImageFromArray(linear_attenuation(sitk.GetArrayFromImage(ct), 100).astype(np.float32))
    attenuation.CopyInformation(ct)
    fine = sitk.Resample(
        attenuation, sitk.Expand(pet, [2, 2, 2], sitk.sitkNearestNeighbor), sitk.Transform(), sitk.sitkLinear, 0.0
    )
    made = sitk.ReadImage("out/mu.nii.gz")
    np.testing.assert_allclose(made.GetOrigin(), pet.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(made.GetDirection(), pet.GetDirection(), atol=1e-5)
    expected, found = sitk.GetArrayFromImage(sitk.BinShrink(fine, [2, 2, 2])), sitk.GetArrayFromImage(made)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    outside = told["like"]["outside_of_ct"]
    assert 0.1 < outside < 0.9
    assert f"{outside:.1%} of the voxels of pet lie outside" in capfd.readouterr().err
    assert told["parameters"] == {"kvp": 100, "a": 4.43e-5, "b": 5.44e-2, "fwhm_mm": None}


def test_smoothing_keeps_the_sum(world: Path) -> None:
    assert call("sct.nii.gz plain.nii.gz --to mu-map") == 0
    assert call("sct.nii.gz smooth.nii.gz --to mu-map --fwhm 12") == 0
    plain, smooth = (mc.read(f"{name}.nii.gz").array.astype(float) for name in ("plain", "smooth"))
    assert smooth.sum() == pytest.approx(plain.sum(), rel=0.02)
    assert smooth.max() < 0.95 * plain.max()


def test_a_skull(world: Path) -> None:
    assert call("sct.nii.gz out --to skull --spacing 3 --acoustics aubry --threshold 300") == 0
    assert sorted(path.name for path in (world / "out").iterdir()) == sorted([*SKULL_FILES, "skull.json"])
    told = json.loads((world / "out" / "skull.json").read_text())
    images = {name: nib.load(world / "out" / name) for name in SKULL_FILES if name.endswith(".nii.gz")}
    assert {image.header.get_zooms() for image in images.values()} == {(3.0, 3.0, 3.0)}
    assert {image.shape for image in images.values()} == {tuple(told["grid"]["shape"])}
    mask = np.asarray(images["bone_mask.nii.gz"].dataobj)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1}
    assert told["bone_cm3"] == pytest.approx(mask.sum() * 0.027, abs=0.001)
    assert told["surface_encloses_cm3"] == pytest.approx(told["bone_cm3"], rel=0.1)
    assert told["parameters"]["bone_threshold_hu"] == 300
    density = images["density_kg_m3.nii.gz"].get_fdata()
    assert density[mask == 1].max() == pytest.approx(2200, rel=1e-3)  # of what has the reference HU
    assert images["sound_speed_m_s.nii.gz"].get_fdata()[mask == 1].max() == pytest.approx(3100, rel=1e-3)
    assert told["parameters"]["reference_hu"] > 1000


def test_padding_is_air_and_metal_is_cut_off(world: Path) -> None:
    """Before anything is interpolated: padding of −3024 through a neck would make the bone beside it thinner."""
    ct = mc.read("sct.nii.gz")
    for name, low, high in (("wild", -3024, 20_000), ("tame", -1024, 3100)):
        values = ct.array.copy()
        values[:, :, :8] = low
        values[24, 30, 30] = high
        mc.write_nifti(ct.with_array(values), f"{name}.nii.gz")
        assert call(f"{name}.nii.gz {name} --to skull --spacing 3") == 0
        assert call(f"{name}.nii.gz {name}-mu.nii.gz --to mu-map --fwhm 6") == 0
    for name in [*(f"{{}}/{file}" for file in SKULL_FILES), "{}-mu.nii.gz"]:
        assert content(Path(name.format("wild"))) == content(Path(name.format("tame")))


def test_an_offset_is_taken_off(world: Path, capfd) -> None:
    assert call("offset.nii.gz out --to mu-map") == DATA_WRONG
    assert "--ct-offset 1024" in capfd.readouterr().err
    assert call("offset.nii.gz out --to mu-map --ct-offset 1024") == 0
    assert call("sct.nii.gz plain --to mu-map") == 0
    name = MAPS["mu-map"][0]
    np.testing.assert_allclose(mc.read(f"out/{name}").array, mc.read(f"plain/{name}").array, atol=1e-6)


def test_cases_get_a_folder_each(world: Path, capfd) -> None:
    name = MAPS["red"][0]
    assert call("cases out --to red") == 0
    assert sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.nii.gz")) == [
        f"anna/{name}",
        f"otto/{name}",
    ]
    assert call("cases/anna one --to red") == 0  # the folder of one case
    assert content(Path("one", name)) == content(Path("out", "anna", name))
    shutil.copy("mr.nii.gz", "cases/anna/sct.nii.gz")
    assert call("cases again --to red") == DATA_WRONG
    said = capfd.readouterr().err
    assert "1 of 2 failed, the others are done" in said
    assert "cases/anna/sct.nii.gz" in said
    assert [path.name for path in Path("again").iterdir()] == ["otto"]


def test_a_series_is_taken(world: Path) -> None:
    write_series(mc.read("sct.nii.gz"), Path("series"), modality="CT")
    assert call("series out --to red") == 0
    made = mc.read("out/red_relative_to_water.nii.gz")
    assert made.grid.is_close(mc.read("series").grid)


def test_python_writes_what_the_command_writes(world: Path) -> None:
    assert call("sct.nii.gz command --to mu-map --kvp 140 --fwhm 5 --like pet") == 0
    files = mc.convert("sct.nii.gz", "python", to="mu-map", kvp=140, fwhm=5, like="pet")
    assert files == [Path("python/mu_511keV_per_cm.nii.gz")]
    assert call("sct.nii.gz command2 --to skull --acoustics marsac") == 0
    files = mc.convert("sct.nii.gz", "python2", to="skull", acoustics="marsac")
    assert files == [Path("python2") / name for name in SKULL_FILES]
    for one, other in (("command", "python"), ("command2", "python2")):
        names = sorted(path.name for path in Path(one).iterdir())
        assert names == sorted(path.name for path in Path(other).iterdir())
        assert [name for name in names if content(Path(one, name)) != content(Path(other, name))] == []


WRONG = {
    "no volume": ("gone.nii.gz out --to red", CALL_WRONG, "gone.nii.gz"),
    "an mr": ("mr.nii.gz out --to mu-map", DATA_WRONG, "mr.nii.gz: not a CT in Hounsfield units"),
    "an mr as skull": ("mr.nii.gz out --to skull", DATA_WRONG, "is it an MR?"),
    "four dimensions": ("two.nii.gz out --to red", DATA_WRONG, "two.nii.gz"),
    "no such target": ("sct.nii.gz out --to dose", CALL_WRONG, "dose"),
    "no target": ("sct.nii.gz out", CALL_WRONG, "--to"),
    "stopping power without a table": ("sct.nii.gz out --to spr", CALL_WRONG, "needs --hlut FILE: stopping power"),
    "a table of the other kind": ("sct.nii.gz out --to spr --hlut red.csv", CALL_WRONG, "red.csv: by its heading"),
    "no table": ("sct.nii.gz out --to red --hlut gone.csv", CALL_WRONG, "gone.csv"),
    "a voltage that is not published": ("sct.nii.gz out --to mu-map --kvp 90", CALL_WRONG, "80, 100, 110, 120"),
    "a voltage for density": ("sct.nii.gz out --to red --kvp 120", CALL_WRONG, "--kvp is of --to mu-map"),
    "a table for attenuation": ("sct.nii.gz out --to mu-map --hlut red.csv", CALL_WRONG, "--hlut is of --to red, spr"),
    "a grid for a skull": ("sct.nii.gz out --to skull --like pet", CALL_WRONG, "--like is of --to mu-map, red, spr"),
    "a grid for many": ("cases out --to red --like pet", CALL_WRONG, "one by one"),
    "a grid elsewhere": ("sct.nii.gz out --to red --like far.nii.gz", DATA_WRONG, "register the two first"),
    "no grid": ("sct.nii.gz out --to red --like gone.nii.gz", CALL_WRONG, "gone.nii.gz"),
    "voxels too small": ("sct.nii.gz out --to skull --spacing 0.01", CALL_WRONG, "--spacing 0.01: give a number from"),
    "too much smoothing": ("sct.nii.gz out --to mu-map --fwhm 50", CALL_WRONG, "--fwhm 50: give a number from"),
    "not a number": ("sct.nii.gz out --to mu-map --fwhm nan", CALL_WRONG, "--fwhm nan: give a number from"),
    "bone nowhere": ("boneless.nii.gz out --to skull", DATA_WRONG, "lower --threshold"),
    "a skull in a file": ("sct.nii.gz out.nii.gz --to skull", CALL_WRONG, "out.nii.gz: one file"),
    "many in a file": ("cases out.nii.gz --to red", CALL_WRONG, "out.nii.gz: one file"),
    "another format": ("sct.nii.gz out.mha --to red", CALL_WRONG, "out.mha: NIfTI is written"),
    "a full folder": ("sct.nii.gz cases --to red", CALL_WRONG, "nothing is overwritten"),
    "a file that is there": ("sct.nii.gz mr.nii.gz --to red", CALL_WRONG, "mr.nii.gz: already exists"),
}


@pytest.mark.parametrize(("line", "status", "message"), WRONG.values(), ids=WRONG)
def test_wrong_calls_and_data(world: Path, line: str, status: int, message: str, capfd) -> None:
    before = {path: path.read_bytes() for path in world.rglob("*") if path.is_file()}
    assert call(line) == status
    *_, error = capfd.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert {path: path.read_bytes() for path in world.rglob("*") if path.is_file()} == before
    assert not (world / "out").exists()


def test_a_description_that_is_there_is_kept(world: Path) -> None:
    Path("mine.json").write_text("{}")
    assert call("sct.nii.gz mine.nii.gz --to red") == CALL_WRONG
    assert Path("mine.json").read_text() == "{}"
    assert not Path("mine.nii.gz").exists()
