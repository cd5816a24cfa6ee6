"""The surface of a mask, in world coordinates, as a binary STL file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from skimage.measure import marching_cubes

from medcycle.volume import Volume

__all__ = ["Surface", "surface_of", "write_stl"]

HEADER = b"binary STL; RAS+ mm; medcycle; research only"
"""Must not begin with `solid`, by which readers know STL of text."""

TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles in patient space.

    Args:
        vertices: shape (n, 3), RAS+ mm.
        faces: shape (m, 3), indices of vertices, anticlockwise as seen from outside.
    """

    vertices: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int64]

    @property
    def volume(self) -> float:
        """What a closed surface encloses, mm³: the flux of x/3 through it (divergence theorem)."""
        a, b, c = (self.vertices[self.faces[:, corner]] - self.vertices.mean(axis=0) for corner in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def surface_of(field: Volume, level: float) -> Surface:
    """Where a field crosses a level, closed also where the field is cut by the border of its grid.

    Marching cubes (Lewiner et al. 2003, "Efficient implementation of marching cubes' cases with topological
    guarantees"), by scikit-image.

    Args:
        field: values, higher inside; some above the level.
        level: between inside and outside; no voxel has just this value.

    Returns:
        A watertight surface, in RAS+ mm of the affine, oblique and mirrored ones too.
    """
    outside = float(min(field.array.min(), level - 1))
    padded = np.pad(field.array.astype(np.float32), 1, constant_values=outside)
    corners, faces, _, _ = marching_cubes(padded, level)
    affine = field.grid.affine
    vertices = (corners.astype(np.float64) - 1) @ affine[:3, :3].T + affine[:3, 3]
    surface = Surface(vertices, faces.astype(np.int64))
    return surface if surface.volume > 0 else Surface(vertices, surface.faces[:, ::-1])


def write_stl(surface: Surface, path: Path) -> None:
    """Write a surface as binary STL, which keeps coordinates (float32) but neither units nor shared vertices."""
    triangles = np.zeros(len(surface.faces), TRIANGLE)
    corners = surface.vertices[surface.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    triangles["corners"] = corners
    with path.open("wb") as stream:
        stream.write(HEADER.ljust(80))
        stream.write(np.uint32(len(triangles)).astype("<u4").tobytes())
        stream.write(triangles.tobytes())
