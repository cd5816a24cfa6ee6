"""The script that trains the model `head`: what it makes of scans, and what it calibrates on."""

import sys
from pathlib import Path

import numpy as np
import pytest

import medcycle as mc
from medcycle.body import body_mask
from medcycle.errors import DataError, UsageError
from medcycle.inference.calibrating import Errors, calibration_of
from medcycle.methods.checkpoint import load_method
from medcycle.models import shipped_file
from medcycle.phantom import HeadPhantom, head_grid
from tests.pipelines.workflows import PIPELINES

sys.path.insert(0, str(PIPELINES))

from head_calibration import simulated_mr
from train_head_model import AIR_HU, scans, tilted


def test_a_tilt_turns_about_the_middle_of_the_scan() -> None:
    voxels = np.full((40, 44, 36), AIR_HU, dtype=np.float32)
    voxels[8:11, 20:23, 28:31] = 1000.0
    grid = mc.Grid(voxels.shape, np.array([[2.0, 0, 0, -7], [0, 2, 0, 11], [0, 0, 2, 3], [0, 0, 0, 1]]))
    made = tilted(mc.Volume(voxels, grid), 30.0, 0.0)
    middle = (grid.affine @ [19.5, 21.5, 17.5, 1])[:3]
    before = (grid.affine @ [9, 21, 29, 1])[:3] - middle
    cosine, sine = np.cos(np.pi / 6), np.sin(np.pi / 6)
    turned = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ before + middle
    weights = made.array - AIR_HU
    places = np.stack(np.meshgrid(*map(np.arange, weights.shape), indexing="ij"), axis=-1)
    centre = (places * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum()
    assert (made.grid.affine @ [*centre, 1])[:3] == pytest.approx(turned, abs=0.1)
    assert made.array[0, 0, 0] == AIR_HU


def test_a_simulated_mr_lies_on_its_ct_and_has_noise_around_it() -> None:
    ct = HeadPhantom.random(3).ct(head_grid(spacing=(1.5, 1.5, 8.0)))
    head = load_method(shipped_file("head"))
    one, again, other = (simulated_mr(ct, head, seed) for seed in (1, 1, 2))
    body = body_mask(ct, "ct").array
    assert one.array.min() >= 0
    assert np.array_equal(one.array, again.array)
    assert not np.array_equal(one.array, other.array)
    assert one.array[body].mean() > 5 * one.array[~body].mean() > 0
    assert np.allclose(one.grid.affine, ct.grid.affine)


def test_only_listed_scans_are_trained_on(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing"):
        scans(tmp_path)
    (tmp_path / "another.nii.gz").touch()
    with pytest.raises(UsageError, match=r"not in head_model\.yaml"):
        scans(tmp_path)


def test_too_few_voxels_give_no_calibration() -> None:
    few = Errors(np.ones(50, np.float32), np.ones(50, np.float32), np.full(50, 3))
    with pytest.raises(DataError, match="50 voxels are too few"):
        calibration_of([few])
