"""The parts of a head by height."""

import numpy as np
import pytest

from medcycle.evaluation.head import head_regions
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume


@pytest.mark.parametrize("seed", [0, 5])
def test_vault_skull_base_and_face_lie_on_each_other(seed: int) -> None:
    head = HeadPhantom.random(seed).ct(head_grid(spacing=(3.0, 3.0, 3.0)))
    parts = head_regions(head)
    assert list(parts) == ["vault", "skull base", "face"]
    assert np.array_equal(sum(part.astype(int) for part in parts.values()), np.ones(head.grid.shape, int))
    heights = [np.argwhere(part)[:, 2].mean() for part in parts.values()]
    assert heights == sorted(heights, reverse=True)
    levels = np.flatnonzero(parts["skull base"].any(axis=(0, 1)))
    assert levels.size * 3 == pytest.approx(45, abs=6)
    brain = (head.array > 0) & (head.array < 60)
    middle = np.flatnonzero((head.array > 250).any(axis=(0, 1))).mean()
    assert brain[:, :, levels].any()
    assert abs(levels.mean() - middle) * 3 < 60


def test_regions_follow_the_patient_however_the_slices_lie() -> None:
    phantom = HeadPhantom.random(1)
    usual = phantom.ct(head_grid(spacing=(3.0, 3.0, 3.0)))
    oblique = phantom.ct(head_grid(spacing=(3.0, 3.0, 3.0), rotation_degrees=(12.0, 0.0, 0.0)))
    found = [
        (one.grid.affine @ np.append(np.argwhere(head_regions(one)["skull base"]).mean(axis=0), 1))[2]
        for one in (usual, oblique)
    ]
    assert found[0] == pytest.approx(found[1], abs=8)


def test_what_is_no_head_has_no_regions() -> None:
    grid = Grid((60, 60, 60), np.diag([4.0, 4.0, 4.0, 1.0]))
    distance = np.linalg.norm(np.indices(grid.shape).T - [30, 30, 30], axis=-1).T
    trunk = np.where(distance < 25, 40.0, -1000.0)
    trunk[28:32, 10:14] = 400.0
    assert head_regions(Volume(trunk.astype(np.float32), grid)) == {}
    assert head_regions(Volume(np.full(grid.shape, -1000.0, np.float32), grid)) == {}
