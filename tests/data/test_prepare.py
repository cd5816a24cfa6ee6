"""Preparation: geometry and intensities that can be taken back."""

import numpy as np
import pytest

from medcycle.config import DataConfig
from medcycle.data.prepare import prepare_volume
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.resample import resample_to
from medcycle.volume import Grid, Volume

HEAD = HeadPhantom.random(5)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "LIP"])
def test_there_and_back(orientation: str) -> None:
    grid = head_grid(spacing=(3, 3, 3), orientation=orientation, rotation_degrees=(0, 4, 7))
    ct = HEAD.ct(grid, noise=0)
    prepared = prepare_volume(ct, "ct", DataConfig(spacing=(3, 3, None)))
    assert prepared.image.grid.orientation == "RAS"
    assert (prepared.image.array.min(), prepared.image.array.max() <= 1) == (-1, True)
    again = resample_to(
        prepared.image.with_array(prepared.intensity.inverse(prepared.image.array)), grid, background=-1024
    )
    body = (
        resample_to(prepared.body.with_array(prepared.body.array.astype(np.float32)), grid, background=0).array > 0.99
    )
    difference = np.abs(again.array - np.clip(ct.array, -1024, 2000))[body]
    assert np.mean(difference) < 2


def test_spacing_is_as_asked_and_the_field_of_view_kept() -> None:
    mr = HEAD.mr(head_grid(spacing=(2, 2.5, 6)))
    prepared = prepare_volume(mr, "mr", DataConfig(spacing=(4, 4, None)))
    np.testing.assert_allclose(prepared.image.grid.spacing, (4, 4, 6), atol=1e-3)
    np.testing.assert_allclose(prepared.image.grid.field_of_view, mr.grid.field_of_view, atol=4)
    assert prepared.image.array.dtype == np.float32
    assert (prepared.image.array[~prepared.body.array] == -1).all()


def test_resampling_reaches_the_border() -> None:
    """No dark frame: a field without air comes back without background at its edges."""
    grid = Grid((33, 35, 9), np.diag([1.0, 1, 3, 1]))
    flat = Volume(np.full(grid.shape, 100.0, np.float32), grid)
    prepared = prepare_volume(flat, "ct", DataConfig(spacing=(2, 2, None)))
    again = resample_to(prepared.image, grid, background=-9).array
    assert again.min() > -1


def test_fine_structure_does_not_alias() -> None:
    """Stripes too fine for the new spacing turn grey instead of into other stripes."""
    grid = Grid((60, 60, 4), np.eye(4))
    stripes = np.where(np.indices(grid.shape)[0] % 2, 1000.0, 0.0)
    prepared = prepare_volume(Volume(stripes, grid), "ct", DataConfig(spacing=(4, 4, None)))
    hounsfield = prepared.intensity.inverse(prepared.image.array)[2:-2, 2:-2]
    assert np.ptp(hounsfield) < 50
    assert hounsfield.mean() == pytest.approx(500, abs=20)
