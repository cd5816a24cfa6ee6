"""Attacks by files: bombs, names, characters, pipes."""

import pytest

from tests.attack import Attack, survives
from tests.attack import bombs


def named(*kinds) -> list:
    """The attacks of some generators, each under its name."""
    return [pytest.param(attack, id=attack.name) for kind in kinds for attack in kind()]


@pytest.mark.parametrize("attack", named(bombs.nifti, bombs.itk, bombs.dicom))
def test_bombs(attack: Attack, tmp_path, capfd) -> None:
    survives(attack, tmp_path, capfd)
