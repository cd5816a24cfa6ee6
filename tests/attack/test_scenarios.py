"""Attacks that take more than files: faults of one case and of disks."""

import sys

import pytest

from tests.attack import Scenario, Stage, concurrency, faults
from tests.attack.test_files import named


@pytest.fixture
def stage(tmp_path, monkeypatch, capfd) -> Stage:
    return Stage(tmp_path, monkeypatch, capfd)


@pytest.mark.parametrize("scenario", named(faults.of_one_case, faults.vanishing))
def test_faults_of_one_case(scenario: Scenario, stage: Stage) -> None:
    scenario.play(stage)


@pytest.mark.parametrize("scenario", named(faults.of_disks))
def test_faults_of_disks(scenario: Scenario, stage: Stage) -> None:
    scenario.play(stage)


@pytest.mark.skipif(sys.platform == "win32", reason="locks and signals of POSIX")
@pytest.mark.parametrize("scenario", named(concurrency.at_once, concurrency.of_processes))
def test_concurrency(scenario: Scenario, stage: Stage) -> None:
    scenario.play(stage)
