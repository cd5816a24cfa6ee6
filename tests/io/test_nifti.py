"""NIfTI, against nibabel and SimpleITK."""

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings

from medcycle.errors import UnreadableFile
from medcycle.io import discover
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
    # near a half turn, the part of a quaternion that the header leaves out is what rounding of the other three leaves
    of_quaternion = 2 * np.sqrt(2 * np.finfo(np.float32).eps) * max(grid.spacing)
    for (affine, code), within in ((image.get_qform(coded=True), of_quaternion), (image.get_sform(coded=True), 1e-3)):
        assert code == 1
        np.testing.assert_allclose(affine, grid.affine, atol=max(1e-3, within))
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


def headed(path, *, sform=None, sform_code: int = 1, qform=None, qform_code: int = 1) -> Volume:
    """A file whose two forms are set apart."""
    volume = numbered(GRID)
    image = nib.Nifti1Image(volume.array, GRID.affine)
    image.set_qform(GRID.affine if qform is None else qform, qform_code)
    image.set_sform(GRID.affine if sform is None else sform, sform_code)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return volume


GRID = Grid((5, 6, 4), np.array([[-3.0, 0, 0, 20], [0, 3, 0, -30], [0, 0, 6, 5], [0, 0, 0, 1]]))
MOVED = GRID.affine + np.array([[0, 0, 0, 0], [0, 0, 0, 20], [0, 0, 0, -15], [0, 0, 0, 0]])


@pytest.mark.parametrize("codes", [(2, 1), (1, 1), (1, 4)])
def test_forms_that_disagree_are_told_and_kept(tmp_path, caplog, codes: tuple[int, int]) -> None:
    headed(tmp_path / "mr.nii.gz", sform=MOVED, sform_code=codes[0], qform_code=codes[1])
    volume = read_nifti(tmp_path / "mr.nii.gz")
    np.testing.assert_allclose(volume.grid.affine, MOVED, atol=1e-4)
    assert "sform and qform place it up to 25 apart" in caplog.text
    assert "(14.0, -2.5, -1.0) or at (14.0, -22.5, 14.0)" in caplog.text
    write_nifti(volume, tmp_path / "sct.nii.gz", like=tmp_path / "mr.nii.gz")
    source, made = (nib.load(tmp_path / name) for name in ("mr.nii.gz", "sct.nii.gz"))
    for form in ("get_sform", "get_qform"):
        (before, code), (after, other) = (getattr(one, form)(coded=True) for one in (source, made))
        np.testing.assert_allclose(before, after, atol=1e-5)
        assert code == other
    by_itk = [sitk.ReadImage(tmp_path / name) for name in ("mr.nii.gz", "sct.nii.gz")]
    assert by_itk[0].GetOrigin() == by_itk[1].GetOrigin()
    np.testing.assert_array_equal(np.asarray(made.dataobj), np.asarray(source.dataobj))


def test_a_form_rounded_by_its_file_is_no_disagreement(tmp_path, caplog) -> None:
    headed(tmp_path / "a.nii.gz", sform=GRID.affine + np.eye(4, k=3) * 0.1)
    read_nifti(tmp_path / "a.nii.gz")
    assert not caplog.text


@pytest.mark.parametrize("bad", ["zero sform", "flat sform", "nan sform", "bad qform"])
def test_the_valid_form_is_taken(tmp_path, bad: str, caplog) -> None:
    path = tmp_path / "a.nii"
    headed(path)
    content = bytearray(path.read_bytes())
    if bad == "bad qform":
        content[76:92] = np.array([1, 0, -3, 6], "<f4").tobytes()  # pixdim
        content[256:268] = np.array([9, 9, 9], "<f4").tobytes()  # quaternion
    else:
        rows = {"zero sform": [0] * 12, "flat sform": [1, 0, 0, 0] * 3, "nan sform": [np.nan] * 12}[bad]
        content[280:328] = np.array(rows, "<f4").tobytes()
    path.write_bytes(content)
    volume = read_nifti(path)
    np.testing.assert_allclose(volume.grid.affine, GRID.affine, atol=1e-4)
    assert f"its {bad.split()[1]} is not a valid affine" in caplog.text
    write_nifti(volume, tmp_path / "b.nii.gz", like=path)
    made = nib.load(tmp_path / "b.nii.gz")
    np.testing.assert_allclose(made.get_sform(), GRID.affine, atol=1e-4)
    np.testing.assert_allclose(made.get_qform(), GRID.affine, atol=1e-4)


def test_without_a_valid_form_it_is_refused(tmp_path) -> None:
    path = tmp_path / "a.nii"
    headed(path, qform_code=0)
    content = bytearray(path.read_bytes())
    content[280:328] = bytes(48)
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match="neither sform nor qform"):
        read_nifti(path)


def test_no_orientation_stays_none(tmp_path, caplog) -> None:
    headed(tmp_path / "a.nii.gz", sform_code=0, qform_code=0)
    volume = read_nifti(tmp_path / "a.nii.gz")
    assert "gives no orientation" in caplog.text
    write_nifti(volume, tmp_path / "b.nii.gz", like=tmp_path / "a.nii.gz")
    images = [nib.load(tmp_path / name) for name in ("a.nii.gz", "b.nii.gz")]
    np.testing.assert_array_equal(images[0].affine, images[1].affine)
    assert images[1].header["sform_code"] == images[1].header["qform_code"] == 0


def test_lengths_in_metres_keep_their_place(tmp_path) -> None:
    headed(tmp_path / "a.nii.gz", sform=MOVED)
    image = nib.load(tmp_path / "a.nii.gz")
    image.header.set_xyzt_units("meter")
    nib.save(nib.Nifti1Image(image.dataobj, None, image.header), tmp_path / "m.nii.gz")
    volume = read_nifti(tmp_path / "m.nii.gz")
    write_nifti(volume, tmp_path / "b.nii.gz", like=tmp_path / "m.nii.gz")
    made = nib.load(tmp_path / "b.nii.gz")
    np.testing.assert_allclose(made.get_sform(), volume.grid.affine, rtol=1e-5)
    np.testing.assert_allclose(made.get_qform()[:3, 3], 1000 * GRID.affine[:3, 3], rtol=1e-5)


def test_compression_is_told_by_content(tmp_path) -> None:
    volume = headed(tmp_path / "a.nii.gz")
    packed = (tmp_path / "a.nii.gz").read_bytes()
    whole = gzip.decompress(packed)
    (tmp_path / "packed.nii").write_bytes(packed)
    (tmp_path / "whole.nii.gz").write_bytes(whole)
    (tmp_path / "two.nii.gz").write_bytes(gzip.compress(whole[:400]) + gzip.compress(whole[400:]))
    for name in ("packed.nii", "whole.nii.gz", "two.nii.gz"):
        again = read_nifti(tmp_path / name)
        np.testing.assert_array_equal(again.array, volume.array)
        assert again.grid.is_close(GRID)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.nii.gz", b"/annex/objects/MD5E-s123--0.nii.gz\n", "git-annex pointer"),
        ("a.nii", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.nii", b"", "empty"),
        ("a.nii", bytes(128) + b"DICM" + bytes(400), r"a DICOM file, not NIfTI; name it \.dcm"),
        ("a.nii.gz", b"NRRD0004\ntype: float\n" + bytes(600), r"an NRRD file, not NIfTI; name it \.nrrd"),
        ("a.nii", b"PK\x03\x04" + bytes(600), "a zip archive"),
    ],
)
def test_each_kind_of_wrong_file_has_its_message(tmp_path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFile, match=words):
        read_nifti(tmp_path / name)


@pytest.mark.parametrize("packed", [False, True])
def test_pairs_of_header_and_voxels(tmp_path, packed: bool) -> None:
    volume = numbered(GRID)
    suffix = ".gz" if packed else ""
    nib.save(nib.Nifti1Pair(volume.array, GRID.affine), tmp_path / f"a.img{suffix}")
    (source,) = discover(tmp_path)
    assert {file.name for file in source.files} == {f"a.hdr{suffix}", f"a.img{suffix}"}
    np.testing.assert_array_equal(source.read().array, volume.array)
    assert source.read().grid.is_close(GRID)
    (tmp_path / f"a.img{suffix}").unlink()
    with pytest.raises(UnreadableFile, match=r"\(\.img\) that belongs to this header is missing"):
        discover(tmp_path)[0].read()


def test_analyze_has_no_orientation(tmp_path, caplog) -> None:
    nib.save(nib.AnalyzeImage(numbered(GRID).array.astype(np.int16), np.diag([3.0, 3, 6, 1])), tmp_path / "a.img")
    assert read_nifti(tmp_path / "a.hdr").grid.spacing == (3, 3, 6)
    assert "Analyze header gives no orientation" in caplog.text


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_four_dimensions_of_one_frame(tmp_path, suffix: str) -> None:
    volume = numbered(GRID)
    joined = sitk.JoinSeries([to_itk(volume)])
    sitk.WriteImage(joined, tmp_path / f"a{suffix}")
    again = discover(tmp_path)[0].read()
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.grid.is_close(GRID, 1e-3)
    sitk.WriteImage(sitk.JoinSeries([to_itk(volume)] * 2), tmp_path / f"a{suffix}")
    with pytest.raises(UnreadableFile, match="dimension"):
        discover(tmp_path)[0].read()
