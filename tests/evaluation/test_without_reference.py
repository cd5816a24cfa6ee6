"""Verdicts without a true CT: clean heads have no finding, and each fault is found by its own measure."""

import re

import numpy as np
import pytest
from scipy import ndimage

from medcycle.errors import GridMismatch
from medcycle.evaluation.grades import GRADES, Measure
from medcycle.evaluation.without_reference import assess_without_reference, tissue_shares
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume

pytestmark = pytest.mark.slow

GRID = head_grid(spacing=(2.5, 2.5, 3.0))


@pytest.fixture(scope="module")
def pair() -> tuple[Volume, Volume]:
    phantom = HeadPhantom.random(4)
    ct = phantom.ct(GRID, noise=0)
    return phantom.mr(GRID), ct.with_array(ndimage.gaussian_filter(ct.array, 0.4))


def values(found: dict) -> dict[str, float | None]:
    return {one["key"]: one["value"] for one in found["measures"]}


def grades(found: dict) -> dict[str, str]:
    return {one["key"]: one["grade"] for one in found["measures"]}


def test_a_good_ct_has_no_finding_and_is_never_called_safe(pair: tuple[Volume, Volume]) -> None:
    found = assess_without_reference(*pair)
    assert found["verdict"]["grade"] == "no finding", found["verdict"]
    assert "safe" not in str(found)


def test_skin_that_is_missing_shows_in_the_outline(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    thin = ct.with_array(np.where(ndimage.binary_erosion(ct.array > -300, iterations=5), ct.array, -1024))
    found = assess_without_reference(mr, thin)
    assert grades(found)["outline_dice"] != "no finding"
    assert found["verdict"]["reasons"]


def test_inverted_contrast_shows_as_bright_voids(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    bright = mr.array > np.percentile(mr.array[ct.array > -300], 70)
    wrong = ct.with_array(np.where(bright & (ct.array > -300), 1500.0, ct.array).astype(np.float32))
    found = assess_without_reference(mr, wrong)
    assert grades(found)["bright_voids"] == "do not use"
    assert found["verdict"]["grade"] == "do not use"


def test_a_ct_of_another_place_shows_in_the_edges(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    shifted = ct.with_array(np.roll(ct.array, (6, 5), axis=(0, 2)))
    assert values(assess_without_reference(mr, shifted))["edges"] < values(assess_without_reference(mr, ct))["edges"]
    noise = ct.with_array(
        np.where(ct.array > -300, np.random.default_rng(0).normal(40, 80, GRID.shape), -1024).astype(np.float32)
    )
    assert grades(assess_without_reference(mr, noise))["edges"] != "no finding"


def test_slices_that_flicker_are_found(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    steps = np.where(np.arange(GRID.shape[2]) % 2, 40.0, -40.0)
    flickering = ct.with_array(np.where(ct.array > -300, ct.array + steps, ct.array).astype(np.float32))
    assert grades(assess_without_reference(mr, flickering))["flicker"] != "no finding"


def test_a_body_cut_off_by_the_field_of_view_is_found(pair: tuple[Volume, Volume]) -> None:
    cut = slice(18, None)
    affine = GRID.affine.copy()
    affine[:3, 3] = (GRID.affine @ [18, 0, 0, 1])[:3]
    mr, ct = (Volume(one.array[cut], Grid(one.array[cut].shape, affine)) for one in pair)
    assert grades(assess_without_reference(mr, ct))["cut_off"] != "no finding"


def test_bone_unlike_the_training_cohort_is_found(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    own = tissue_shares(ct, ct.array > -300)
    usual = {name: [value - 1, value + 1] for name, value in own.items()}
    assert set(own) == {"air_percent", "air_hu", "bone_percent", "bone_hu"} - ({"air_percent", "air_hu"} - set(own))
    like = assess_without_reference(mr, ct, usual=usual)
    assert grades(like)["bone_hu"] == "no finding"
    softer = ct.with_array(np.where(ct.array > 400, 400, ct.array).astype(np.float32))
    found = assess_without_reference(mr, softer, usual=usual)
    assert grades(found)["bone_hu"] == "check"
    (bone,) = (one["why"] for one in found["measures"] if one["key"] == "bone_percent")
    millilitres = np.count_nonzero(softer.array >= 250) * np.prod(GRID.spacing) / 1000
    assert float(re.search(r"\((\d+) ml\)", bone)[1]) == pytest.approx(millilitres, rel=0.02)


def test_uncertainty_counts_and_is_told_by_region_and_tissue(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    expected = ct.with_array(np.where(ct.array > 250, 400.0, 100.0).astype(np.float32))
    found = assess_without_reference(mr, ct, uncertainty=expected)
    assert set(found["uncertainty"]["by_region"]) == {"vault", "skull base", "face"}
    assert found["uncertainty"]["by_tissue"]["bone"] == pytest.approx(400)
    assert found["uncertainty"]["by_layer"]["outline"] > 0
    assert found["verdict"]["score"] > assess_without_reference(mr, ct)["verdict"]["score"] + 0.9
    larger = expected.with_array(4 * expected.array)
    assert grades(assess_without_reference(mr, ct, uncertainty=larger))["expected_error"] == "do not use"


def test_what_the_synthesis_warned_of_has_to_be_checked(pair: tuple[Volume, Volume]) -> None:
    found = assess_without_reference(*pair, warnings=["the grey values are unlike those of the training MR"])
    assert found["verdict"]["grade"] == "check"
    assert "unlike" in found["verdict"]["reasons"][-1]


def test_axes_in_another_order_change_nothing(pair: tuple[Volume, Volume]) -> None:
    turned = assess_without_reference(*(one.with_axes("PIL") for one in pair))
    assert values(turned) == pytest.approx(values(assess_without_reference(*pair)), rel=1e-4)


def test_other_grids_are_refused(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    with pytest.raises(GridMismatch):
        assess_without_reference(mr, Volume(ct.array, Grid(ct.grid.shape, ct.grid.affine + np.eye(4, k=3))))


def test_nothing_drawn_is_not_to_be_used(pair: tuple[Volume, Volume]) -> None:
    mr, ct = pair
    found = assess_without_reference(mr, ct.with_array(np.full_like(ct.array, -1000.0)))
    assert found["verdict"]["grade"] == "do not use"


@pytest.mark.parametrize(
    ("value", "check", "reject", "grade", "excess"),
    [
        (1.0, 1.5, 3.0, 0, 0.0),
        (2.25, 1.5, 3.0, 1, 0.5),
        (9.0, 1.5, 3.0, 2, 2.0),
        (0.9, 0.95, 0.80, 1, 1 / 3),
        (0.7, 0.95, 0.80, 2, 5 / 3),
        (7.0, 5.0, None, 1, 0.4),
        (None, 5.0, None, 0, 0.0),
    ],
)
def test_grades_and_excess(value, check, reject, grade: int, excess: float) -> None:
    found = Measure("key", "name", value, "mm", check, reject, "why")
    assert found.grade == GRADES[grade]
    assert found.excess == pytest.approx(excess)
