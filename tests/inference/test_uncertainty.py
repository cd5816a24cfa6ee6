"""From deviations over passes to errors."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcycle.inference import Calibration

RANDOM = np.random.default_rng(0)


def test_errors_of_a_known_law_are_found_again() -> None:
    deviations = RANDOM.exponential(20, 200_000).astype(np.float32)
    errors = (50 * np.sqrt(deviations) * RANDOM.normal(size=deviations.size)).astype(np.float32)
    found = Calibration.fit(deviations, errors)
    for deviation in (2.0, 10.0, 40.0, 80.0):
        expected = 50 * np.sqrt(deviation)
        assert abs(found(np.array([deviation], np.float32))[0] - expected) < 0.12 * expected


@given(st.lists(st.floats(0, 500, width=32), min_size=1, max_size=50), st.integers(0, 5))
def test_more_deviation_is_never_less_error(deviations, seed) -> None:
    deviations = np.array(deviations, np.float32)
    errors = np.random.default_rng(seed).normal(0, 100, deviations.size).astype(np.float32)
    found = Calibration.fit(deviations, errors)
    expected = found(np.linspace(0, 1000, 200, dtype=np.float32))
    assert np.isfinite(expected).all()
    assert (np.diff(expected) >= -1e-3).all()
    assert Calibration.of(found.to_dict()) == found


def test_all_alike() -> None:
    found = Calibration.fit(np.zeros(100, np.float32), np.full(100, 30, np.float32))
    np.testing.assert_allclose(found(np.zeros(3, np.float32)), 30)
