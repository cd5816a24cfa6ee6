"""Without a true counterpart, the score of validations ranks checkpoints as the true error does."""

from pathlib import Path

import pytest

from examples.rank_checkpoints import generated, prepared, ranking, read, settings
from medcycle.dataset.store import Store
from medcycle.training.loop import train
from medcycle.training.runs import VALIDATION

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

VOXEL = 6.0
SMALL = [f"data.spacing=[{VOXEL}, {VOXEL}, null]", "data.patch_size=[32, 40]", "network.filters=16"]
SHORT = ["training.ema_decay=0.98", "network.discriminator_filters=16", "training.precision=32-true"]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that will say who is held out."""
    return tmp_path_factory.mktemp("ranked") / "split.yaml"


@pytest.fixture(scope="module")
def heads(split: Path) -> Store:
    """MR and CT of different heads, and registered ones of two more."""
    folders = generated(split.parent / "heads", VOXEL)
    return prepared(split.parent, folders, settings("cyclegan", 1, 1, split, *SMALL))


def test_checkpoints_are_ranked_as_by_their_true_error(heads: Store, split: Path) -> None:
    run = split.parent / "run"
    train(settings("warm start, then cyclegan", 400, 8, split, *SMALL, *SHORT), heads, run)
    rows = read(run / VALIDATION)
    assert len(rows) == 8
    true = [row["mae"] for row in rows]
    assert max(true) > 1.1 * min(true)  # there is something to rank
    assert ranking(rows)["unpaired"] >= 0.7
    chosen = min(rows, key=lambda row: row["unpaired"])
    assert chosen["mae"] < min(true) + 0.25 * (max(true) - min(true))
