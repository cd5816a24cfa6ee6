"""Several translations as one."""

import numpy as np
import pytest

from medcycle.inference.fusion import Fusion

RANDOM = np.random.default_rng(0)
SHAPE = (5, 4, 19)


@pytest.mark.parametrize("kind", ["mean", "median"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_by_hand(kind: str, count: int) -> None:
    volumes = RANDOM.normal(100, 50, (count, *SHAPE)).astype(np.float32)
    probes = RANDOM.normal(100, 50, (2, *SHAPE)).astype(np.float32)
    with Fusion(kind, spread=True) as fusion:
        for volume in volumes:
            fusion.add(volume.copy())
        for probe in probes:
            fusion.add(probe, counts=False)
        assert fusion.counted == count
        np.testing.assert_allclose(fusion.volume(), getattr(np, kind)(volumes, axis=0), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(fusion.deviation(), np.std([*volumes, *probes], axis=0, ddof=1), rtol=1e-4)


def test_no_spread_without_passes_to_spread() -> None:
    fusion = Fusion("mean", spread=True)
    fusion.add(np.ones(SHAPE, np.float32))
    assert fusion.deviation() is None
    assert Fusion("mean", spread=False).deviation() is None
    with pytest.raises(ValueError, match="nothing"):
        Fusion("mean", spread=False).volume()
