"""Body masks: against phantoms whose body is known."""

import numpy as np
import pytest

from medcycle.body import body_mask
from medcycle.phantom import HeadPhantom, Tissue, head_grid
from medcycle.volume import Grid, Volume


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("orientation", ["RAS", "PIR", "LIP"])
@pytest.mark.parametrize("modality", ["mr", "ct"])
def test_phantom_bodies_are_found(modality: str, orientation: str) -> None:
    grid = head_grid(spacing=(3, 3, 3), orientation=orientation)
    head = HeadPhantom.random(3)
    truth = head.labels(grid).array != Tissue.AIR
    volume = head.mr(grid) if modality == "mr" else head.ct(grid, couch=True)
    found = body_mask(volume, modality)
    assert found.array.dtype == bool
    assert found.grid is grid
    assert dice(found.array, truth) > 0.95


def test_air_inside_counts_and_a_couch_does_not() -> None:
    distance = np.linalg.norm(np.indices((60, 60, 40)).T - [30, 30, 20], axis=-1).T
    array = np.where(distance < 18, 40.0, -1000.0)
    array[distance < 6] = -990
    array[:, 49:51] = 200  # two pixels of couch, a gap below the ball
    found = body_mask(Volume(array, Grid(array.shape, np.diag([2.0, 2, 2, 1]))), "ct").array
    assert found[30, 30, 20]
    assert not found[:, 49:].any()
    assert dice(found, distance < 18) > 0.98


def test_nothing_there_is_an_empty_mask() -> None:
    grid = Grid((8, 9, 10), np.eye(4))
    assert not body_mask(Volume(np.full(grid.shape, -1000.0), grid), "ct").array.any()
    assert not body_mask(Volume(np.zeros(grid.shape), grid), "mr").array.any()
