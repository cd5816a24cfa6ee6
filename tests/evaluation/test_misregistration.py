"""A synthetic CT that was moved is found to be moved by as much."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from medcycle.body import body_mask
from medcycle.errors import RegistrationFailed
from medcycle.evaluation.misregistration import measure_misregistration
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.resample import resample_to
from medcycle.volume import Grid, Volume

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def head() -> Volume:
    return HeadPhantom.random(3).ct(head_grid(spacing=(2.5, 2.5, 3.0)))


def moved(head: Volume, shift: tuple[float, ...], turn: float = 0.0, *, back: bool = False) -> Volume:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("x", turn, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    if back:
        matrix = np.linalg.inv(matrix)
    placed = Volume(head.array, Grid(head.grid.shape, matrix @ head.grid.affine))
    return resample_to(placed, head.grid, background=-1024)


def test_nothing_is_found_where_nothing_moved(head: Volume) -> None:
    softer = head.with_array(np.where(head.array > 250, 250 + 0.5 * (head.array - 250), head.array))
    found = measure_misregistration(head, softer, body_mask(head, "ct").array)
    assert found.mean_mm < 0.1


@pytest.mark.parametrize(("shift", "turn"), [((3.0, 0.0, 0.0), 0.0), ((0.0, -2.0, 4.0), 0.0), ((1.0, 1.0, 0.0), 4.0)])
def test_a_known_motion_is_measured_and_undone(head: Volume, shift: tuple[float, ...], turn: float) -> None:
    synthetic, body = moved(head, shift, turn), body_mask(head, "ct").array
    found = measure_misregistration(head, synthetic, body)
    if not turn:
        assert found.translation_mm == pytest.approx([-one for one in shift], abs=0.25)
        assert found.mean_mm == pytest.approx(np.linalg.norm(shift), abs=0.25)
    assert np.linalg.norm(found.rotation_deg) == pytest.approx(turn, abs=0.3)
    undone = moved(synthetic, shift, turn, back=True)
    best, reached = (
        np.abs(one.array - head.array)[body].mean() for one in (undone, found.move(synthetic, head.grid, -1024))
    )
    assert reached < 1.05 * best


def test_volumes_without_structure_can_not_be_registered(head: Volume) -> None:
    flat = head.with_array(np.full(head.grid.shape, 40.0, np.float32))
    with pytest.raises(RegistrationFailed, match="look at both"):
        measure_misregistration(head, flat, body_mask(head, "ct").array)
