"""Overlap and distances of masks against MONAI, SimpleITK and closed forms."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance

from medcycle.evaluation.surfaces import agreement, depths, dice, surface_distances
from medcycle.volume import Grid


def grid(shape: tuple[int, ...], spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Grid:
    return Grid(shape, np.diag([*spacing, 1.0]))


def blobs(seed: int, shape: tuple[int, int, int], threshold: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    coarse = random.normal(size=[-(-n // 3) for n in shape])
    return coarse.repeat(3, 0).repeat(3, 1).repeat(3, 2)[tuple(slice(n) for n in shape)] > threshold


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # of MONAI, to itself
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(*[st.integers(5, 14)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 4.0)] * 3),
    thresholds=st.tuples(*[st.floats(-1.0, 1.0)] * 2),
)
@settings(max_examples=40, deadline=None)
def test_agree_with_monai(seed: int, shape, spacing, thresholds) -> None:
    first, second = blobs(seed, shape, thresholds[0]), blobs(seed + 1, shape, thresholds[1])
    if not first.any() or not second.any():
        return
    found = agreement(first, second, grid(shape, spacing))
    tensors = [torch.from_numpy(mask)[None, None].float() for mask in (second, first)]
    hd95 = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=list(spacing))
    mean = [
        compute_average_surface_distance(*pair, include_background=True, spacing=list(spacing)).item()
        for pair in (tensors, tensors[::-1])
    ]
    assert found.dice == pytest.approx(compute_dice(*tensors).item(), abs=1e-6)
    assert found.hd95_mm == pytest.approx(hd95.item(), rel=1e-5, abs=1e-5)
    assert found.msd_mm == pytest.approx(np.mean(mean), rel=1e-5, abs=1e-5)


@given(seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_dice_agrees_with_simpleitk(seed: int) -> None:
    first, second = blobs(seed, (9, 10, 11), 0.2), blobs(seed + 1, (9, 10, 11), -0.2)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (first, second)))
    assert dice(first, second) == pytest.approx(overlap.GetDiceCoefficient())


def test_a_shifted_box_is_as_far_as_it_was_shifted() -> None:
    first = np.zeros((30, 30, 30), dtype=bool)
    first[8:20, 8:20, 8:20] = True
    found = agreement(first, np.roll(first, 3, axis=2), grid(first.shape, (1.0, 1.0, 2.0)))
    assert found.hd95_mm == pytest.approx(6.0)
    assert found.dice == pytest.approx(9 / 12)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_axes_in_any_order_and_direction_give_the_same(axes: tuple[int, int, int]) -> None:
    first, second = blobs(1, (12, 13, 14), 0.0), blobs(2, (12, 13, 14), 0.3)
    spacing = np.array([1.0, 2.0, 3.0])
    turned = [np.flip(mask.transpose(axes), 0) for mask in (first, second)]
    expected = agreement(first, second, grid(first.shape, tuple(spacing)))
    affine = np.zeros((4, 4))
    affine[list(axes), range(3)] = spacing[list(axes)]
    affine[:, 0] *= -1
    affine[3, 3] = 1
    assert agreement(*turned, Grid(turned[0].shape, affine)) == pytest.approx(expected)


def test_equal_masks_are_perfect_and_empty_ones_have_no_distance() -> None:
    mask, nothing = blobs(3, (9, 9, 9), 0.0), np.zeros((9, 9, 9), dtype=bool)
    assert agreement(mask, mask, grid(mask.shape)) == (1.0, 0.0, 0.0)
    assert agreement(mask, nothing, grid(mask.shape)) == (0.0, None, None)
    assert agreement(nothing, nothing, grid(mask.shape)) == (None, None, None)


def test_one_voxel_is_a_surface() -> None:
    first, second = np.zeros((2, 5, 5, 5), dtype=bool)
    first[0, 0, 0] = second[0, 3, 4] = True
    there, back = surface_distances(first, second, grid(first.shape))
    assert there.tolist() == back.tolist() == [5.0]


def test_depths_of_a_ball() -> None:
    spacing = (1.0, 1.2, 1.5)
    places = np.stack(np.meshgrid(*(np.arange(40) * step - 20 * step for step in spacing), indexing="ij"))
    distance = np.sqrt(np.square(places).sum(axis=0))
    found = depths(distance < 14, grid((40, 40, 40), spacing))
    near = np.abs(distance - 14) < 5
    np.testing.assert_allclose(found[near], 14 - distance[near], atol=np.linalg.norm(spacing))  # of a voxel
    assert np.abs(found[near] - (14 - distance[near])).mean() < 0.4
    assert ((found > 0) == (distance < 14)).all()


def test_the_end_of_the_array_is_no_surface() -> None:
    mask = np.zeros((30, 30, 4), bool)
    mask[5:25, 5:25] = True
    found = depths(mask, grid(mask.shape))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    assert found[15, 15, 0] == pytest.approx(9.5)
    assert np.isposinf(depths(np.ones((3, 3, 3), bool), grid((3, 3, 3)))).all()
    assert np.isneginf(depths(np.zeros((3, 3, 3), bool), grid((3, 3, 3)))).all()
