"""Resampling, against a closed form and against SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medcycle.resample import coarsen, resample_mask, resample_to, respace, slabs
from medcycle.volume import Grid, Volume
from tests.geometry import grids, numbered


def plane(grid: Grid) -> Volume:
    """A field that is linear in position, which linear interpolation gives exactly."""
    index = np.indices(grid.shape).reshape(3, -1)
    position = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    return Volume((np.array([1.0, -2.0, 0.5]) @ position + 7).reshape(grid.shape), grid)


@settings(deadline=None)
@given(grids(), grids())
def test_linear_fields_stay_linear(source: Grid, target: Grid) -> None:
    found = resample_to(plane(source), target, background=np.nan).array
    index = np.indices(target.shape).reshape(3, -1)
    position = target.affine[:3, :3] @ index + target.affine[:3, 3:]
    at = np.linalg.inv(source.affine[:3, :3]) @ (position - source.affine[:3, 3:])
    size = np.array(source.shape)[:, None]
    inside = ((at >= 0.01) & (at <= size - 1.01)).all(axis=0).reshape(target.shape)
    beyond = ((at < -0.51) | (at > size - 0.49)).any(axis=0).reshape(target.shape)
    np.testing.assert_allclose(found[inside], plane(target).array[inside], atol=1e-4)
    assert np.isnan(found[beyond]).all()


@settings(deadline=None)
@given(grids())
def test_onto_itself_changes_nothing(grid: Grid) -> None:
    volume = numbered(grid)
    for interpolation in ("linear", "nearest", "bspline"):
        np.testing.assert_allclose(
            resample_to(volume, grid, background=-1, interpolation=interpolation).array, volume.array, atol=1e-2
        )


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_splines_of_few_voxels(count: int, axis: int) -> None:
    shape = tuple(np.where(np.arange(3) == axis, count, 20).tolist())
    volume = Volume(np.random.default_rng(0).uniform(-1000, 1000, shape).astype(np.float32), Grid(shape, np.eye(4)))
    affine = np.eye(4)
    affine[:3, 3] = 0.25
    for target in (Grid(shape, affine), Grid((20, 20, 40), np.diag([1, 1, 0.5, 1]))):
        made, again = (resample_to(volume, target, background=0, interpolation="bspline").array for _ in range(2))
        np.testing.assert_array_equal(made, again)  # and no memory beyond the ends
        linear = resample_to(volume, target, background=0).array
        assert np.abs(made - linear).mean() < 150  # noise of 2,000: what it is between voxels is a matter of opinion


def test_against_scipy() -> None:
    generator = np.random.default_rng(0)
    source = Volume(generator.normal(size=(9, 10, 11)).astype(np.float32), Grid((9, 10, 11), np.diag([1, 2, 3, 1])))
    affine = np.diag([0.7, 1.3, 2.1, 1.0])
    affine[:3, 3] = [1.5, 2.0, 4.0]
    target = Grid((6, 7, 8), affine)
    matrix = np.linalg.inv(source.grid.affine) @ affine
    expected = ndimage.affine_transform(source.array, matrix[:3, :3], matrix[:3, 3], (6, 7, 8), order=1, cval=-9)
    found = resample_to(source, target, background=-9).array
    inside = np.s_[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 30, 50), (9, 9, 1), (3, 9, 9)])
def test_cubic_splines_are_those_of_scipy_and_stay_in_range(shape: tuple[int, int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 2, shape).astype(np.float32)
    affine = np.diag([0.7, 0.7, 0.7, 1.0])
    affine[:3, 3] = [0.3, 0.2, 0.0]
    target = Grid(tuple(1 + max(0, int((size - 1.3) / 0.7)) for size in shape), affine)
    found = resample_to(Volume(values, Grid(shape, np.eye(4))), target, background=0.0, interpolation="bspline").array
    expected = ndimage.affine_transform(
        values.astype(float), [0.7] * 3, affine[:3, 3], target.shape, order=3, mode="mirror"
    )
    assert expected.max() > 1.01
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-4)


def test_masks_stay_masks() -> None:
    grid = Grid((4, 4, 4), np.eye(4))
    mask = Volume(np.eye(4)[:, :, None].repeat(4, 2) > 0, grid)
    found = resample_to(mask, grid, background=0, interpolation="nearest").array
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, mask.array)
    assert pytest.approx(found.sum()) == 16


@settings(deadline=None)
@given(grids(), grids())
def test_masks_part_by_part_are_masks_at_once(source: Grid, target: Grid) -> None:
    mask = Volume(numbered(source).array % 3 > 1, source)
    whole = resample_to(mask.with_array(mask.array.astype(np.float32)), target, background=0.0).array > 0.5
    np.testing.assert_array_equal(resample_mask(mask, target).array, whole)


def test_parts_of_a_grid_lie_where_it_does() -> None:
    affine = np.array([[1.0, 0.1, 0, 5], [0, 2, 0.3, 6], [0.2, 0, 3, 7], [0, 0, 0, 1]])
    grid = Grid((4, 5, 37), affine)
    seen = np.zeros(grid.shape, dtype=int)
    for slab, part in slabs(grid):
        seen[slab] += 1
        assert seen[slab].shape == part.shape
        np.testing.assert_allclose(part.affine @ [1, 2, 3, 1], affine @ [1, 2, slab[2].start + 3, 1])
    assert (seen == 1).all()


@settings(deadline=None)
@given(grids(), st.floats(0.5, 4), st.floats(0.5, 4))
def test_another_spacing_keeps_the_place(grid: Grid, across: float, along: float) -> None:
    spacing = (across, None, along)
    made = respace(plane(grid), spacing)
    for new, wanted, old in zip(made.grid.spacing, spacing, grid.spacing, strict=True):
        assert new == pytest.approx(wanted or old, rel=2e-4)
    centres = [item.affine @ [*(np.array(item.shape) - 1) / 2, 1] for item in (grid, made.grid)]
    np.testing.assert_allclose(*centres, atol=1e-3)
    assert all(new >= old - 1e-2 * old for new, old in zip(made.grid.field_of_view, grid.field_of_view, strict=True))


@pytest.mark.parametrize("spacing", [(2.3, 1.7, 4.1), (0.6, None, 3.3), (3.9, 2.0, None)])
def test_linear_fields_stay_linear_on_another_spacing(spacing) -> None:
    grid = Grid((40, 37, 33), np.array([[0, 1.1, 0, 9], [1.2, 0, 0.1, -4], [0, 0.2, 1.5, 2], [0, 0, 0, 1]]))
    made = respace(plane(grid), spacing)
    expected = plane(made.grid).array
    inside = tuple(slice(n // 4, n - n // 4) for n in made.grid.shape)  # the border's blur does not reach there
    np.testing.assert_allclose(made.array[inside], expected[inside], atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_blur_is_that_of_the_point_spreads(axis: int) -> None:
    """A wave of 12 fine voxels keeps exp(−2π²σ²/12²) of its height under a Gaussian of σ = √(f² − 1) / 2.355."""
    shape = [5, 5, 5]
    shape[axis] = 241
    wave = np.cos(2 * np.pi * np.indices(shape)[axis] / 12)
    wanted: list[float | None] = [None, None, None]
    wanted[axis] = 4.0
    made = respace(Volume(wave, Grid(wave.shape, np.eye(4))), wanted)
    profile = np.moveaxis(made.array, axis, 0)[10:-10, 2, 2]
    positions = made.grid.affine[axis, 3] + 4.0 * np.arange(10, 10 + len(profile))
    phase = np.exp(2j * np.pi * positions / 12)
    height = 2 * np.abs(np.mean(profile * phase))
    assert height == pytest.approx(np.exp(-2 * np.pi**2 * (15 / 2.355**2) / 144), rel=0.03)


def test_only_finer_axes_are_coarsened() -> None:
    volume = Volume(np.ones((10, 12, 6), np.int16), Grid((10, 12, 6), np.diag([1.0, 2.5, 5.0, 1.0])))
    made = coarsen(volume, 2.0)
    np.testing.assert_allclose(made.grid.spacing, (2, 2.5, 5))
    assert made.array.dtype == np.float32
    np.testing.assert_allclose(made.array, 1, atol=1e-6)


def test_noise_is_blurred_as_asked() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 40, 40))
    grid = Grid(noise.shape, np.eye(4))
    plain, blurred = coarsen(Volume(noise, grid), 1.0), coarsen(Volume(noise, grid), 1.0, blur=0.4)
    np.testing.assert_allclose(plain.array, noise, atol=1e-6)
    expected = ndimage.gaussian_filter(noise, 0.4, mode="nearest")
    np.testing.assert_allclose(blurred.array, expected, atol=1e-5)
