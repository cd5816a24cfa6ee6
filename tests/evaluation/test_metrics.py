"""Metrics against closed forms, scikit-image, and a direct transcription of the windows' definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from medcycle.errors import DataError
from medcycle.evaluation import metrics

WINDOW = (-1024.0, 3000.0)
EVERYWHERE = np.ones((20, 18, 16), dtype=bool)


def volume(seed: int, shape: tuple[int, ...] = (20, 18, 16)) -> np.ndarray:
    generator = np.random.default_rng(seed)
    coarse = generator.normal(200, 500, [-(-n // 4) for n in shape]).repeat(4, 0).repeat(4, 1).repeat(4, 2)
    return coarse[tuple(slice(n) for n in shape)] + generator.normal(0, 60, shape)


def ball(shape: tuple[int, ...] = (20, 18, 16), radius: float = 6.5) -> np.ndarray:
    grid = np.indices(shape) - (np.array(shape).reshape(-1, 1, 1, 1) - 1) / 2
    return np.sqrt((grid**2).sum(axis=0)) < radius


@given(offset=st.floats(-800, 800), seed=st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_constant_offset_has_closed_forms(offset: float, seed: int) -> None:
    real, mask = volume(seed).clip(-100, 900), ball()
    synthetic = real + offset
    assert metrics.me(real, synthetic, mask) == pytest.approx(offset, abs=1e-9)
    assert metrics.mae(real, synthetic, mask) == pytest.approx(abs(offset), abs=1e-9)
    if abs(offset) > 1e-3:
        expected = 20 * np.log10((WINDOW[1] - WINDOW[0]) / abs(offset))
        assert metrics.psnr(real, synthetic, mask, WINDOW) == pytest.approx(expected, abs=1e-6)


@given(first=st.integers(0, 50), second=st.integers(51, 100))
@settings(max_examples=20, deadline=None)
def test_errors_and_correlation_are_those_of_scikit_image_and_scipy(first: int, second: int) -> None:
    real, synthetic, mask = volume(first), volume(second), ball()
    one, other = real[mask], synthetic[mask]
    assert metrics.rmse(real, synthetic, mask) == pytest.approx(np.sqrt(mean_squared_error(one, other)))
    assert metrics.ncc(real, synthetic, mask) == pytest.approx(stats.pearsonr(one, other).statistic)
    assert metrics.mae(real, synthetic, mask) <= metrics.rmse(real, synthetic, mask)


@given(first=st.integers(0, 50), second=st.integers(51, 100))
@settings(max_examples=15, deadline=None)
def test_bias_is_bounded_by_absolute_error_and_changes_sign(first: int, second: int) -> None:
    real, synthetic, mask = volume(first), volume(second), ball()
    assert abs(metrics.me(real, synthetic, mask)) <= metrics.mae(real, synthetic, mask)
    assert metrics.me(real, synthetic, mask) == pytest.approx(-metrics.me(synthetic, real, mask))
    assert metrics.ssim(real, synthetic, mask, WINDOW) == pytest.approx(metrics.ssim(synthetic, real, mask, WINDOW))


@pytest.mark.parametrize("metric", [metrics.mae, metrics.me])
def test_what_is_outside_the_mask_does_not_count(metric) -> None:
    real, mask = volume(1), ball()
    wrong_outside = np.where(mask, real + 7, -9999.0)
    assert metric(real, wrong_outside, mask) == pytest.approx(7)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.ms_ssim])
def test_windowed_metrics_ignore_the_outside_and_clip(metric) -> None:
    real, synthetic, mask = volume(1), volume(2), ball(radius=7.5)
    value = metric(real, synthetic, mask, WINDOW)
    assert metric(real, np.where(mask, synthetic, 2999.0), mask, WINDOW) == value
    metal = real.copy()
    metal[10, 9, 8] = 3000
    overflow = metal.copy()
    overflow[10, 9, 8] = 30_000
    assert metric(metal, synthetic, mask, WINDOW) == metric(overflow, synthetic, mask, WINDOW)


def test_equal_volumes_are_perfect() -> None:
    real, mask = volume(3), ball(radius=7.5)
    assert metrics.mae(real, real, mask) == metrics.me(real, real, mask) == 0
    assert metrics.psnr(real, real, mask, WINDOW) == np.inf
    assert metrics.ssim(real, real, mask, WINDOW) == pytest.approx(1, abs=1e-12)
    assert metrics.ms_ssim(real, real, mask, WINDOW) == pytest.approx(1, abs=1e-9)


def test_integer_arrays_do_not_wrap() -> None:
    real, synthetic = np.full((7, 7, 7), -30_000, np.int16), np.full((7, 7, 7), 30_000, np.int16)
    assert metrics.mae(real, synthetic, np.ones((7, 7, 7), bool)) == 60_000


def test_psnr_and_ssim_agree_with_scikit_image() -> None:
    real, synthetic = volume(4).clip(*WINDOW), volume(5).clip(*WINDOW)
    span = WINDOW[1] - WINDOW[0]
    assert metrics.psnr(real, synthetic, EVERYWHERE, WINDOW) == pytest.approx(
        peak_signal_noise_ratio(real, synthetic, data_range=span), abs=1e-9
    )
    shifted = structural_similarity(real - WINDOW[0], synthetic - WINDOW[0], data_range=span)
    assert metrics.ssim(real, synthetic, EVERYWHERE, WINDOW) == pytest.approx(shifted, abs=1e-9)


def test_ssim_is_the_mean_of_windows_computed_one_by_one() -> None:
    real, synthetic, mask = volume(6), volume(7), ball(radius=4.5)
    mask[0, 0, 0] = True  # in the strip without SSIM: must change nothing
    first, second = (np.where(mask, v.clip(*WINDOW), WINDOW[0]) - WINDOW[0] for v in (real, synthetic))
    c1, c2 = (0.01 * 4024) ** 2, (0.03 * 4024) ** 2
    values = []
    for i, j, k in np.argwhere(mask):
        if min(i, j, k) < 3:
            continue
        box = (slice(i - 3, i + 4), slice(j - 3, j + 4), slice(k - 3, k + 4))
        x, y = first[box].ravel(), second[box].ravel()
        (vx, cov), (_, vy) = np.cov(x, y)
        luminance = (2 * x.mean() * y.mean() + c1) / (x.mean() ** 2 + y.mean() ** 2 + c1)
        values.append(luminance * (2 * cov + c2) / (vx + vy + c2))
    assert metrics.ssim(real, synthetic, mask, WINDOW) == pytest.approx(np.mean(values), abs=1e-9)


def test_ms_ssim_falls_with_noise_and_stays_in_range() -> None:
    real, mask = volume(8), ball(radius=7.5)
    noise = np.random.default_rng(0).normal(size=real.shape)
    values = [metrics.ms_ssim(real, real + sigma * noise, mask, WINDOW) for sigma in (0, 50, 200, 800)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.02
    assert min(values) >= 0


@pytest.mark.parametrize("metric", [metrics.ssim, metrics.ms_ssim])
@pytest.mark.parametrize("shape", [(20, 18, 16), (20, 18, 5)])
def test_masks_without_a_whole_window_are_refused(metric, shape: tuple[int, ...]) -> None:
    mask = np.zeros(shape, dtype=bool)
    mask[0, 0, 0] = True
    with pytest.raises(DataError, match="no voxel of the mask"):
        metric(volume(1, shape), volume(2, shape), mask, WINDOW)


@pytest.mark.parametrize("shape", [(20, 18, 16), (100, 98, 97)])
def test_both_similarities_in_one_go_are_those_of_each(shape: tuple[int, ...]) -> None:
    real, synthetic, mask = volume(1, shape), volume(2, shape), ball(shape, min(shape) / 2)
    found = metrics.similarities(real, synthetic, mask, WINDOW)
    assert found[0] == pytest.approx(metrics.ssim(real, synthetic, mask, WINDOW), abs=1e-9)
    assert found[1] == pytest.approx(metrics.ms_ssim(real, synthetic, mask, WINDOW), abs=1e-12)


def test_a_mask_too_thin_for_coarse_scales_has_no_ms_ssim() -> None:
    shape = (100, 98, 97)
    mask = np.zeros(shape, dtype=bool)
    mask[5, 5, 5] = True
    index, several = metrics.similarities(volume(1, shape), volume(2, shape), mask, WINDOW)
    assert -1 <= index <= 1
    assert np.isnan(several)
