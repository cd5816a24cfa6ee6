"""The map from Hounsfield units to attenuation at 511 keV against what is published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.converting.attenuation import BONE_LINES, linear_attenuation
from medcycle.errors import UsageError

BREAK_POINTS = {80: 50, 100: 52, 110: 43, 120: 47, 130: 37, 140: 30}
"""HU, in the table of Carney et al. 2006."""

GENERAL_ELECTRIC = {80: (0.0989, 3.84e-5), 100: (0.0985, 4.56e-5), 120: (0.0982, 5.11e-5), 140: (0.0980, 5.60e-5)}
"""Intercept at 0 HU and slope above 50 HU, as STIR's ct_slopes.json has them for scanners of that maker."""

KVP = st.sampled_from(sorted(BONE_LINES))


@pytest.mark.parametrize(("kvp", "point"), BREAK_POINTS.items())
def test_the_lines_meet_at_the_published_break_points(kvp: int, point: int) -> None:
    below, above = np.arange(-1000, point + 1), np.arange(point, 3001)
    slope, intercept = BONE_LINES[kvp]
    rounding = 2e-5  # of the published numbers: the lines differ by that much at the break points
    np.testing.assert_allclose(linear_attenuation(below, kvp), 9.6e-5 * (below + 1000), atol=rounding)
    np.testing.assert_allclose(linear_attenuation(above, kvp), slope * (above + 1000) + intercept, atol=rounding)
    meeting = intercept / (9.6e-5 - slope) - 1000
    assert meeting == pytest.approx(point, abs=1)


@pytest.mark.parametrize(("kvp", "line"), GENERAL_ELECTRIC.items())
def test_it_is_near_another_makers_curve(kvp: int, line: tuple[float, float]) -> None:
    hu = np.arange(60, 1500)
    np.testing.assert_allclose(linear_attenuation(hu, kvp), line[0] + line[1] * hu, rtol=0.02)


def test_air_and_water() -> None:
    assert linear_attenuation([-3024, -1024, -1000, 0, 40]).tolist() == pytest.approx([0, 0, 0, 0.096, 0.09984])


@given(kvp=KVP, hu=st.tuples(st.floats(-3100, 3100), st.floats(-3100, 3100)))
def test_it_never_falls_and_never_jumps(kvp: int, hu: tuple[float, float]) -> None:
    low, high = sorted(hu)
    rise = float(linear_attenuation(high, kvp) - linear_attenuation(low, kvp))
    assert -1e-12 <= rise <= 9.6e-5 * (high - low) + 1e-12


def test_less_bone_attenuation_at_lower_voltage() -> None:
    """The same bone has more HU at a lower voltage, so that the same HU are less bone."""
    values = [float(linear_attenuation(1000, kvp)) for kvp in sorted(BONE_LINES)]
    assert values == sorted(values)
    assert len(set(values)) == len(values)


def test_an_unpublished_voltage() -> None:
    with pytest.raises(UsageError, match="90 kVp; give the nearest of 80, 100"):
        linear_attenuation(0, 90)
