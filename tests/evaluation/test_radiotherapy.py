"""All measures of radiotherapy of one case, as the details hold them."""

import json

import pytest

from medcycle.errors import GridMismatch
from medcycle.evaluation.density import table
from medcycle.evaluation.drr import VIEWS
from medcycle.evaluation.radiotherapy import radiotherapy_measures
from medcycle.evaluation.tolerances import judge, read_tolerances
from medcycle.volume import Grid, Volume
from tests.evaluation.bodies import box, centred, cylinder, filled

GENERIC = table("generic")


def test_a_denser_body_is_denser_in_every_measure() -> None:
    grid = centred((60, 60, 30), (2.0, 2.0, 3.0))
    body = cylinder(grid, 50, 40)
    measures, images = radiotherapy_measures(
        filled(grid, body), filled(grid, body, 100), body, body, table=GENERIC, target=box(grid, (5, 5, 5))
    )
    assert json.loads(json.dumps(measures, allow_nan=False)) == measures
    assert list(measures) == ["density", "wepl", "drr", "warnings"]
    assert measures["density"] == {"table": "generic", "red": {"mae": pytest.approx(0.095), "me": pytest.approx(0.095)}}
    assert measures["wepl"]["true_outline"]["mae_percent"] == pytest.approx(9.5)
    assert measures["drr"]["ap"]["mae"] == pytest.approx(measures["drr"]["lateral"]["mae"], rel=1e-3)
    assert measures["warnings"] == []
    assert list(images) == list(VIEWS)
    assert images["ap"].real.shape == images["ap"].synthetic.shape == images["ap"].body.shape
    judged = {one["name"]: one["inside"] for one in judge(measures, read_tolerances())}
    assert judged["DRR from the front, correlation"]
    assert not judged["relative electron density, ME"]
    assert len(judged) == 6


def test_a_body_that_is_cut_off_is_said() -> None:
    grid = centred((60, 60, 30), (2.0, 2.0, 3.0))
    body = cylinder(grid, 70, 40)
    measures, _ = radiotherapy_measures(filled(grid, body), filled(grid, body), body, body, table=GENERIC)
    assert f"on {measures['wepl']['truncated_rays']} of 216 rays" in measures["warnings"][0]


def test_other_grids_are_refused() -> None:
    grid = centred((60, 60, 30), (2.0, 2.0, 3.0))
    body = cylinder(grid, 50, 40)
    moved = grid.affine.copy()
    moved[0, 3] += 5
    with pytest.raises(GridMismatch):
        radiotherapy_measures(
            filled(grid, body), Volume(filled(grid, body).array, Grid(grid.shape, moved)), body, body, table=GENERIC
        )
