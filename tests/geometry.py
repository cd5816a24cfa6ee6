"""Grids of every kind, for property tests."""

import itertools

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medcycle.volume import Grid, Volume

AXES = [np.array(order) for order in itertools.permutations(range(3))]
FLIPS = [np.array(signs) for signs in itertools.product((-1.0, 1.0), repeat=3)]


@st.composite
def grids(draw, *, oblique: bool = True, max_size: int = 7) -> Grid:
    """Axial, sagittal, coronal, flipped and, unless it is off, oblique grids of unequal sizes and spacings."""
    shape = tuple(draw(st.lists(st.integers(2, max_size), min_size=3, max_size=3)))
    spacing = np.array(draw(st.lists(st.floats(0.3, 6.0), min_size=3, max_size=3)))
    directions = np.eye(3)[:, draw(st.sampled_from(AXES))] * draw(st.sampled_from(FLIPS))
    if oblique and draw(st.booleans()):
        angles = draw(st.lists(st.floats(-40, 40), min_size=3, max_size=3))
        directions = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ directions
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = draw(st.lists(st.floats(-200, 200), min_size=3, max_size=3))
    return Grid(shape, affine)


def numbered(grid: Grid) -> Volume:
    """Every voxel another value."""
    return Volume(np.arange(np.prod(grid.shape), dtype=np.float32).reshape(grid.shape), grid)
