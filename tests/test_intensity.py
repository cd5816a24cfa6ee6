"""Intensity maps."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.errors import DataError
from medcycle.intensity import (
    HounsfieldCurve,
    HounsfieldWindow,
    MrLandmarks,
    MrPercentile,
    MrZScore,
    map_from_dict,
    typical_map,
)

RANGES = st.tuples(st.floats(-2000, 2000), st.floats(1, 5000)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@pytest.mark.parametrize("kind", [HounsfieldWindow, MrPercentile, MrZScore])
@given(limits=RANGES, parts=st.lists(st.floats(0, 1), min_size=1))
def test_inverse_undoes_forward_within_the_range(kind, limits, parts) -> None:
    item = kind(*limits)
    values = limits[0] + np.array(parts) * (limits[1] - limits[0])
    mapped = item.forward(values)
    assert mapped.min() >= item.bottom
    assert mapped.max() <= 1
    np.testing.assert_allclose(item.inverse(mapped), values, atol=1e-5 * (abs(limits[0]) + abs(limits[1])))


@given(limits=RANGES)
def test_maps_survive_a_checkpoint(limits) -> None:
    item = HounsfieldWindow(*limits)
    assert map_from_dict(json.loads(json.dumps(item.to_dict()))) == item


def test_ends_and_background() -> None:
    window = HounsfieldWindow(-1024, 2000)
    ends = window.forward(np.array([-3024, -1024, 488, 2000, 9000]))
    np.testing.assert_allclose(ends, [-1, -1, 0, 1, 1], atol=1e-6)
    signal = MrPercentile(0, 500)
    np.testing.assert_allclose(signal.forward(np.array([0, 500])), [-0.8, 1], atol=1e-6)
    assert signal.inverse(np.array([-1.0]))[0] == 0


@given(
    widths=st.tuples(*[st.floats(50, 2000)] * 3),
    share=st.floats(0.05, 0.95),
    parts=st.lists(st.floats(0, 1), min_size=2),
)
def test_curves_rise_and_can_be_taken_back(widths, share, parts) -> None:
    low, soft_low, soft_high, high = np.cumsum([-1024, *widths]).tolist()
    curve = HounsfieldCurve(low, high, soft_low, soft_high, share)
    values = np.sort(low + np.array(parts) * (high - low))
    mapped = curve.forward(values)
    assert (np.diff(mapped) >= 0).all()
    np.testing.assert_allclose(curve.inverse(mapped), values, atol=0.01)
    soft = np.ptp(curve.forward(np.array([soft_low, soft_high])))
    assert soft == pytest.approx(2 * share, abs=1e-5)
    np.testing.assert_allclose(curve.forward(np.array([low - 999, high + 999])), [-1, 1])
    assert map_from_dict(json.loads(json.dumps(curve.to_dict()))) == curve


def test_air_and_bone_have_the_same_slope() -> None:
    curve = HounsfieldCurve(-1024, 2000, -200, 200, 0.5)
    air, bone = np.diff(curve.forward(np.array([-900, -800]))), np.diff(curve.forward(np.array([900, 1000])))
    assert air == pytest.approx(bone, rel=1e-4)


@pytest.mark.parametrize("corners", [(-1024, 2000, 200, -200), (-1024, 100, -200, 200), (-100, 2000, -200, 200)])
def test_curves_with_corners_out_of_order(corners) -> None:
    with pytest.raises(DataError, match="soft_low"):
        HounsfieldCurve(*corners, share=0.5)


def test_percentile_is_of_the_body() -> None:
    values = np.concatenate([np.linspace(0, 100, 1001), np.full(1000, 5000.0)])
    inside = values <= 100
    assert MrPercentile.fit(values, inside, 99).high == pytest.approx(99)
    with pytest.raises(DataError, match="constant"):
        MrPercentile.fit(np.zeros(5), np.ones(5, bool))
    with pytest.raises(DataError, match="no body"):
        MrPercentile.fit(values, np.zeros_like(inside))


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (0, float("nan")), (0, float("inf"))])
def test_impossible_ranges_are_refused(limits) -> None:
    with pytest.raises(DataError, match="low < high"):
        HounsfieldWindow(*limits)


def test_unknown_map() -> None:
    with pytest.raises(DataError, match="HounsfieldWindow"):
        map_from_dict({"kind": "Other"})


def test_z_score_puts_the_mean_in_the_middle() -> None:
    values = np.random.default_rng(0).normal(300, 50, (20, 20, 20))
    mask = values > 0
    item = MrZScore.fit(values, mask)
    mapped = item.forward(values)
    assert mapped.mean() == pytest.approx(0.1, abs=0.01)  # between -0.8 and 1
    assert mapped.std() == pytest.approx(1.8 / 6, rel=0.02)
    assert map_from_dict(json.loads(json.dumps(item.to_dict()))) == item
    with pytest.raises(DataError, match="constant"):
        MrZScore.fit(np.ones((4, 4, 4)), np.ones((4, 4, 4), dtype=bool))
    with pytest.raises(DataError, match="no body"):
        MrZScore.fit(values, np.zeros_like(mask))


LANDMARKS = st.lists(st.floats(1, 1000), min_size=10, max_size=10).map(lambda steps: tuple(np.cumsum([0, *steps])))


@given(signal=LANDMARKS, parts=st.lists(st.floats(0, 1), min_size=2))
def test_landmarks_rise_and_can_be_taken_back(signal, parts) -> None:
    item = MrLandmarks(signal, tuple(np.linspace(-0.8, 1, 11)))
    values = np.sort(np.array(parts) * signal[-1])
    mapped = item.forward(values)
    assert (np.diff(mapped) >= 0).all()
    np.testing.assert_allclose(item.inverse(mapped), values, atol=1e-5 * signal[-1] + 0.01)
    assert map_from_dict(json.loads(json.dumps(item.to_dict()))) == item


def test_standardised_volumes_have_the_same_deciles() -> None:
    random = np.random.default_rng(0)
    tissue = random.beta(2, 3, (30, 30, 30))
    volumes = [700 * tissue, 90 * tissue**1.8, 2000 * np.sqrt(tissue) + 100]
    mask = np.ones_like(tissue, dtype=bool)
    landmarks = [MrLandmarks.landmarks_of(volume, mask) for volume in volumes]
    standard = MrLandmarks.standard_of(landmarks)
    deciles = [
        np.percentile(MrLandmarks(signal, standard).forward(volume), range(10, 100, 10))
        for signal, volume in zip(landmarks, volumes, strict=True)
    ]
    np.testing.assert_allclose(deciles[1], deciles[0], atol=1e-3)
    np.testing.assert_allclose(deciles[2], deciles[0], atol=1e-3)
    only_scaled = [np.percentile(MrPercentile.fit(v, mask).forward(v), range(10, 100, 10)) for v in volumes]
    np.testing.assert_allclose(deciles[0], np.mean(only_scaled, axis=0), atol=1e-3)
    assert np.abs(only_scaled[0] - only_scaled[2]).max() > 0.2


def test_a_volume_of_few_grey_values_has_landmarks() -> None:
    values = np.repeat([0.0, 0.0, 0.0, 5.0, 5.0, 9.0], 100)
    landmarks = MrLandmarks.landmarks_of(values, np.ones_like(values, dtype=bool))
    assert len(landmarks) == 11
    assert (np.diff(landmarks) > 0).all()


@pytest.mark.parametrize(("signal", "mapped"), [((0, 2, 1), (-1, 0, 1)), ((0, 1), (-1, 0, 1)), ((0, 1), (0, 2))])
def test_impossible_landmarks_are_refused(signal, mapped) -> None:
    with pytest.raises(DataError, match="landmarks"):
        MrLandmarks(signal, mapped)


def test_the_typical_map_has_median_ends() -> None:
    assert typical_map([MrPercentile(0, high) for high in (100, 900, 300)]) == MrPercentile(0, 300)
    mapped = (-0.8, 0.0, 1.0)
    landmarks = [MrLandmarks((0, middle, 100), mapped) for middle in (10, 40, 20)]
    assert typical_map(landmarks) == MrLandmarks((0, 20, 100), mapped)
