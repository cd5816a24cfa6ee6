"""Preparation: geometry and intensities that can be taken back."""

from dataclasses import replace

import numpy as np
import pytest

from medcycle.body import body_mask
from medcycle.config import DataConfig
from medcycle.dataset.bias_field import correct_bias
from medcycle.dataset.preparation import prepare_volume
from medcycle.phantom import T1_GRADIENT_ECHO, HeadPhantom, head_grid
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


def test_mr_by_mean_and_spread() -> None:
    mr = HEAD.mr(head_grid(spacing=(4, 4, 6)))
    config = DataConfig(spacing=(4, 4, None), mr_normalisation="z-score")
    once, brighter = (prepare_volume(volume, "mr", config) for volume in (mr, mr.with_array(mr.array * 7)))
    inside = once.body.array
    assert np.median(np.abs(once.image.array - brighter.image.array)[inside]) < 0.01
    assert abs(once.image.array[inside].mean() - 0.1) < 0.05


@pytest.mark.parametrize("width", [4.0002, 3.9998])
def test_an_axis_that_is_nearly_as_wanted_is_kept(width: float) -> None:
    mr = HEAD.mr(head_grid(spacing=(width, width, 5)))
    prepared = prepare_volume(mr, "mr", DataConfig(spacing=(4, 4, 3)))
    assert prepared.image.grid.shape[:2] == mr.grid.shape[:2]
    np.testing.assert_allclose(prepared.image.grid.spacing, (width, width, 3), atol=1e-6)
    centres = [g.affine @ [*(np.array(g.shape) - 1) / 2, 1] for g in (mr.grid, prepared.image.grid)]
    np.testing.assert_allclose(*centres, atol=1e-6)


@pytest.mark.slow
def test_bias_correction_evens_a_tissue() -> None:
    grid = head_grid(spacing=(2, 2, 8))
    protocol = replace(T1_GRADIENT_ECHO, bias=0.0, noise=0.01)
    even = HEAD.mr(grid, protocol)
    places = (grid.affine[:3, :3] @ np.indices(grid.shape).reshape(3, -1) + grid.affine[:3, 3:]).reshape(3, *grid.shape)
    field = np.exp(0.4 * places[0] / 80 + 0.3 * places[1] / 90).astype(np.float32)
    body = body_mask(even, "mr")
    corrected = correct_bias(even.with_array(even.array * field), body)
    white = body.array & (np.abs(even.array - np.percentile(even.array[body.array], 70)) < 30)

    def unevenness(values: np.ndarray) -> float:
        ratio = values[white] / even.array[white]
        return float(ratio.std() / ratio.mean())

    assert unevenness(even.array * field) > 0.15
    assert unevenness(corrected.array) < 0.6 * unevenness(even.array * field)
    assert corrected.array[body.array].mean() == pytest.approx((even.array * field)[body.array].mean(), rel=1e-3)


@pytest.mark.slow
def test_bias_correction_is_an_option_of_preparation() -> None:
    mr = HEAD.mr(head_grid(spacing=(6, 6, 8)), replace(T1_GRADIENT_ECHO, bias=0.5))
    plain, corrected = (
        prepare_volume(mr, "mr", DataConfig(spacing=(4, 4, None), bias_correction=wanted)) for wanted in (False, True)
    )
    assert plain.image.grid.is_close(corrected.image.grid)
    assert np.abs(plain.image.array - corrected.image.array).max() > 0.05


@pytest.mark.parametrize(("plane", "axes"), [("axial", "RAS"), ("coronal", "RSA"), ("sagittal", "ASR")])
def test_slices_of_every_plane(plane: str, axes: str) -> None:
    ct = HEAD.ct(head_grid(spacing=(3, 3, 3), orientation="PIR"), noise=0)
    config = DataConfig(plane=plane, spacing=(3, 4, 5), soft_tissue=None)  # type: ignore[arg-type]
    prepared = prepare_volume(ct, "ct", config)
    grid = prepared.image.grid
    assert grid.orientation == axes
    np.testing.assert_allclose(grid.spacing, [{"R": 3, "A": 4, "S": 5}[axis] for axis in axes])
    axial = prepare_volume(ct, "ct", config.model_copy(update={"plane": "axial"}))
    on_grid = resample_to(axial.image, grid, background=-1.0).array
    assert np.abs(on_grid - prepared.image.array).mean() < 0.002  # the same voxels in another order
