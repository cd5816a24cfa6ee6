"""From deviations over passes to errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.inference import Calibration, classes_of, smoothed
from medcycle.inference.uncertainty import AROUND, CLASSES
from medcycle.volume import Grid

RANDOM = np.random.default_rng(0)
DEEP = 50.0
"""mm."""


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


def test_the_class_is_that_of_the_synthetic_ct_and_of_the_depth() -> None:
    hounsfield = np.array([-1000, -401, -400, 249, 250, 999, 1000, 1000, 1000, 1000, 1000], np.float32)
    depth = np.array([*[DEEP] * 7, 3.9, 0.1, -0.1, -3.9], np.float32)
    names = [CLASSES[number] for number in classes_of(hounsfield, depth)]
    tissues = ["air", "air", "soft_tissue", "soft_tissue", "bone", "bone", "dense_bone"]
    assert names == [*tissues, "skin_2_to_4_mm", "skin_0_to_2_mm", "outside_0_to_2_mm", "outside_2_to_4_mm"]
    assert classes_of(np.zeros(2, np.float32), np.array([-AROUND - 1, -np.inf], np.float32)).tolist() == [-1, -1]


def of_all_classes(size: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deviations, errors that are normal and larger in each class than in the one before, and classes."""
    classes = np.repeat(np.arange(len(CLASSES)), size)
    errors = (50 * (1 + classes) * RANDOM.normal(size=classes.size)).astype(np.float32)
    return RANDOM.exponential(20, classes.size).astype(np.float32), errors, classes


def test_each_class_has_its_own_errors() -> None:
    deviations, errors, classes = of_all_classes()
    found = Calibration.fit_classes(deviations, errors, classes)
    assert found.by_class
    assert set(found.classes) == set(CLASSES)
    expected = found.expected(deviations, classes)
    for number in range(len(CLASSES)):
        own = classes == number
        assert np.sqrt(np.square(expected[own]).mean()) == pytest.approx(50 * (1 + number), rel=0.05)
        assert np.mean(np.abs(errors[own]) < expected[own]) == pytest.approx(0.683, abs=0.02)  # of a normal law
    assert Calibration.of(found.to_dict()) == found
    assert not found.expected(np.full(3, 50, np.float32), np.full(3, -1)).any()


CURVES = {
    "outside_0_to_2_mm": {"deviation": [0.0], "error": [30.0]},
    "air": {"deviation": [0.0], "error": [90.0]},
    "bone": {"deviation": [0.0], "error": [20.0]},
}


def test_the_outline_is_in_doubt_up_to_its_distance() -> None:
    grid = Grid((41, 41, 5), np.diag([1.0, 1.0, 3.0, 1.0]))
    body = np.zeros(grid.shape, bool)
    body[10:31, 10:31] = True
    found = Calibration.of({"deviation": [0.0], "error": [10.0], "classes": CURVES})
    nothing = np.zeros(grid.shape, np.float32)
    expected = found.of_volume(np.where(body, nothing, -1024), nothing, body, grid)
    assert expected[20, 20].tolist() == [10.0] * 5
    assert expected[7:13, 20, 2].tolist() == [0.0, 30.0, 30.0, 10.0, 10.0, 10.0]


def test_calibrations_of_older_versions_say_what_they_did() -> None:
    values = {"deviation": [1.0, 100.0], "error": [50.0, 500.0]}
    old = Calibration.of(values)
    assert not old.by_class
    assert old.to_dict() == values
    deviations = RANDOM.exponential(20, (5, 5, 5)).astype(np.float32)
    grid = Grid(deviations.shape, np.eye(4))
    made = old.of_volume(deviations, deviations, np.zeros(grid.shape, bool), grid)
    np.testing.assert_array_equal(made, old(deviations))
    assert Calibration.of(values | {"classes": {}, "floor": 0.0}) == old


def test_smoothing_keeps_the_mean_square_and_slices_apart() -> None:
    deviations = np.zeros((21, 21, 3), np.float32)
    deviations[10, 10, 1] = 7
    made = smoothed(deviations)
    assert np.square(made).sum() == pytest.approx(49, rel=1e-4)
    assert not made[..., [0, 2]].any()
