"""Intervals and comparisons over patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medcycle.evaluation.statistics import holm, of_values, paired


def test_interval_holds_the_mean_and_narrows_with_patients() -> None:
    values = np.random.default_rng(0).normal(70, 10, 200).tolist()
    few, many = of_values(values[:10]), of_values(values)
    for one in (few, many):
        assert one["low"] < one["mean"] < one["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]
    assert many["high"] - many["low"] == pytest.approx(2 * 1.96 * 10 / np.sqrt(200), rel=0.15)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        found = of_values(random.normal(0, 1, 30).tolist())
        covered += found["low"] < 0 < found["high"]
    assert covered >= 51


def test_missing_values_are_left_out_and_one_patient_has_no_interval() -> None:
    found = of_values([None, float("nan"), float("inf"), 3.0])
    assert (found["mean"], found["n"], found["low"], found["sd"]) == (3.0, 1, None, None)
    assert of_values([]) == {"mean": None, "sd": None, "median": None, "low": None, "high": None, "n": 0}
    assert of_values([2.0, 2.0, 2.0])["low"] == of_values([2.0, 2.0, 2.0])["high"] == 2.0


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8))
def test_holm_is_the_step_down_procedure(values: list[float]) -> None:
    corrected = holm(values)
    order = np.argsort(values, kind="stable")
    for rank, place in enumerate(order):
        expected = max(min(1, values[order[k]] * (len(values) - k)) for k in range(rank + 1))
        assert corrected[place] == pytest.approx(expected)
    assert all(one >= value for one, value in zip(corrected, values, strict=True))


def test_holm_on_a_published_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None, 0.02]) == [0.02, None, 0.02]


def test_models_are_compared_on_the_patients_they_share() -> None:
    random = np.random.default_rng(2)
    first = {f"p{n}": {"mae": 70 + random.normal()} for n in range(12)}
    second = {name: {"mae": one["mae"] - 5 + 0.1 * random.normal()} for name, one in first.items() if name != "p3"}
    third = {"p0": {"mae": None}, "p1": {"mae": 60.0}}
    found = paired({"a": first, "b": second, "c": third}, "mae")
    assert [(one.first, one.second, one.n) for one in found] == [("a", "b", 11), ("a", "c", 1), ("b", "c", 1)]
    assert found[0].mean == pytest.approx(-5, abs=0.2)
    differences = [second[name]["mae"] - first[name]["mae"] for name in second]
    assert found[0].p == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert found[1].p is None
