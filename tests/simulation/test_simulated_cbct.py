"""Registered pairs of simulated CBCT and CT in a store."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medcycle.config import DataConfig
from medcycle.dataset.registered import RegisteredPatches, registered_cases
from medcycle.dataset.store import Store
from medcycle.errors import DataError
from medcycle.simulation import simulated_cbct
from medcycle.simulation.cbct import CbctPair
from medcycle.simulation.simulated_cbct import with_simulated_cbct
from medcycle.volume import Volume

CONFIG = DataConfig(source="cbct", spacing=(3.0, 3.0, None), patch_size=(64, 64))


@pytest.fixture
def mine(store: Store, tmp_path: Path) -> Store:
    """CT alone, and a place of its own for what is made of them."""
    return replace(store, root=tmp_path, mr=())


@pytest.fixture
def made_brighter(monkeypatch: pytest.MonkeyPatch) -> None:
    """CBCT are the CT and 50 HU, where projections would take too long; the third has metal."""

    def brighter(ct: Volume, seed: int) -> CbctPair:
        assert seed
        shown = ct.array.copy()
        shown[20:22, 20:22, 5] = 3000
        return CbctPair(ct.with_array(shown + 50), ct.with_array(shown))

    monkeypatch.setattr(simulated_cbct, "simulate_cbct", brighter)


def test_simulated_cbct_lie_on_their_ct(mine: Store, tmp_path: Path) -> None:
    found = with_simulated_cbct(mine, 1, tmp_path / "run")
    ((cbct, ct),) = registered_cases(found)
    assert (found.ct[: len(mine.ct)], found.mr, found.ct[-1]) == (mine.ct, (cbct,), ct)
    one, other = (case.intensity.inverse(np.asarray(case.image, dtype=np.float32)) for case in (cbct, ct))
    both = np.asarray(cbct.body) & np.asarray(ct.body)
    assert 2 * both.sum() / (np.sum(cbct.body) + np.sum(ct.body)) > 0.9
    assert np.corrcoef(one[both], other[both])[0, 1] > 0.8
    assert 10 < np.abs(one - other)[both].mean() < 300
    assert (np.asarray(cbct.image)[~np.asarray(cbct.body)] == -1).all()


@pytest.mark.usefixtures("made_brighter")
def test_all_ct_have_theirs_in_turn(mine: Store, tmp_path: Path) -> None:
    count = len(mine.ct)
    found = with_simulated_cbct(mine, count + 1, tmp_path / "run")
    pairs = registered_cases(found)
    assert len(pairs) == count + 1
    assert [cbct.record.name for cbct, _ in pairs] == [ct.record.name for _, ct in pairs]  # metal is in its own CT
    names = [case.record.name for case in mine.ct]
    assert [ct.record.patient for _, ct in pairs] == [*(f"{name} as CBCT 1" for name in names), f"{names[0]} as CBCT 2"]
    for cbct, ct in pairs:
        one, other = (case.intensity.inverse(np.asarray(case.image, dtype=np.float32)) for case in (cbct, ct))
        soft = (other > -100) & (other < 100) & np.asarray(cbct.body)
        assert np.median((one - other)[soft]) == pytest.approx(50, abs=2)
    patches = RegisteredPatches(found, CONFIG, length=4, seed=0)
    assert patches[0]["source"].shape == (1, 64, 64)


@pytest.mark.usefixtures("made_brighter")
def test_they_are_kept_and_torn_ones_made_again(mine: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_simulated_cbct(mine, 2, tmp_path / "run")
    torn = found.mr[0].folder / "image.npy"
    torn.write_bytes(torn.read_bytes()[:200])
    again = with_simulated_cbct(mine, 2, tmp_path / "run")
    assert [case.folder for case in again.mr] == [case.folder for case in found.mr]
    assert again.mr[0].image.shape == mine.ct[0].image.shape
    monkeypatch.setattr(simulated_cbct, "simulate_cbct", None)
    assert len(with_simulated_cbct(mine, 2, tmp_path / "run").mr) == 2
    assert with_simulated_cbct(mine, 0, tmp_path / "run") is mine


def test_a_ct_that_none_can_be_made_of_is_named(mine: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(ct: Volume, seed: int) -> CbctPair:
        return CbctPair(ct.with_array(np.full_like(ct.array, -1024 + seed * 0)), ct)

    monkeypatch.setattr(simulated_cbct, "simulate_cbct", empty)
    with pytest.raises(DataError, match="no body is found in a simulated CBCT"):
        with_simulated_cbct(mine, 1, tmp_path / "run")
