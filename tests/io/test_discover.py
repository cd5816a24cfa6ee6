"""What is found in folders."""

from pathlib import Path

import pytest
import SimpleITK as sitk

from medcycle.errors import DefectiveSeries, EmptyFolder, UnreadableFile, UsageError
from medcycle.io import discover, read_volume, write_nifti
from medcycle.io.detached import voxel_files
from medcycle.io.discover import LONGEST_NAME, registered_name, stem
from medcycle.phantom import head_grid
from medcycle.phantom.dicom_series import Identity, write_series
from tests.geometry import numbered

GRID = head_grid((8, 7, 6), (4, 4, 4))


def test_files_and_series_at_any_depth(tmp_path) -> None:
    volume = numbered(GRID)
    for name in ("a.nii.gz", "sub/a.nii", "sub-01/anat/T1 w.nii.gz", ".hidden/b.nii.gz"):
        write_nifti(volume, tmp_path / name)
    write_series(volume, tmp_path / "patient" / "series", modality="MR", identity=Identity(seed=1))
    write_series(volume, tmp_path / "mixed", modality="MR", identity=Identity(seed=2))
    for number, path in enumerate(write_series(volume, tmp_path / "other", modality="CT", identity=Identity(seed=3))):
        path.rename(tmp_path / "mixed" / f"other{number}")
    (tmp_path / "other").rmdir()
    (tmp_path / "notes.txt").write_text("nothing")
    sources = discover(tmp_path)
    names = [source.name for source in sources]
    assert len(set(names)) == len(names)
    assert {"a", "sub_a", "sub-01_anat_T1-w", "patient_series"} <= set(names)
    mixed = {source.name: source.series.modality for source in sources if source.path.name == "mixed"}
    assert mixed == {"mixed_generated-MR": "MR", "mixed_generated-CT": "CT"}
    assert next(source.patient for source in sources if source.name == "sub-01_anat_T1-w") == "sub-01"
    assert len(sources) == 6
    for source in sources:
        assert source.read().grid.shape == GRID.shape


def test_one_volume_is_one_volume(tmp_path) -> None:
    volume = numbered(GRID)
    write_series(volume, tmp_path / "one", modality="CT")
    assert read_volume(tmp_path / "one").grid.is_close(GRID, 1e-3)
    write_series(volume, tmp_path / "one" / "two", modality="CT", identity=Identity(seed=5))
    with pytest.raises(EmptyFolder, match="expected one volume, found 2"):
        read_volume(tmp_path / "one")
    with pytest.raises(UsageError, match="nowhere"):
        read_volume(tmp_path / "nowhere")
    (tmp_path / "a.txt").touch()
    with pytest.raises(UnreadableFile, match="known are"):
        read_volume(tmp_path / "a.txt")


def test_a_single_dicom_file_is_taken_alone(tmp_path) -> None:
    files = write_series(numbered(GRID), tmp_path / "series", modality="MR")
    (source,) = discover(files[2])
    assert source.files == (files[2],)
    assert source.name == "series"
    with pytest.raises(DefectiveSeries, match="only one slice"):
        read_volume(files[2])


def test_names_that_are_numbered_are_nobody_elses(tmp_path) -> None:
    for name in ("a-2.nii.gz", "a.nii.gz", "a.nii", "z/患者一.nii", "z/患者二.nii", f"{'x' * 200}.nii"):
        write_nifti(numbered(GRID), tmp_path / name)
    names = [source.name for source in discover(tmp_path)]
    assert len(set(names)) == 6
    assert {"a", "a-2", "a-3"} <= set(names)
    assert max(map(len, names)) <= LONGEST_NAME
    for number in (1, 2):
        write_nifti(numbered(GRID), tmp_path / "only" / f"{'患' * number}.nii")
    before = {source.name: source.path for source in discover(tmp_path / "only")}
    write_nifti(numbered(GRID), tmp_path / "only" / "0者.nii")
    assert before.items() <= {source.name: source.path for source in discover(tmp_path / "only")}.items()


def test_links_to_folders_are_followed_once(tmp_path) -> None:
    top = tmp_path / "top"
    write_nifti(numbered(GRID), tmp_path / "elsewhere" / "a.nii")
    write_nifti(numbered(GRID), top / "b.nii")
    (top / "p0").symlink_to(tmp_path / "elsewhere")
    (top / "again").symlink_to(top)
    (tmp_path / "elsewhere" / "back").symlink_to(top)
    assert sorted(source.path.name for source in discover(top)) == ["a.nii", "b.nii"]


def test_headers_name_the_files_of_their_voxels(tmp_path) -> None:
    image = sitk.GetImageFromArray(numbered(GRID).array)
    for name in ("one.mhd", "two.mha", "three.nrrd", "four.nhdr"):
        sitk.WriteImage(image, str(tmp_path / name))
    (tmp_path / "four.nhdr").rename(tmp_path / "four.nrrd")
    files = {source.name: [file.name for file in source.files] for source in discover(tmp_path)}
    assert files == {
        "one": ["one.mhd", "one.raw"],
        "two": ["two.mha"],
        "three": ["three.nrrd"],
        "four": ["four.nrrd", "four.raw"],
    }


@pytest.mark.parametrize("line", ["ElementDataFile = s%02d.raw 1 3 1", "ElementDataFile = LIST\ns01.raw\ns02.raw"])
def test_voxels_in_a_file_a_slice(line: str, tmp_path) -> None:
    for number in (1, 2):
        (tmp_path / f"s{number:02d}.raw").write_bytes(b"0")
    (tmp_path / "a.mhd").write_text(f"ObjectType = Image\n{line}\n")
    assert [file.name for file in voxel_files(tmp_path / "a.mhd")] == ["s01.raw", "s02.raw"]


def test_stems(tmp_path) -> None:
    assert [stem(tmp_path / name) for name in ("a.b.nii.gz", "c.NII", "d.mha")] == ["a.b", "c", "d"]
    assert stem(Path("a-ct-on-mr.nii.gz")) == stem(Path("a-mr-on-ct.nii.gz")) == "a"
    assert stem(Path(registered_name("sub-1_T1w", "mr"))) == "sub-1_T1w"
    assert stem(Path("-ct-on-mr.nii.gz")) == "-ct-on-mr"  # of nothing


def test_subjects_of_bids_names(tmp_path) -> None:
    top = tmp_path / "sub-study"
    head = numbered(GRID)
    for name in ("sub-01/anat/scan", "sub-02_T1w", "plain", "substitute", "sub-03x/sub-04_T2w"):
        write_nifti(head, top / f"{name}.nii.gz")
    found = {source.name: (source.known_patient, source.patient) for source in discover(top)}
    assert found == {
        "plain": ("", "plain"),  # the folder above is no subject
        "sub-01_anat_scan": ("sub-01", "sub-01"),
        "sub-02_T1w": ("sub-02", "sub-02"),
        "sub-03x_sub-04_T2w": ("sub-04", "sub-04"),
        "substitute": ("", "substitute"),
    }
    (alone,) = discover(top / "sub-02_T1w.nii.gz")
    assert alone.patient == "sub-02"
