"""Errors by tissue, level and density against NumPy, SciPy and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medcycle.evaluation import metrics, tissues

SHAPE = (12, 11, 10)


def hounsfield(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.choice([-1000.0, -700.0, -90.0, 40.0, 500.0, 1500.0], shape) + random.normal(0, 40, shape)


@given(seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_tissues_share_out_all_voxels_and_all_of_the_error(seed: int) -> None:
    real, synthetic, mask = hounsfield(seed), hounsfield(seed + 1), hounsfield(seed + 2) > -500
    found = tissues.by_tissue(real, synthetic, mask, voxel_ml=0.5)
    voxels = [one["voxels"] for one in found.values()]
    assert sum(voxels) == mask.sum()
    parts = sum(one["voxels"] * one["mae"] for one in found.values() if one["voxels"])
    assert parts / mask.sum() == pytest.approx(metrics.mae(real, synthetic, mask))
    bone = mask & (real >= 250) & (real < 1000)
    assert found["bone"]["me"] == pytest.approx((synthetic - real)[bone].mean())
    assert found["bone"]["ml"] == pytest.approx(bone.sum() / 2)


def test_tissues_leave_no_gap() -> None:
    bounds = list(tissues.TISSUES.values())
    assert bounds[0][0] == -np.inf
    assert bounds[-1][1] == np.inf
    assert all(high == low for (_, high), (low, _) in pairwise(bounds))


def test_a_tissue_that_is_not_there_has_no_error() -> None:
    real = np.full(SHAPE, 40.0)
    found = tissues.by_tissue(real, real + 5, np.ones(SHAPE, bool), 1.0)
    assert found["bone"] == {"low": 250.0, "high": 1000.0, "voxels": 0, "mae": None, "me": None, "rmse": None, "ml": 0}
    assert found["soft tissue"]["mae"] == 5


@given(seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_regression_is_that_of_scipy(seed: int) -> None:
    real = hounsfield(seed).ravel()
    synthetic = 0.6 * real + hounsfield(seed + 1).ravel()
    found, expected = tissues.regression(real, synthetic), stats.linregress(real, synthetic)
    assert found["slope"] == pytest.approx(expected.slope)
    assert found["intercept"] == pytest.approx(expected.intercept)
    assert found["r2"] == pytest.approx(expected.rvalue**2)


def test_calibration_finds_a_bone_that_is_too_soft() -> None:
    real = np.linspace(-1025, 1800, 40_000).reshape(50, 40, 20)
    synthetic = np.where(real >= 250, 250 + 0.4 * (real - 250), real)
    found = tissues.calibration(real, synthetic, np.ones(real.shape, bool))
    assert found["bone"]["slope"] == pytest.approx(0.4)
    assert found["bone"]["me"] == pytest.approx(-0.6 * (1800 - 250) / 2, rel=0.01)
    curve = found["curve"]
    below = np.array(curve["real"]) < 200
    assert np.allclose(np.array(curve["mean"])[below], np.array(curve["real"])[below], atol=5)
    assert sum(curve["voxels"]) == real.size


@pytest.mark.parametrize("values", [np.full(100, 40.0), np.array([1.0, 2.0]), np.array([])])
def test_too_little_for_a_line(values: np.ndarray) -> None:
    assert tissues.regression(values, values)["slope"] is None


def test_histograms_count_every_voxel_be_it_beyond_the_edges() -> None:
    real = np.array([[[-5000.0, 9000.0, 0.0]]])
    found = tissues.histogram(real, real, np.ones(real.shape, bool))
    assert sum(found["real"]) == 3
    assert found["real"][0] == found["real"][-1] == 1
    assert len(found["edges"]) == len(found["real"]) + 1


@pytest.mark.parametrize("upwards", [True, False])
def test_levels_run_from_the_feet_upwards(upwards: bool) -> None:
    real, mask = hounsfield(0), np.ones(SHAPE, bool)
    mask[:, :, 4] = False
    heights = np.arange(10) * 3.0 * (1 if upwards else -1)
    synthetic = real + np.arange(10)
    found = tissues.by_level(real, synthetic, mask, heights)
    assert found["z_mm"] == sorted(found["z_mm"])
    assert len(found["z_mm"]) == 9
    by_height = dict(zip(found["z_mm"], found["me"], strict=True))
    assert by_height[heights[7]] == pytest.approx(7)
