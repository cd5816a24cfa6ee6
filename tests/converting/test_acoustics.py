"""Acoustic properties of bone against published points and k-Wave's way to its lines."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.converting.acoustics import DENSITY_LINES, RELATIONS, Relation, bone_properties, mass_density

SOFT = """
    930 0.95  1055 1.06  1037 1.04  1003 1.02  1003 1.00  1050 1.07  1023 1.03  1055 1.06  1043 1.05  1053 1.06
    1044 1.05  1028 1.03  1042 1.05  1045 1.05  1032 1.04  1098 1.10  1014 1.03  958 0.98  1075 1.09  1054 1.06
    1032 1.04  1040 1.05
"""
BONE = """
    2376 1.92  1903 1.61  1499 1.33  1683 1.46  2006 1.68  1595 1.41  1763 1.52  1413 1.29  1260 1.18  1609 1.42
    1477 1.33
"""
"""HU + 1000 and density (g/cm³) of tissues, Schneider et al. 1996, as k-Wave takes them."""

LUNG = (259, 260)

HU = st.floats(-1000, 3100)


def test_the_lines_are_the_fit_to_the_published_tissues() -> None:
    """Regression lines of soft tissue and bone, joined with each other and with lung, as k-Wave makes them."""
    tables = (np.array(text.split(), float).reshape(-1, 2).T for text in (SOFT, BONE))
    soft, bone = (np.poly1d(1000 * np.polyfit(hu, density, 1)) for hu, density in tables)
    made = mass_density(np.array([259, 930, 1000, 1098, 1260, 2000, 3000]) - 1000.0)
    expected = [LUNG[1], soft(930), soft(1000), soft(1098), bone(1260), bone(2000), bone(3000)]
    np.testing.assert_allclose(made, expected, rtol=1e-6)


def test_water_is_within_the_scatter_of_the_fit() -> None:
    assert mass_density(0) == pytest.approx(1000, abs=15)


@pytest.mark.parametrize(("first", "second"), list(pairwise(DENSITY_LINES)))
def test_the_lines_meet(first: tuple[float, float, float], second: tuple[float, float, float]) -> None:
    at = second[0]
    assert first[1] * at + first[2] == pytest.approx(second[1] * at + second[2], abs=1e-6)
    assert mass_density(at - 1000 - 1e-6) == pytest.approx(float(mass_density(at - 1000)), abs=1e-4)


@given(hu=st.tuples(HU, HU), relation=st.sampled_from(RELATIONS))
def test_denser_bone_is_faster_and_attenuates_no_more(hu: tuple[float, float], relation: Relation) -> None:
    bone = bone_properties(sorted(hu), relation, 2000)
    assert np.diff(bone.density) >= 0
    assert np.diff(bone.sound_speed) >= 0
    assert np.diff(bone.attenuation) <= 0


@pytest.mark.parametrize(
    ("relation", "compact"), [("aubry", (2200, 3100, 0.2)), ("marsac", (2700, 3000, 0.2))], ids=["aubry", "marsac"]
)
def test_porosity_ends_at_compact_bone_and_at_water(relation: Relation, compact: tuple[float, float, float]) -> None:
    found = bone_properties([1800.0, 900.0, 0.0, -90.0, 2500.0], relation, 1800.0)
    rows = np.stack([found.density, found.sound_speed, found.attenuation], axis=1)
    assert rows[0].tolist() == pytest.approx(compact)
    assert rows[2].tolist() == pytest.approx([1000, 1500, 8])
    assert rows[1, :2].tolist() == pytest.approx(((rows[0] + rows[2]) / 2)[:2].tolist())
    assert rows[1, 2] == pytest.approx(0.2 + 7.8 * 0.5**0.5)
    assert rows[3].tolist() == rows[2].tolist()  # nothing is more porous than water
    assert rows[4].tolist() == rows[0].tolist()


def test_k_wave_has_the_same_ends() -> None:
    """Sound speed by density reaches from 1500 m/s at 1000 kg/m³ to 3100 m/s at 2200 (skull2medium)."""
    hu = np.interp([1000, 1600, 2200], mass_density(np.arange(-100, 3000)), np.arange(-100, 3000))
    found = bone_properties(hu)
    np.testing.assert_allclose(found.sound_speed, [1500, 2300, 3100], rtol=1e-3)
    np.testing.assert_allclose(found.attenuation, [8, 0.2 + 7.8 * 0.5**0.5, 0.2], atol=0.1)


@pytest.mark.parametrize("relation", RELATIONS)
def test_no_bone_is_lighter_than_water(relation: Relation) -> None:
    """As cavities are that are filled, at the edge of air."""
    found = bone_properties([-240.0, -90.0], relation, 1500.0)
    assert found.density.tolist() == [1000, 1000]
    assert found.sound_speed.tolist() == [1500, 1500]
    assert found.attenuation.tolist() == [8, 8]


def test_attenuation_is_babelbrains_in_nepers() -> None:
    nepers_per_metre = bone_properties([0.0, 1000.0], "aubry", 1000.0).attenuation * 100 * np.log(10) / 20
    np.testing.assert_allclose(nepers_per_metre, [92.10223344, 2.302555836], rtol=1e-4)
