"""Label maps in both of TotalSegmentator's forms, and the means that SynthRAD2025 takes over them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric, HausdorffDistanceMetric

from medcycle.errors import DataError, GridMismatch, UsageError
from medcycle.evaluation.labels import ANATOMIES, STRUCTURES, compare_labels, read_labels
from medcycle.io.nifti import write_nifti
from medcycle.volume import Grid, Volume

GRID = Grid((16, 17, 18), np.diag([1.0, 2.0, 3.0, 1.0]))


def segmentation(seed: int, numbers: tuple[int, ...]) -> np.ndarray:
    """A box for each number, at places that vary with the seed."""
    random = np.random.default_rng(seed)
    labels = np.zeros(GRID.shape, np.uint8)
    for place, number in enumerate(numbers):
        start = np.array([4 * place + 1, 4, 4]) + random.integers(0, 2, 3)
        labels[tuple(slice(a, a + 3) for a in start)] = number
    return labels


def official(real: np.ndarray, synthetic: np.ndarray, numbers: tuple[int, ...]) -> tuple[float, float]:
    """As github.com/SynthRAD2025/metrics computes them, with MONAI."""
    dice = DiceMetric(include_background=True, reduction="mean", get_not_nans=False)
    hd95 = HausdorffDistanceMetric(include_background=True, reduction="mean", percentile=95, get_not_nans=False)
    for number in numbers:
        pair = [torch.from_numpy(one == number)[None, None] for one in (synthetic, real)]
        if pair[1].any():
            dice(*pair)
            hd95(*pair, spacing=GRID.spacing)
    return dice.aggregate().item(), hd95.aggregate().item()


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # of MONAI, to itself
def test_means_are_those_of_synthrad2025(tmp_path: Path) -> None:
    real, synthetic = segmentation(0, (90, 91, 2)), segmentation(1, (90, 91, 2))
    masks = []
    for name, labels in (("real", real), ("synthetic", synthetic)):
        write_nifti(Volume(labels, GRID), tmp_path / f"{name}.nii.gz")
        masks.append(read_labels(tmp_path / f"{name}.nii.gz", GRID))
    found = compare_labels(*masks, GRID, "hn")
    assert list(found["structures"]) == ["brain", "skull"]
    expected = official(real, synthetic, ANATOMIES["hn"])
    assert (found["dice"], found["hd95_mm"]) == pytest.approx(expected, abs=1e-5)
    assert set(compare_labels(*masks, GRID)["structures"]) == {"brain", "skull", "kidney_right"}


def test_a_folder_of_masks_is_the_same_as_a_file_of_labels(tmp_path: Path) -> None:
    labels = segmentation(0, (90, 91))
    write_nifti(Volume(labels, GRID), tmp_path / "labels.nii.gz")
    for number in (90, 91):
        path = tmp_path / "masks" / f"{STRUCTURES[number]}.nii.gz"
        write_nifti(Volume((labels == number).astype(np.uint8), GRID), path)
    write_nifti(Volume(np.zeros(GRID.shape, np.uint8), GRID), tmp_path / "masks" / "liver.nii.gz")
    one, other = (read_labels(tmp_path / name, GRID) for name in ("labels.nii.gz", "masks"))
    assert set(one) == set(other) == {"brain", "skull"}
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_structure_that_was_not_drawn_counts_as_missed() -> None:
    labels = segmentation(0, (90, 91))
    found = compare_labels({"brain": labels == 90, "skull": labels == 91}, {"brain": labels == 90}, GRID)
    assert found["structures"]["skull"] == {"dice": 0.0, "hd95_mm": None, "msd_mm": None}
    assert (found["dice"], found["hd95_mm"], found["lacking"]) == (0.5, 0.0, 1)


def test_wrong_label_maps_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="a file for each structure"):
        read_labels(tmp_path / "empty", GRID)
    write_nifti(Volume(np.full(GRID.shape, 0.5, np.float32), GRID), tmp_path / "image.nii.gz")
    with pytest.raises(DataError, match="no whole numbers"):
        read_labels(tmp_path / "image.nii.gz", GRID)
    with pytest.raises(GridMismatch):
        read_labels(tmp_path / "image.nii.gz", Grid((3, 3, 3), np.eye(4)))


def test_anatomies_name_structures_that_exist() -> None:
    assert all(set(numbers) <= set(STRUCTURES) for numbers in ANATOMIES.values())
    assert len(set(STRUCTURES.values())) == len(STRUCTURES)
