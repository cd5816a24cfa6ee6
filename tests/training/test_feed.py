"""What a run's loader keeps ready."""

import pytest

from medcycle.config import load_config
from medcycle.training.feed import _kept_ready


@pytest.mark.parametrize(("side", "batch_size", "ready"), [(64, 1, 8), (128, 2, 6), (192, 1, 3), (320, 1, 2)])
def test_fewer_large_batches_are_kept_ready(side: int, batch_size: int, ready: int) -> None:
    sizes = ["network.spatial_dims=3", f"data.patch_size={[side] * 3}", f"training.batch_size={batch_size}"]
    assert _kept_ready(load_config("demo", sizes)) == ready
