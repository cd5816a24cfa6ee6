"""Surfaces against closed forms, on grids that are oblique and mirrored."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from medcycle.converting.surface import Surface, surface_of, write_stl
from medcycle.volume import Grid, Volume

CENTRE, RADII = np.array([12.0, -7.0, 30.0]), np.array([15.0, 11.0, 19.0])
"""Of an ellipsoid along the axes of the patient, mm."""


def ellipsoid(flips: tuple[float, ...], order: tuple[int, ...], turn: float) -> Volume:
    """How far inside the ellipsoid every voxel is, in parts of its radii; sampled on such a grid."""
    shape, spacing = np.array((40, 44, 36)), np.array((1.1, 1.0, 1.4))
    affine = np.eye(4)
    directions = Rotation.from_euler("xyz", [turn, -turn / 2, turn / 3], degrees=True).as_matrix()
    affine[:3, :3] = (directions[:, order] * flips) * spacing
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((shape - 1) / 2)
    index = np.indices(shape).reshape(3, -1)
    away = (affine[:3, :3] @ index).T + affine[:3, 3] - CENTRE
    return Volume((1 - np.linalg.norm(away / RADII, axis=1)).reshape(shape), Grid(tuple(shape), affine))


GRIDS = pytest.mark.parametrize(
    ("flips", "order", "turn"),
    [((1, 1, 1), (0, 1, 2), 0), ((-1, -1, 1), (0, 1, 2), 0), ((-1, 1, 1), (2, 0, 1), 0), ((1, -1, 1), (1, 0, 2), 25)],
    ids=["RAS", "LPS", "mirrored", "oblique"],
)


def is_closed(surface: Surface) -> bool:
    """Whether every edge belongs to two triangles, which run along it in opposite directions."""
    edges = Counter((int(face[a]), int(face[b])) for face in surface.faces for a, b in ((0, 1), (1, 2), (2, 0)))
    return all(count == 1 and edges[b, a] == 1 for (a, b), count in edges.items())


@GRIDS
def test_volume_and_place_are_those_of_the_body(flips, order, turn) -> None:
    surface = surface_of(ellipsoid(flips, order, turn), 0.0)
    assert surface.volume == pytest.approx(4 / 3 * np.pi * RADII.prod(), rel=0.01)
    np.testing.assert_allclose(surface.vertices.min(axis=0), CENTRE - RADII, atol=0.2)
    np.testing.assert_allclose(surface.vertices.max(axis=0), CENTRE + RADII, atol=0.2)
    assert is_closed(surface)


@GRIDS
def test_stl_is_read_back_with_normals_that_point_outwards(flips, order, turn, tmp_path: Path) -> None:
    surface = surface_of(ellipsoid(flips, order, turn), 0.0)
    write_stl(surface, tmp_path / "it.stl")
    raw = (tmp_path / "it.stl").read_bytes()
    count = int.from_bytes(raw[80:84], "little")
    assert len(raw) == 84 + 50 * count == 84 + 50 * len(surface.faces)
    assert not raw.startswith(b"solid")
    assert b"RAS" in raw[:80]
    read = np.frombuffer(raw[84:], np.uint8).reshape(count, 50)[:, :48].copy().view("<f4").reshape(count, 4, 3)
    normals, corners = read[:, 0], read[:, 1:].astype(np.float64)
    outwards = np.einsum("ij,ij->i", normals, corners.mean(axis=1) - CENTRE)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert (outwards[area > 1e-4] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals[area > 1e-4], axis=1), 1, rtol=1e-5)
    flux = np.einsum("ij,ij->", corners[:, 0] - CENTRE, np.cross(corners[:, 1] - CENTRE, corners[:, 2] - CENTRE)) / 6
    assert flux == pytest.approx(4 / 3 * np.pi * RADII.prod(), rel=0.01)


def test_what_the_border_cuts_is_closed_there() -> None:
    """As a neck is; the cap lies within a voxel beyond the last one."""
    whole = ellipsoid((1, 1, 1), (0, 1, 2), 0)
    half = Volume(whole.array[:, :, :18], Grid((40, 44, 18), whole.grid.affine))
    surface = surface_of(half, 0.0)
    assert is_closed(surface)
    assert surface.volume == pytest.approx(2 / 3 * np.pi * RADII.prod(), rel=0.06)
    assert surface.vertices[:, 2].max() < CENTRE[2] + 1.4


def test_random_masks_give_closed_surfaces() -> None:
    """With every ambiguous corner that voxels can have."""
    mask = np.random.default_rng(3).random((14, 13, 12)) > 0.5
    surface = surface_of(Volume(np.where(mask, 300.0, 200.0), Grid(mask.shape, np.diag([2.0, 1, 1, 1]))), 250.0)
    assert is_closed(surface)
    assert surface.volume > 0
