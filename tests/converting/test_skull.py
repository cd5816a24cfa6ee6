"""The skull of a generated head, whose bone is known."""

import numpy as np
import pytest
from scipy import ndimage

from medcycle.converting.acoustics import AIR, RELATIONS, SOFT_TISSUE, WATER, Relation, bone_properties
from medcycle.converting.skull import SkullModel, skull_model
from medcycle.errors import DataError
from medcycle.phantom import HeadPhantom, Tissue, head_grid
from medcycle.volume import Grid, Volume
from tests.converting.test_surface import is_closed

GRID = head_grid(spacing=(2.0, 2.0, 2.0))
HEAD = HeadPhantom.random(7)
BONY = (Tissue.CORTICAL_BONE, Tissue.MARROW, Tissue.TOOTH)


@pytest.fixture(scope="module")
def ct() -> Volume:
    return HEAD.ct(GRID)


@pytest.fixture(scope="module")
def model(ct: Volume) -> SkullModel:
    return skull_model(ct, 250, "kwave")


def test_bone_is_the_bone_of_the_head(model: SkullModel) -> None:
    known, found = np.isin(HEAD.labels(GRID).array, BONY), model.bone.array
    assert np.sum(known & found) / known.sum() > 0.95
    far = ndimage.distance_transform_edt(~known, GRID.spacing)
    assert np.mean(far[found] <= 2) > 0.97  # voxels that bone fills in part are bone, from 250 HU on
    assert ndimage.label(found, np.ones((3, 3, 3)))[1] == 1


def test_the_surface_holds_as_much_as_the_mask(model: SkullModel) -> None:
    """Bone of a few voxels is 5 % thicker between voxels than in them; at 1 mm it is 1 %."""
    assert model.surface.volume / (model.bone.array.sum() * 8.0) == pytest.approx(1, abs=0.06)
    assert is_closed(model.surface)
    corners = np.argwhere(model.bone.array) @ GRID.affine[:3, :3].T + GRID.affine[:3, 3]
    np.testing.assert_allclose(model.surface.vertices.min(axis=0), corners.min(axis=0), atol=2.0)
    np.testing.assert_allclose(model.surface.vertices.max(axis=0), corners.max(axis=0), atol=2.0)


def test_it_is_the_same_skull_on_another_grid(ct: Volume, model: SkullModel) -> None:
    turned = skull_model(ct.with_axes("PIL"), 250, "kwave")
    np.testing.assert_array_equal(turned.bone.to_ras().array, model.bone.to_ras().array)
    assert turned.surface.volume == pytest.approx(model.surface.volume, rel=0.01)
    np.testing.assert_allclose(turned.surface.vertices.mean(axis=0), model.surface.vertices.mean(axis=0), atol=0.3)


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_voxel_has_the_properties_of_its_tissue(ct: Volume, relation: Relation) -> None:
    made = skull_model(ct, 250, relation)
    bone = made.bone.array
    assert made.reference == (0 if relation == "kwave" else ct.array[bone].max())
    expected = bone_properties(ct.array[bone], relation, made.reference)
    labels = HEAD.labels(GRID).array
    brain = ndimage.binary_erosion(labels == Tissue.WHITE_MATTER, iterations=2)
    deep = ndimage.distance_transform_edt(made.maps.density != np.float32(WATER.density), GRID.spacing) > 15
    sinus = (ct.array < -900) & deep
    assert brain.any()
    assert sinus.any()
    for name in ("density", "sound_speed", "attenuation"):
        values = getattr(made.maps, name)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values[bone], getattr(expected, name), rtol=1e-5)
        np.testing.assert_allclose(values[brain], getattr(SOFT_TISSUE, name), rtol=1e-6)
        np.testing.assert_allclose(values[0, 0], getattr(WATER, name), rtol=1e-6)
        np.testing.assert_allclose(values[sinus], getattr(AIR, name), rtol=1e-6)


def test_there_is_no_air_at_the_skin(model: SkullModel) -> None:
    """Where the body's mask is a voxel too large; it would be a shell that reflects everything."""
    density = model.maps.density
    depth = ndimage.distance_transform_edt(density != np.float32(WATER.density), GRID.spacing)
    air = density == np.float32(AIR.density)
    assert air.any()
    assert depth[air].min() > 4


def test_a_couch_is_no_bone(ct: Volume, model: SkullModel) -> None:
    with_couch = ct.array.copy()
    with_couch[:, 1:3, :] = 900.0
    np.testing.assert_array_equal(skull_model(ct.with_array(with_couch), 250, "kwave").bone.array, model.bone.array)


def test_small_cavities_are_filled_but_those_of_air_are_not() -> None:
    """A box of bone with marrow of 100 HU, air, and a cavity as large as a cranium, in soft tissue."""
    hu = np.full((60, 60, 60), -1000.0, np.float32)
    hu[5:55, 5:55, 5:55] = 40
    hu[8:52, 8:52, 8:52] = 900
    hu[15:45, 15:45, 15:30] = 35
    hu[20:24, 20:24, 40:44] = 100
    hu[30:34, 30:34, 40:44] = -900
    bone = skull_model(Volume(hu, Grid(hu.shape, np.diag([2.0, 2, 2, 1]))), 250, "kwave").bone.array
    assert bone[20:24, 20:24, 40:44].all()
    assert not bone[30:34, 30:34, 40:44].any()
    assert not bone[16:44, 16:44, 16:29].any()
    assert np.sum(bone) == 44**3 - 30 * 30 * 15 - 4**3


def test_a_head_without_bone(ct: Volume) -> None:
    with pytest.raises(DataError, match="lower --threshold"):
        skull_model(ct.with_array(np.minimum(ct.array, 200)), 250, "kwave")
