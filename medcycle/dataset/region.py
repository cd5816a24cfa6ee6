"""Whether a scan shows the region that a model was trained on, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medcycle.patch_geometry import AXES, Plane
from medcycle.volume import Array, Volume

__all__ = ["Region", "region_of"]

WIDER = 1.5
"""times as wide as any body trained on are sections of another region, as shoulders are below a head."""

FILLED = 0.5
"""of a section's border in the body: the field of view lies inside it, and its outline can't be told."""

MOST_STRANGE = 0.5
"""of the slices may be of another region before all of the scan is."""


@dataclass(frozen=True)
class Region:
    """What was found.

    Args:
        problem: why the scan is not of the region, in words; empty if it is.
        warnings: about some of its slices.
    """

    problem: str = ""
    warnings: tuple[str, ...] = ()


def region_of(body: Volume, plane: Plane, profiles: Sequence[Mapping[str, Any]]) -> Region:
    """Compare the axial sections of a body with those of the scans trained on.

    Args:
        body: booleans, the mask of a prepared volume.
        plane: `data.plane` of the configuration it was prepared by.
        profiles: of the scans trained on, as `Profile.to_dict` gives them; none to compare nothing.
    """
    if not profiles:
        return Region()
    order = [AXES[plane].index(axis) for axis in "RAS"]
    mask, spacing = np.transpose(body.array, order), np.array(body.grid.spacing)[order]
    shown = np.flatnonzero(mask.any(axis=(0, 1)))
    if not len(shown):
        return Region()
    sections = mask[:, :, shown]
    widths = np.stack([_extent(sections, axis) * spacing[axis] for axis in (0, 1)])
    known = np.array([one["body"][:2] for one in profiles])
    wide = (widths > WIDER * known.max(axis=0)[:, None]).any(axis=0)
    filled = _border_in_body(sections) > FILLED
    if wide.mean() > MOST_STRANGE:
        found, most = np.median(widths[:, wide], axis=1), known.max(axis=0)
        return Region(
            f"it shows another region than the model was trained on: the body measures {found[0]:.0f} by "
            f"{found[1]:.0f} mm right-left and front-back, in training at most {most[0]:.0f} by {most[1]:.0f} mm"
        )
    if filled.mean() > MOST_STRANGE and not _mostly_filled(profiles):
        return Region(
            "the body fills the field of view; the scan may show another region than the model was trained on"
        )
    if wide.any():
        where = f"in {np.count_nonzero(wide)} of {len(shown)} slices"
        told = f"{where} the body is wider than in any training scan, as at the shoulders; not reliable there"
        return Region(warnings=(told,))
    return Region()


def _extent(sections: Array, axis: int) -> Array:
    """Voxels along an axis from the first to the last of each section's body."""
    shown = np.asarray(sections.any(axis=1 - axis))
    first, last = shown.argmax(axis=0), len(shown) - shown[::-1].argmax(axis=0)
    return np.asarray(last - first, dtype=float)


def _border_in_body(sections: Array) -> Array:
    """The part of each section's border that lies in the body."""
    edges = [sections[0], sections[-1], sections[:, 0], sections[:, -1]]
    return np.asarray(np.concatenate(edges).mean(axis=0))


def _mostly_filled(profiles: Sequence[Mapping[str, Any]]) -> bool:
    """Whether most of the scans trained on were like that as well."""
    return bool(np.mean([np.allclose(one["body"][:2], one["field"][:2], rtol=0.02) for one in profiles]) > MOST_STRANGE)
