"""DICOM series: geometry against SimpleITK and against the grid they were written from, and defects refused by name."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings

from medcycle.errors import DefectiveSeries, UnreadableFile
from medcycle.io.dicom.series import find_series, read_series
from medcycle.io.itk import from_itk
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.defects import write_defective_series
from medcycle.phantom.series import write_series
from medcycle.volume import Grid, Volume
from tests.geometry import grids, numbered

GRID = head_grid((24, 20, 12), (8, 8, 14))
HEAD = HeadPhantom.random(4).ct(GRID)


def read(folder: Path) -> Volume:
    (series,) = find_series(folder.iterdir())
    return read_series(series)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=grids())
def test_any_orientation_is_read_where_it_was_written(tmp_path_factory, grid: Grid) -> None:
    folder = tmp_path_factory.mktemp("series")
    volume = numbered(grid)
    write_series(volume, folder, modality="MR")
    found = read(folder)
    # the slice axis may come back turned round; the places and values are what counts
    index = np.indices(grid.shape).reshape(3, -1)
    position = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    at = np.linalg.inv(found.grid.affine[:3, :3]) @ (position - found.grid.affine[:3, 3:])
    np.testing.assert_allclose(at, at.round(), atol=0.02)
    i, j, k = at.round().astype(int)
    np.testing.assert_allclose(found.array[i, j, k], volume.array.ravel(), atol=0.51)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR", "LIP"])
def test_simpleitk_reads_the_same(tmp_path: Path, orientation: str) -> None:
    grid = head_grid((20, 18, 10), (9, 8, 12), orientation, rotation_degrees=(0, 5, 10))
    write_series(HeadPhantom.random(4).ct(grid), tmp_path, modality="CT")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    by_itk = from_itk(reader.Execute())
    ours = read(tmp_path)
    assert ours.grid.is_close(by_itk.grid, 1e-3)
    np.testing.assert_array_equal(ours.array, by_itk.array)


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("missing_slice", "one may be missing"),
        ("spacing_change", "gaps of"),
        ("duplicate_position", "at one position"),
        ("two_echoes", "at one position"),
        ("dixon", "at one position"),
        ("localizer", "orientation"),
        ("gantry_tilt", "askew"),
        ("enhanced_multiframe", "multi-frame"),
    ],
)
def test_defects_are_refused_by_name(tmp_path: Path, defect: str, words: str) -> None:
    modality = "CT" if defect == "gantry_tilt" else "MR"
    write_defective_series(HEAD, tmp_path, defect, modality=modality)
    with pytest.raises(DefectiveSeries, match=words) as caught:
        read(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_jitter_is_accepted(tmp_path: Path) -> None:
    write_defective_series(HEAD, tmp_path, "jitter", modality="CT")
    assert read(tmp_path).grid.is_close(GRID, 0.05)


def test_copies_are_dropped_and_said(tmp_path: Path, caplog) -> None:
    write_defective_series(HEAD, tmp_path, "same_file_twice", modality="CT")
    assert read(tmp_path).array.shape == GRID.shape
    assert "a copy of" in caplog.text


def test_every_slice_has_its_own_rescale(tmp_path: Path) -> None:
    write_defective_series(HEAD, tmp_path, "per_slice_rescale", modality="CT")
    slopes = {float(pydicom.dcmread(path).RescaleSlope) for path in tmp_path.iterdir()}
    assert len(slopes) > 1
    np.testing.assert_allclose(read(tmp_path).array, HEAD.array, atol=max(slopes))


def test_torn_and_foreign_files(tmp_path: Path, caplog) -> None:
    files = write_series(HEAD, tmp_path, modality="CT")
    (tmp_path / "readme").write_text("no DICOM")
    (tmp_path / "empty").touch()
    assert read(tmp_path).array.shape == GRID.shape
    files[3].write_bytes(files[3].read_bytes()[:-500])
    with pytest.raises(UnreadableFile, match=files[3].name):
        read(tmp_path)


def test_one_slice_is_no_volume(tmp_path: Path) -> None:
    for path in write_series(HEAD, tmp_path, modality="CT")[1:]:
        path.unlink()
    with pytest.raises(DefectiveSeries, match="one slice only"):
        read(tmp_path)
