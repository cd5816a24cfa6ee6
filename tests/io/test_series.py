"""DICOM series: geometry against SimpleITK and against the grid they were written from."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings

from medcycle.io.dicom.gate import find_series
from medcycle.io.dicom.series import read_series
from medcycle.io.itk import from_itk
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from medcycle.volume import Grid, Volume
from tests.geometry import grids, numbered


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
