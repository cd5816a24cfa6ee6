"""Figures that need no true counterpart."""

import numpy as np
import pytest

from medcycle.evaluation.reference_free import bright_voids, distribution_distance, separability, variety

rng = np.random.default_rng(0)


def test_voids_are_bright_where_the_contrast_is_inverted() -> None:
    hounsfield = np.repeat([-900.0, 40.0, 1200.0], 200)
    signal = np.repeat([0.02, 0.5, 0.1], 200)
    assert bright_voids(signal, hounsfield) == 0
    assert bright_voids(1 - signal, hounsfield) == 1
    assert bright_voids(np.where(hounsfield > 0, 1 - signal, 0), hounsfield) == 0.5  # the air is dark, the bone bright


def test_too_few_voxels_say_nothing_of_voids() -> None:
    assert bright_voids(np.ones(500), np.full(500, 40.0)) == 0
    assert bright_voids(np.ones(500), np.r_[np.full(451, 40.0), np.full(49, 1000.0)]) == 0


def test_the_distance_of_shifted_distributions_is_the_shift() -> None:
    values = rng.normal(0, 300, 20_000)
    assert distribution_distance(values, values) == 0
    assert distribution_distance(values, values + 25) == pytest.approx(25)
    assert distribution_distance(values, rng.permutation(values)) == 0


def test_the_distance_of_uniform_distributions_is_that_of_their_quantiles() -> None:
    # ∫ |q − 2q| dq over [0, 1]
    assert distribution_distance(np.linspace(0, 1, 10_001), np.linspace(0, 2, 10_001)) == pytest.approx(0.5, abs=1e-3)


def test_separability_is_the_chance_of_the_right_order() -> None:
    assert separability(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert separability(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0
    assert separability(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == 0.75
    assert separability(np.ones(5), np.ones(7)) == 0.5


def test_slices_that_are_alike_have_no_variety() -> None:
    slices, bodies = rng.random((8, 8, 6)), np.ones((8, 8, 6), dtype=bool)
    assert variety(np.repeat(slices[:, :, :1], 6, axis=2), bodies) == 0
    assert variety(slices, bodies) == pytest.approx(1 / 3, abs=0.03)  # E|a − b| of uniform numbers
    assert variety(slices[:, :, :1], bodies[:, :, :1]) == 0
    apart = bodies.copy()
    apart[:, :, 3:] = False
    assert variety(slices, apart) == 0
