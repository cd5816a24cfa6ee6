"""Attacks by files: bombs, names, characters, pipes."""

import pytest

from tests.attack import Attack, archives, bombs, characters, detached, special, survives, yamls

EVERY = 4
"""The quick tests make one attack of so many; the slow ones, and `python -m tests.attack`, make all."""


def named(*kinds) -> list:
    """The attacks of some generators, each under its name."""
    attacks = [attack for kind in kinds for attack in kind()]
    return [
        pytest.param(
            attack, id=ascii(attack.name)[1:-1], marks=[pytest.mark.slow] * (attack.slow or number % EVERY > 0)
        )
        for number, attack in enumerate(attacks)
    ]


@pytest.mark.parametrize("attack", named(bombs.nifti, bombs.itk, bombs.dicom))
def test_bombs(attack: Attack, tmp_path, capfd) -> None:
    survives(attack, tmp_path, capfd)


@pytest.mark.parametrize("attack", named(detached.named))
def test_detached_data(attack: Attack, tmp_path, capfd) -> None:
    survives(attack, tmp_path, capfd)


@pytest.mark.parametrize("attack", named(special.special))
def test_special_files(attack: Attack, tmp_path, capfd) -> None:
    survives(attack, tmp_path, capfd)


@pytest.mark.parametrize("attack", named(characters.headers, characters.names))
def test_control_characters(attack: Attack, tmp_path, capfd) -> None:
    survives(attack, tmp_path, capfd)


@pytest.mark.parametrize("attack", named(yamls.yamls))
def test_yaml(attack: Attack, tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    survives(attack, tmp_path, capfd)


@pytest.mark.parametrize("attack", named(archives.archives))
def test_archives(attack: Attack, tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    survives(attack, tmp_path, capfd)
