"""Seams and continuity."""

import numpy as np
import pytest

from medcycle.inference.quality import at_limit, seam_score, slice_continuity
from medcycle.volume import Grid

RANDOM = np.random.default_rng(0)
BODY = np.ones((40, 40, 40), bool)
BORDERS = [[20], [], [10, 30]]


def noise() -> np.ndarray:
    return RANDOM.normal(0, 1, BODY.shape).astype(np.float32)


def test_noise_has_no_seams() -> None:
    assert seam_score(noise(), BODY, BORDERS) == pytest.approx(1, abs=0.03)


def test_a_step_between_windows_is_a_seam() -> None:
    image = noise()
    image[20:] += 5
    assert seam_score(image, BODY, BORDERS) > 1.5
    assert seam_score(image, BODY, [[15], [], []]) < 1.1  # the step is elsewhere


def test_what_is_outside_the_body_does_not_count() -> None:
    image, body = noise(), BODY.copy()
    image[20:, :20] += 50
    body[:, :20] = False
    assert seam_score(image, body, BORDERS) == pytest.approx(1, abs=0.05)


def test_without_windows_there_is_no_score() -> None:
    assert seam_score(noise(), BODY, [[], [], []]) is None
    assert seam_score(noise(), ~BODY, BORDERS) is None
    assert seam_score(np.zeros(BODY.shape, np.float32), BODY, BORDERS) is None


def test_anatomy_that_changes_faster_where_a_border_lies_is_no_seam() -> None:
    steeper = np.cumsum(np.linspace(0, 4, 40))[:, None, None]  # each step is larger than the one before
    image = np.broadcast_to(steeper, BODY.shape).astype(np.float32)
    assert seam_score(image, BODY, [[30], [], []]) == pytest.approx(1)
    assert seam_score(image, BODY, [[10], [], []]) == pytest.approx(1)


def test_a_seam_is_compared_with_what_is_no_seam() -> None:
    image = np.broadcast_to(np.arange(40.0)[:, None, None], BODY.shape).copy()
    for border in (17, 20, 23):  # each beside the others
        image[border:] += 1
    assert seam_score(image, BODY, [[17, 20, 23], [], []]) == pytest.approx(2)
    assert seam_score(image, BODY, [list(range(40)), [], []]) is None


def test_flicker_from_slice_to_slice() -> None:
    source = np.add.outer(np.arange(40.0), np.add.outer(np.arange(40.0), np.arange(40.0)))
    assert slice_continuity(3 * source, source, BODY) == pytest.approx(1)
    flicker = source + 5 * (np.arange(40) % 2)
    assert slice_continuity(flicker, source, BODY) == pytest.approx(5, abs=0.2)
    assert slice_continuity(source[..., :1], source[..., :1], BODY[..., :1]) is None


def test_bone_at_the_end_of_the_range_is_told() -> None:
    grid = Grid((10, 10, 10), np.diag([2.0, 2.0, 2.5, 1.0]))
    ct = np.full(grid.shape, 1200.0)
    assert at_limit(ct, grid, 1700.0) == []
    ct[0, 0, 0] = 1700
    assert at_limit(ct, grid, 1700.0) == []  # 0.01 ml
    ct[:4, :4, :2] = 1699.5
    (said,) = at_limit(ct, grid, 1700.0)
    assert said.startswith("0.3 ml are at the upper end of the model's range, 1700 HU")
