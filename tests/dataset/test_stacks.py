"""Volumes as slices of one plane, and of all three."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.config import DataConfig, parse_config
from medcycle.dataset.patches import UnpairedPatches, preview_patches
from medcycle.dataset.preparation import prepare_volume
from medcycle.dataset.registered import RegisteredPatches
from medcycle.dataset.stacks import stacks_of
from medcycle.dataset.store import Store
from medcycle.errors import ConfigError
from medcycle.io import read_volume
from medcycle.phantom import write_cohort

PLAIN = {"spacing": (6, 6, 6), "patch_size": (64, 64), "flip": False, "augmentation": "none"}
ALL = DataConfig.model_validate(PLAIN | {"plane": "all"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients with MR and CT on one grid of 6 mm."""
    folder = tmp_path_factory.mktemp("cube")
    write_cohort(folder, patients=0, paired_cases=2, spacing=(6.0, 6.0, 6.0))
    return folder


@pytest.fixture(scope="module")
def cube(folder: Path) -> Store:
    """The same, prepared for slices of all planes."""
    return prepare_cohort(find_cohort(folder / "test" / "mr", folder / "test" / "ct"), folder / "store", ALL)


@pytest.mark.parametrize(("axis", "plane"), [(0, "sagittal"), (1, "coronal"), (2, "axial")])
def test_stacks_are_the_slices_of_the_plane(folder: Path, cube: Store, axis: int, plane: str) -> None:
    stack = next(one for one in stacks_of(cube.ct, ALL.plane, ALL.min_body_fraction) if one.axis == axis)
    source = read_volume(min((folder / "test" / "ct").iterdir()))
    alone = prepare_volume(source, "ct", ALL.model_copy(update={"plane": plane}))
    np.testing.assert_allclose(stack.image, alone.image.array, atol=1e-3)
    np.testing.assert_array_equal(stack.body, alone.body.array)
    fractions = alone.body.array.mean(axis=(0, 1))
    assert stack.positions == np.flatnonzero(fractions > ALL.min_body_fraction).tolist()
    assert stack.spacing == pytest.approx(6)
    assert stack.sided == (plane != "sagittal")


def test_slices_of_all_planes_are_drawn_of_mr_and_ct_together(cube: Store) -> None:
    known = [
        {
            axis: {
                patch.tobytes()
                for one in stacks_of(cases, ALL.plane, ALL.min_body_fraction)
                if one.axis == axis
                for patch in _slices(one.image)
            }
            for axis in range(3)
        }
        for cases in (cube.ct, cube.mr)
    ]
    patches, counts = UnpairedPatches(cube, ALL, length=60, seed=0), [0, 0, 0]
    for index in range(60):
        item = patches[index]
        axis = next(axis for axis in range(3) if item["target"].numpy().tobytes() in known[0][axis])
        assert item["source"].numpy().tobytes() in known[1][axis]
        counts[axis] += 1
    assert min(counts) > 8
    assert preview_patches(cube, ALL)["target"].shape == (3, 1, 64, 64)


def _slices(image: np.ndarray) -> list[np.ndarray]:
    """Every slice in the middle of a patch of 64 × 64."""
    patches = []
    for number in range(image.shape[2]):
        patch = np.full((64, 64), -1, dtype=np.float32)
        low = [-((n - 64) // 2) for n in image.shape[:2]]
        patch[low[0] : low[0] + image.shape[0], low[1] : low[1] + image.shape[1]] = image[:, :, number]
        patches.append(patch)
    return patches


def test_only_planes_with_a_right_and_a_left_are_mirrored(cube: Store) -> None:
    same = replace(cube, mr=cube.ct)
    flipping = ALL.model_copy(update={"flip": True})
    mirrored = 0
    for index in range(60):
        one = RegisteredPatches(same, flipping, length=60, seed=0)[index]
        other = RegisteredPatches(same, ALL, length=60, seed=0)[index]
        assert torch.equal(one["source"], one["target"])
        mirrored += torch.equal(one["target"], other["target"].flip(1)) and not torch.equal(
            one["target"], other["target"]
        )
    assert 8 < mirrored < 40  # of 60, of which 40 are axial or coronal


@pytest.mark.parametrize("spacing", [[1, 1, None], [1, 1, 2]])
def test_all_planes_need_one_spacing(spacing: list[float | None]) -> None:
    with pytest.raises(ConfigError, match=r"the same data.spacing along all axes"):
        parse_config({"data": {"plane": "all", "spacing": spacing}}, "mine")
