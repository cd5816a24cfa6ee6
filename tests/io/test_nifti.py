"""NIfTI, against nibabel and SimpleITK."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings

from medcycle.errors import UnreadableFile
from medcycle.io.itk import from_itk, read_itk, to_itk
from medcycle.io.nifti import read_nifti, read_nifti_grid, write_nifti
from medcycle.volume import Grid, Volume
from tests.geometry import grids, numbered

EVERY_GRID = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EVERY_GRID
@given(grid=grids())
def test_nibabel_and_simpleitk_see_the_same_places(tmp_path, grid: Grid) -> None:
    volume = numbered(grid)
    write_nifti(volume, tmp_path / "v.nii.gz")
    image = nib.load(tmp_path / "v.nii.gz")
    for affine, code in (image.get_qform(coded=True), image.get_sform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(affine, grid.affine, atol=1e-3)
    assert image.header.get_xyzt_units()[0] == "mm"
    by_itk = sitk.ReadImage(tmp_path / "v.nii.gz")
    for index in ((0, 0, 0), tuple(n - 1 for n in grid.shape), (1, 0, 1)):
        x, y, z = by_itk.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((-x, -y, z), (grid.affine @ (*index, 1))[:3], atol=1e-3)
        assert by_itk.GetPixel(index) == volume.array[index]


@EVERY_GRID
@given(grid=grids())
def test_what_is_written_is_read(tmp_path, grid: Grid) -> None:
    volume = numbered(grid)
    write_nifti(volume, tmp_path / "v.nii.gz")
    again = read_nifti(tmp_path / "v.nii.gz")
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.grid.is_close(grid, 1e-4)
    assert read_nifti_grid(tmp_path / "v.nii.gz").is_close(again.grid, 0)


@EVERY_GRID
@given(grid=grids())
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_nrrd_and_mha_by_simpleitk(tmp_path, grid: Grid, suffix: str) -> None:
    volume = numbered(grid)
    sitk.WriteImage(to_itk(volume), tmp_path / f"v{suffix}")
    again = read_itk(tmp_path / f"v{suffix}")
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.grid.is_close(grid, 1e-4)
    sitk.WriteImage(to_itk(volume), tmp_path / "v.nii")
    assert read_nifti(tmp_path / "v.nii").grid.is_close(grid, 1e-3)
    np.testing.assert_array_equal(from_itk(to_itk(volume)).array, volume.array)


def test_slope_and_intercept_are_applied(tmp_path) -> None:
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    nib.save(image, tmp_path / "v.nii")
    stored = nib.load(tmp_path / "v.nii").get_fdata()
    np.testing.assert_array_equal(read_nifti(tmp_path / "v.nii").array, stored)


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1), ("meter", 1000), ("micron", 0.001)])
def test_units_become_millimetres(tmp_path, unit: str, scale: float) -> None:
    image = nib.Nifti1Image(np.zeros((2, 3, 4), np.float32), np.diag([1.0, 2, 3, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "v.nii")
    np.testing.assert_allclose(read_nifti(tmp_path / "v.nii").grid.spacing, np.array([1, 2, 3]) * scale)


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float64, np.uint8, np.int16])
def test_every_type_can_be_written(tmp_path, dtype) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
    write_nifti(Volume(array, Grid((2, 3, 4), np.eye(4))), tmp_path / "v.nii.gz")
    np.testing.assert_array_equal(read_nifti(tmp_path / "v.nii.gz").array, array)


def broken(kind: str, path) -> None:
    good = path.with_name("good.nii.gz")
    generator = np.random.default_rng(0)
    nib.save(nib.Nifti1Image(generator.normal(size=(30, 30, 30)).astype(np.float32), np.eye(4)), good)
    whole = good.read_bytes()
    four = nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.float32), np.eye(4))
    colours = np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    match kind:
        case "text":
            path.write_text("this is not a volume")
        case "empty":
            path.write_bytes(b"")
        case "cut in the header":
            path.write_bytes(whole[:60])
        case "cut in the voxels":
            path.write_bytes(whole[: len(whole) // 2])
        case "cut before compression":
            path.write_bytes(gzip.compress(gzip.decompress(whole)[:-1000]))
        case "four dimensions":
            nib.save(four, path)
        case "colours":
            nib.save(nib.Nifti1Image(colours, np.eye(4)), path)
    good.unlink()


BROKEN = [
    "text",
    "empty",
    "cut in the header",
    "cut in the voxels",
    "cut before compression",
    "four dimensions",
    "colours",
]


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_named(tmp_path, kind: str) -> None:
    path = tmp_path / "broken.nii.gz"
    broken(kind, path)
    with pytest.raises(UnreadableFile, match=r"broken\.nii\.gz"):
        read_nifti(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("keep", [0, 20, 0.6])
def test_broken_nrrd_and_mha_are_named(tmp_path, suffix: str, keep: float) -> None:
    path = tmp_path / f"broken{suffix}"
    generator = np.random.default_rng(0)
    image = sitk.GetImageFromArray(generator.normal(size=(20, 20, 20)).astype(np.float32))
    sitk.WriteImage(image, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(UnreadableFile, match="broken"):
        read_itk(path)


def test_a_failed_write_leaves_nothing(tmp_path) -> None:
    volume = Volume(np.zeros((2, 2, 2), complex), Grid((2, 2, 2), np.eye(4)))
    with pytest.raises(nib.filebasedimages.ImageFileError):
        write_nifti(volume, tmp_path / "folder" / "v.unknown")
    assert list((tmp_path / "folder").iterdir()) == []
