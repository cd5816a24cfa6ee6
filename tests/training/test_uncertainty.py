"""Uncertainty of a trained network, calibrated without pairs, against the true error."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.config import Choice, load_config
from medcycle.inference import Options, Prediction
from medcycle.methods.checkpoint import BEST, SavedMethod, load_method
from medcycle.phantom import HeadPhantom, head_grid, write_cohort
from medcycle.training.loop import train
from medcycle.volume import Volume
from tests.synthesized import synthesize

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

TRAINING = [
    *("data.spacing=[6, 6, null]", "data.deformed_ct=0", "data.patch_size=[32, 40]"),
    *("network.filters=16", "network.levels=3"),
    *("training.max_minutes=null", "training.max_steps=400", "training.validations=2", "training.precision=32-true"),
]
UNCERTAINTY = Options(uncertainty=True, precision="32-true")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SavedMethod:
    """MR to CT, learned from four CT alone."""
    folder = tmp_path_factory.mktemp("uncertainty")
    write_cohort(folder / "heads", patients=4, spacing=(6.0, 6.0, 6.0))
    config = load_config("head_ct_only", TRAINING, Choice(dims=2))
    store = prepare_cohort(find_cohort(None, folder / "heads" / "ct"), folder / "store", config.data)
    train(config, store, folder / "run")
    return load_method(folder / "run" / BEST)


@pytest.fixture(scope="module", params=[31, 32])
def other(request: pytest.FixtureRequest, trained: SavedMethod) -> tuple[Prediction, Volume]:
    """A head that it was not trained on, and its true CT."""
    head, grid = HeadPhantom.random(request.param), head_grid(spacing=(6, 6, 6))
    return synthesize(head.mr(grid), trained, "ct", UNCERTAINTY), head.ct(grid, noise=0)


def test_errors_are_larger_where_larger_ones_are_expected(other: tuple[Prediction, Volume]) -> None:
    made, real = other
    inside = made.body.array
    error = np.abs(made.volume.array - np.clip(real.array, -1024, 2000))[inside]
    expected = made.uncertainty.array[inside]
    assert made.calibration is not None
    assert spearmanr(expected, error).statistic > 0.4
    uncertain = expected > np.median(expected)
    assert error[uncertain].mean() > 2 * error[~uncertain].mean()


def test_errors_are_as_large_as_expected(other: tuple[Prediction, Volume]) -> None:
    """The network has seen neither an MR nor this head."""
    made, real = other
    inside = made.body.array
    error = (made.volume.array - np.clip(real.array, -1024, 2000))[inside]
    expected = made.uncertainty.array[inside]
    assert 0.5 < np.sqrt(np.square(expected).mean() / np.square(error).mean()) < 2
    assert 0.5 < np.mean(np.abs(error) < expected) < 0.95
    spread = np.sqrt(np.square(expected / made.calibration(np.zeros(1, np.float32))[0]).mean())
    assert spread > 1.5  # it is not one number for all


def test_a_scan_like_no_other_is_told(trained: SavedMethod) -> None:
    head, grid = HeadPhantom.random(31), head_grid(spacing=(6, 6, 6))
    assert synthesize(head.mr(grid), trained, "ct", UNCERTAINTY).warnings == []
    twice = grid.affine @ np.diag([2, 2, 2, 1])
    large = Volume(head.mr(grid).array, type(grid)(grid.shape, twice))
    told = synthesize(large, trained, "ct", UNCERTAINTY, any_region=True).warnings
    assert any("the body measures" in warning and "in the training" in warning for warning in told)
    assert any("another region" in warning for warning in told)
