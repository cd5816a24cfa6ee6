"""Radiographs against closed forms and an independent line integral, on grids of every kind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medcycle.evaluation.drr import VIEWS, WATER, drr_measures, drrs, radiograph, write_drr_png
from medcycle.volume import Grid, Volume
from tests.evaluation.bodies import box, centred, filled, places

TURN = Rotation.from_euler("xyz", [15, -10, 25], degrees=True).as_matrix()


def lopsided() -> tuple[Volume, np.ndarray]:
    """A box of water with bone towards the patient's left, front and head."""
    grid = centred((50, 56, 30), (2.0, 1.5, 3.0))
    body = box(grid, (40, 30, 36))
    return Volume(np.where(box(grid, (6, 6, 9), (-20, 15, 20)), 1000, filled(grid, body).array), grid), body


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (0.8, 1.3, 4.0)])
def test_box_of_water_has_its_thickness(spacing) -> None:
    grid = centred([int(120 / side) for side in spacing], spacing)
    body = box(grid, (40.4, 30.1, 45.5))
    images = drrs(filled(grid, body), filled(grid, body), body, body)
    sides = [np.ptp(np.nonzero(body)[axis]) * side + side for axis, side in enumerate(spacing)]
    for view, axis in VIEWS.items():
        middle = tuple(n // 2 for n in images[view].real.shape)
        assert images[view].real[middle] == pytest.approx(WATER * sides[axis], rel=1e-5)
        assert images[view].real.sum() == pytest.approx(WATER * np.prod(sides), rel=0.03)  # pixels of 1 mm²
        assert images[view].body.sum() == pytest.approx(sides[1 - axis] * sides[2], rel=0.1)


def test_bone_is_where_the_viewer_expects_it() -> None:
    volume, body = lopsided()
    images = drrs(volume, volume, body, body)
    for view, axis in VIEWS.items():
        image = images[view].real
        row, column = np.unravel_index(image.argmax(), image.shape)
        assert row < image.shape[0] / 2  # the head is up
        right = column > image.shape[1] / 2
        assert right == (
            view == "ap"
        )  # the patient's left is on the viewer's right; the front on the left, from the side
        bone = 12 * WATER
        assert image.max() == pytest.approx(WATER * [80, 60][axis] + bone, rel=0.03)


def test_agrees_with_an_independent_line_integral() -> None:
    grid = centred((40, 36, 20), (1.0, 1.0, 1.0))
    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=grid.shape), 3).astype(np.float32)
    for view, axis in VIEWS.items():
        image = radiograph(Volume(values, grid), view)
        fine = np.arange(0, grid.shape[axis] - 1 + 1e-9, 0.05)  # voxel coordinates, which are mm
        for row, column in ((3, 4), (11, 20), (17, 29)):
            place = np.zeros((3, len(fine)))
            place[axis], place[1 - axis], place[2] = fine, grid.shape[1 - axis] - 1 - column, grid.shape[2] - 1 - row
            line = ndimage.map_coordinates(values, place, order=1)
            ends = (line[0] + line[-1]) / 2  # half a voxel beyond the outer centres
            assert image[row, column] == pytest.approx(np.trapezoid(line, dx=0.05) + ends, abs=1e-4)


@pytest.mark.parametrize("orientation", ["LPS", "PIR", "SAL", "IRP"])
def test_order_and_direction_of_the_axes_change_nothing(orientation: str) -> None:
    volume, body = lopsided()
    mask = volume.with_array(body).with_axes(orientation).array
    turned = volume.with_axes(orientation)
    expected, found = drrs(volume, volume, body, body), drrs(turned, turned, mask, mask)
    for view in VIEWS:
        np.testing.assert_allclose(found[view].real, expected[view].real, atol=1e-5)
        assert (found[view].body == expected[view].body).all()


def test_oblique_grids_give_the_same_but_for_their_voxels() -> None:
    grid = centred((80, 80, 80), (1.5, 1.5, 1.5), TURN)
    x, y, z = places(grid)
    body = (x / 40) ** 2 + (y / 30) ** 2 + (z / 45) ** 2 < 1
    images = drrs(filled(grid, body), filled(grid, body), body, body)
    for view, half in (("ap", 30), ("lateral", 40)):
        image = images[view].real
        assert image.max() == pytest.approx(WATER * 2 * half, rel=0.04)
        assert image.sum() == pytest.approx(WATER * body.sum() * 1.5**3, rel=0.01)
        rows, columns = (np.flatnonzero(image.max(axis=axis) > WATER) for axis in (1, 0))
        assert np.ptp(rows) == pytest.approx(90, abs=5)
        assert np.ptp(columns) == pytest.approx(2 * (70 - half), abs=5)


def test_equal_volumes_are_alike_and_a_moved_one_is_not() -> None:
    volume, body = lopsided()
    same = drr_measures(drrs(volume, volume, body, body))
    moved = volume.with_array(np.roll(volume.array, 3, axis=0))
    other = drr_measures(drrs(volume, moved, body, np.roll(body, 3, axis=0)))
    for view in VIEWS:
        assert same[view] == {"ncc": pytest.approx(1), "mae": 0}
    assert other["ap"]["ncc"] < 0.95
    edge, bone = 6 / 80 * 60 * WATER, 2 * (6 * 18) / (80 * 72) * 12 * WATER
    assert other["ap"]["mae"] == pytest.approx(edge + bone, rel=0.05)
    assert other["lateral"]["ncc"] > 0.999  # it is along the rays


def test_difference_of_density_is_that_of_the_images() -> None:
    grid = centred((50, 50, 30), (2.0, 2.0, 3.0))
    body = box(grid, (40, 30, 36))
    denser = filled(grid, body, 50)
    measures = drr_measures(drrs(filled(grid, body), denser, body, body))
    assert measures["ap"]["mae"] == pytest.approx(0.05 * WATER * 60, rel=0.05)
    assert measures["lateral"]["mae"] == pytest.approx(0.05 * WATER * 80, rel=0.05)


def test_couch_and_less_than_air_count_as_nothing() -> None:
    volume, body = lopsided()
    images = drrs(volume.with_array(np.where(body, volume.array, 3000)), volume, body, body)
    assert (images["ap"].real == images["ap"].synthetic).all()
    below = volume.with_array(np.full(volume.array.shape, -3024.0))
    assert (drrs(volume, below, body, body)["ap"].synthetic == 0).all()
    assert drr_measures(drrs(below, below, body, body))["ap"] == {"ncc": None, "mae": 0}


def test_long_bodies_have_larger_pixels() -> None:
    grid = centred((20, 20, 80), (4.0, 4.0, 5.0))
    image = radiograph(Volume(np.ones(grid.shape, np.float32), grid), "ap")
    assert image.shape == (200, 40)
    assert image == pytest.approx(80)
    short = radiograph(Volume(np.ones((20, 20, 40), np.float32), Grid((20, 20, 40), grid.affine)), "ap")
    assert short.shape == (200, 80)


def test_picture_has_three_parts_and_the_colours_of_the_difference(tmp_path: Path) -> None:
    real = np.linspace(0, 4, 60 * 40, dtype=np.float32).reshape(60, 40)
    synthetic = real.copy()
    synthetic[10, 10] += 1
    synthetic[20, 10] = 0
    path = tmp_path / "cases" / "a-drr-ap.png"
    write_drr_png(path, real, synthetic)
    picture = np.asarray(Image.open(path))
    assert picture.shape == (60, 120, 3)
    assert picture.dtype == np.uint8
    greys = picture[:, :80].astype(int)
    assert (greys == greys[..., :1]).all()
    assert np.abs(greys[:, :40, 0] - real / 4 * 255).max() <= 0.5 + 1e-3
    assert picture[10, 90].tolist() == [255, 0, 0]
    assert picture[20, 90].tolist() == [0, 0, 255]
    assert picture[30, 90].tolist() == [255, 255, 255]
    assert list(tmp_path.rglob("*")) == [path.parent, path]
    write_drr_png(path, real * 0, real * 0)
    assert np.asarray(Image.open(path))[:, :80].max() == 0
