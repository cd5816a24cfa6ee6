"""Attacks by what was made by hand: configurations, checkpoints."""

import pytest

from medcycle.errors import BadCheckpoint
from medcycle.methods.checkpoint import load_method
from tests.attack import Attack, checkpoints, configurations, survives
from tests.attack.test_files import named


@pytest.mark.parametrize("attack", named(checkpoints.checkpoints))
def test_checkpoints(attack: Attack, tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    survives(attack, tmp_path, capfd)
    if not attack.harmless:
        with pytest.raises(BadCheckpoint) as raised:
            load_method(tmp_path / "in" / "model.pt")
        assert attack.names in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("attack", named(configurations.numbers, configurations.choices, configurations.names))
def test_configurations(attack: Attack, tmp_path, capfd) -> None:
    survives(attack, tmp_path, capfd)
