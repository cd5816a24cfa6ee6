"""Where the slices of a stack lie: their order, their distances, and whether they make one regular volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medcycle.io.dicom.frames import Frame
from medcycle.volume import Grid

__all__ = ["DIRECTION_TOLERANCE", "Floats", "Stack", "axes_of", "plane_grid", "stack_of"]

POSITION_TOLERANCE = 0.05
"""How far (mm) a slice may lie from its place in a regular stack, or `RELATIVE_TOLERANCE` if that is more."""

RELATIVE_TOLERANCE = 0.02
"""The same as a part of the slice distance: thick slices forgive more."""

DIRECTION_TOLERANCE = 1e-3
"""How far a direction cosine may differ between the slices of one stack."""

SHEAR_TOLERANCE = 0.5
"""How far (mm) a stack may lean over its whole length and still be taken for upright."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """Frames of one orientation, size and spacing, in order along their normal.

    Args:
        frames: two or more.
        offsets: mm along the normal, rising.
        drift: mm along a row and along a column from the first frame's corner, shape (frames, 2): zero in an upright
            stack, a line in a tilted one.
    """

    frames: tuple[Frame, ...]
    offsets: Floats
    drift: Floats

    @property
    def gaps(self) -> Floats:
        """Distances between neighbours, mm."""
        return np.diff(self.offsets)

    @property
    def distance(self) -> float:
        """The usual distance between neighbours, mm."""
        return float(np.median(self.gaps))

    @property
    def tolerance(self) -> float:
        """How far (mm) a frame may lie from its regular place."""
        return max(POSITION_TOLERANCE, RELATIVE_TOLERANCE * self.distance)

    @property
    def same_place(self) -> list[tuple[Frame, Frame]]:
        """Neighbours that lie at one position."""
        pairs = zip(self.frames, self.frames[1:], self.gaps, strict=False)
        return [(first, second) for first, second, gap in pairs if gap < POSITION_TOLERANCE]

    @property
    def regular(self) -> bool:
        """Whether the frames are equally far apart, and drift, if they do, along a line."""
        line = np.linspace(0, 1, len(self.frames))
        places = np.column_stack([self.offsets, self.drift])
        expected = places[0] + line[:, None] * (places[-1] - places[0])
        return bool(np.abs(places - expected).max() <= self.tolerance) and not self.same_place

    @property
    def tilted(self) -> bool:
        """Whether the stack leans."""
        return bool(np.abs(self.drift - self.drift[0]).max() > SHEAR_TOLERANCE)

    @property
    def tilt(self) -> float:
        """By how many degrees the stack leans from its normal."""
        length = self.offsets[-1] - self.offsets[0]
        return float(np.degrees(np.arctan2(np.hypot(*(self.drift[-1] - self.drift[0])), length)))

    def irregularity(self) -> str:
        """What is irregular, in words."""
        worst = int(np.argmax(self.gaps))
        first, second = self.frames[worst], self.frames[worst + 1]
        missing = round(float(self.gaps[worst]) / self.distance) - 1
        regular_otherwise = len(self.gaps) > 2 and np.ptp(np.delete(self.gaps, worst)) <= self.tolerance
        between = f"between {_name(first)} and {_name(second)}"
        if missing >= 1 and regular_otherwise:
            slices = "a slice is" if missing == 1 else f"{missing} slices are"
            return f"{slices} missing {between}: a gap of {self.gaps[worst]:.2f} mm in slices of {self.distance:.2f} mm"
        if np.ptp(self.gaps) > self.tolerance:
            return f"gaps of {self.gaps.min():.2f} to {self.gaps.max():.2f} mm between slices, the largest {between}"
        return "slices shifted against each other in their plane"

    def grid(self) -> Grid:
        """The grid of a regular stack, columns × rows × frames; RAS+."""
        first, last = (np.array(frame.position) for frame in (self.frames[0], self.frames[-1]))
        return plane_grid(self.frames[0], (last - first) / (len(self.frames) - 1), len(self.frames))


def stack_of(frames: Sequence[Frame]) -> Stack:
    """Order frames by their true position. They share an orientation within `DIRECTION_TOLERANCE`."""
    row, column, normal = axes_of(frames[0])
    corners = np.array([frame.position for frame in frames], dtype=np.float64)
    offsets = corners @ normal
    order = np.argsort(offsets, kind="stable")
    corners = corners[order]
    drift = (corners - corners[0]) @ np.column_stack([row, column])
    return Stack(tuple(frames[n] for n in order), offsets[order], drift)


def axes_of(frame: Frame) -> tuple[Floats, Floats, Floats]:
    """Unit vectors along a row, along a column, and normal to the plane; LPS+."""
    row, column = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    return row, column, np.cross(row, column)


def plane_grid(frame: Frame, step: Floats, count: int) -> Grid:
    """The grid whose first plane is `frame`, with `count` planes `step` (LPS+ mm) apart."""
    row, column, _ = axes_of(frame)
    affine = np.eye(4)
    affine[:3, 0] = row * frame.spacing[1]  # from column to column: along a row
    affine[:3, 1] = column * frame.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = frame.position
    rows, columns = frame.size
    return Grid((columns, rows, count), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)  # DICOM is LPS+, ours is RAS+


def _name(frame: Frame) -> str:
    return f"{frame.file.name}[{frame.index}]" if frame.index else frame.file.name
