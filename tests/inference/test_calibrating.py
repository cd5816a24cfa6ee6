"""A calibration that is found on pairs."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from medcycle.config import load_config
from medcycle.errors import DataError
from medcycle.inference import Calibration, Options
from medcycle.inference.calibrating import calibration_of, errors_on
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, load_method, save_method
from medcycle.phantom import head_grid
from medcycle.volume import Volume
from tests.inference.test_predictor import HEAD, saved
from tests.synthesized import synthesize

GRID = head_grid(spacing=(4, 4, 5), orientation="LPS")
MR, CT = HEAD.mr(GRID), HEAD.ct(GRID)
UNCERTAIN = Options(uncertainty=True, precision="32-true")


@pytest.fixture(scope="module")
def calibrated() -> SavedMethod:
    model = saved(nn.Identity(), nn.Identity(), "data.spacing=[4, 4, null]")
    return replace(model, calibration=calibration_of([errors_on(model, MR, CT)]).to_dict())


def test_expected_errors_are_as_large_as_those_of_the_pairs(calibrated: SavedMethod) -> None:
    made = synthesize(MR, calibrated, "ct", UNCERTAIN)
    inside = made.body.array
    error, expected = (made.volume.array - CT.array)[inside], made.uncertainty.array[inside]
    assert np.sqrt(np.square(expected).mean() / np.square(error).mean()) == pytest.approx(1, abs=0.1)
    plain = synthesize(MR, calibrated, "ct", replace(UNCERTAIN, uncertainty=False))
    np.testing.assert_array_equal(made.volume.array, plain.volume.array)


def test_doubt_about_the_outline_reaches_beyond_it(calibrated: SavedMethod) -> None:
    made = synthesize(MR, calibrated, "ct", UNCERTAIN)
    outside = made.uncertainty.array[~made.body.array]
    assert 0 < np.mean(outside > 0) < 0.2
    without = errors_on(calibrated, MR, CT, outline=False)
    known = replace(calibrated, calibration=calibration_of([without]).to_dict())
    assert not any(name.startswith(("outside", "skin")) for name in known.calibration["classes"])
    assert not synthesize(MR, known, "ct", UNCERTAIN).uncertainty.array[~made.body.array].any()


def test_a_region_alone_counts(calibrated: SavedMethod) -> None:
    half = np.zeros(GRID.shape, bool)
    half[:, :, : GRID.shape[2] // 2] = True
    whole, part = (len(errors_on(calibrated, MR, CT, region=one).errors) for one in (None, Volume(half, GRID)))
    assert 0.2 * whole < part < 0.8 * whole


def test_a_checkpoint_keeps_it(calibrated: SavedMethod, tmp_path) -> None:
    config = load_config("head_ct_only", ["network.filters=4", "network.levels=2"])
    method = build_method(config)
    save_method(replace(calibrated, method=method, config=config), tmp_path / "model.pt")
    read = load_method(tmp_path / "model.pt")
    assert Calibration.of(read.calibration) == Calibration.of(calibrated.calibration)


def test_an_mr_of_nothing_is_refused(calibrated: SavedMethod) -> None:
    with pytest.raises(DataError):
        errors_on(calibrated, MR.with_array(np.zeros_like(MR.array)), CT)
