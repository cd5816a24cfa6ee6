"""Intensity maps."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.errors import DataError
from medcycle.intensity import HounsfieldWindow, MrPercentile, map_from_dict

RANGES = st.tuples(st.floats(-2000, 2000), st.floats(1, 5000)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@pytest.mark.parametrize("kind", [HounsfieldWindow, MrPercentile])
@given(limits=RANGES, parts=st.lists(st.floats(0, 1), min_size=1))
def test_inverse_undoes_forward_within_the_range(kind, limits, parts) -> None:
    item = kind(*limits)
    values = limits[0] + np.array(parts) * (limits[1] - limits[0])
    mapped = item.forward(values)
    assert mapped.min() >= -1
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
    assert window.forward(np.array([window.background]))[0] == -1


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
