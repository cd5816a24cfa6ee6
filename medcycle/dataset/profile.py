"""What a scan is like, to be compared with what a network was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import nibabel as nib
import numpy as np

from medcycle.body import Modality
from medcycle.dataset.preparation import Prepared
from medcycle.evaluation.without_reference import tissue_shares
from medcycle.patch_geometry import AXES, Plane
from medcycle.volume import Array, Grid

__all__ = ["Profile", "Profiles", "profile_of", "ranges_of_tissues"]

DECILES = tuple(range(10, 100, 10))

SAMPLE = 2_000_000
"""Voxels of a volume that grey values are taken from."""

SLACK = 1.25
"""How many times more or less than in any of the scans trained on is still like them."""

SMALLER = 1.1
"""How many times smaller than any of the scans trained on a body is, right to left and front to back, that is said to
be small: adults differ by less, and children by more. Foot to head, a body is as long as the field of view."""

LEAST_APART = 0.15
"""Mean distance of deciles, of a range of 2, below which contrasts are alike."""

FARTHER = 1.5
"""How many times farther than scans trained on are from their nearest is still like them."""

AXES_NAMES = {"R": "right-left", "A": "front-back", "S": "foot-head"}


@dataclass(frozen=True)
class Profile:
    """What is compared of a scan; lengths along right-left, front-back and foot-head.

    Args:
        spacing: of its voxels, mm.
        field: its field of view, mm.
        body: the extent of the body in it, mm.
        section: the mean area of the body's axial sections, as a part of the rectangle about all of them.
        deciles: of the body's values in [−1, 1].
        tissues: of a CT, as `tissue_shares` gives them; None for MR, and in what older versions stored.
    """

    spacing: tuple[float, ...]
    field: tuple[float, ...]
    body: tuple[float, ...]
    section: float
    deciles: tuple[float, ...]
    tissues: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def profile_of(grid: Grid, prepared: Prepared, plane: Plane, modality: Modality = "mr") -> Profile:
    """Of a scan with a body.

    Args:
        grid: the scan's own.
        prepared: what was made of it.
        plane: `data.plane` of the configuration it was prepared by.
        modality: of the scan.
    """
    axes = np.argsort(nib.orientations.io_orientation(grid.affine)[:, 0])
    order = [AXES[plane].index(axis) for axis in "RAS"]
    body = np.transpose(prepared.body.array, order)
    widths = np.array(prepared.body.grid.spacing)[order]
    filled = [np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    voxels = np.array([found[-1] - found[0] + 1 for found in filled])
    return Profile(
        spacing=_rounded(np.array(grid.spacing)[axes]),
        field=_rounded(np.array(grid.field_of_view)[axes]),
        body=_rounded(voxels * widths),
        section=round(float(body.sum() / voxels.prod()), 3),
        deciles=_rounded(np.percentile(_sample(prepared), DECILES), 3),
        tissues=_tissues(prepared) if modality == "ct" else None,
    )


def _tissues(prepared: Prepared) -> dict[str, float]:
    hounsfield = prepared.image.with_array(prepared.intensity.inverse(prepared.image.array))
    found = tissue_shares(hounsfield, prepared.body.array)
    return {name: round(value, 3) for name, value in found.items()}


def ranges_of_tissues(seen: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Lowest and highest of each of the `tissues`, over the scans that have it; by its name."""
    known = [dict(one.get("tissues") or {}) for one in seen]
    names = dict.fromkeys(name for one in known for name in one)
    found = {name: [one[name] for one in known if name in one] for name in names}
    return {name: [min(values), max(values)] for name, values in found.items()}


class Profiles:
    """Those of the scans of one modality that a network was trained on.

    Args:
        modality: which.
        seen: as `Profile.to_dict` gives them, at least one.
        bodies_alone: whether scans of the other modality are compared, of which only the bodies can be alike.
    """

    def __init__(self, modality: Modality, seen: Sequence[Mapping[str, Any]], *, bodies_alone: bool = False) -> None:
        self.modality = modality
        self.bodies_alone = bodies_alone
        self.seen = [Profile(**values) for values in seen]

    def unlike(self, scan: Profile) -> list[str]:
        """In words, what a scan has that those trained on had not."""
        lengths = self._lengths(scan, "body", "the body", "measures")
        bodies = [*lengths, *self._small(scan), *self._shape(scan)]
        if self.bodies_alone:
            return bodies
        return [
            *self._lengths(scan, "spacing", "voxels", "measure"),
            *self._lengths(scan, "field", "the field of view", "measures"),
            *bodies,
            *self._contrast(scan),
        ]

    def _lengths(self, scan: Profile, name: str, what: str, verb: str) -> list[str]:
        found = []
        for axis, letter in enumerate("RAS"):
            value, known = getattr(scan, name)[axis], [getattr(one, name)[axis] for one in self.seen]
            if name == "body" and letter == "S" and value < min(known) / SLACK:
                found.append(f"the scan covers only {value:g} mm foot-head; {self._had(known, ' mm')}")
            elif not min(known) / SLACK <= value <= max(known) * SLACK:
                found.append(f"{what} {verb} {value:g} mm {AXES_NAMES[letter]}; {self._had(known, ' mm')}")
        return found

    def _small(self, scan: Profile) -> list[str]:
        """Unless a length is told by itself already."""
        across = scan.body[:2]
        least = [min(one.body[axis] for one in self.seen) for axis in range(2)]
        shares = [value / known for value, known in zip(across, least, strict=True)]
        if not 1 / SLACK <= min(shares) <= max(shares) < 1 / SMALLER:
            return []
        measures, seen = (" by ".join(f"{value:g}" for value in values) for values in (across, least))
        return [
            f"the body measures {measures} mm right-left and front-back, and at least {seen} mm in the training "
            f"{self.modality.upper()}: a small patient, perhaps a child"
        ]

    def _shape(self, scan: Profile) -> list[str]:
        known = [one.section for one in self.seen]
        if min(known) / SLACK <= scan.section <= max(known) * SLACK:
            return []
        had = self._had([round(100 * one) for one in known], " %")
        return [f"the body fills {scan.section:.0%} of its bounding box; {had}"]

    def _contrast(self, scan: Profile) -> list[str]:
        known = np.array([one.deciles for one in self.seen])
        nearest = float(_apart(known, scan.deciles).min())
        others = [np.delete(known, number, axis=0) for number in range(len(known)) if len(known) > 1]
        among = [float(_apart(rest, one).min()) for rest, one in zip(others, known, strict=False)]
        usual = max(among, default=0.0)
        if nearest <= max(LEAST_APART, FARTHER * usual):
            return []
        return [
            f"the grey values are unlike those of the training {self.modality.upper()}: their deciles are "
            f"{nearest:.2f} from the most similar one, while training scans are at most {usual:.2f} from each other"
        ]

    def _had(self, known: Sequence[float], unit: str) -> str:
        low, high = min(known), max(known)
        spread = f"{low:g}{unit}" if low == high else f"{low:g} to {high:g}{unit}"
        return f"{spread} in the training {self.modality.upper()}"


def _sample(prepared: Prepared) -> Array:
    """Values in the body, of a large volume every so many."""
    step = max(1, round((prepared.image.array.size / SAMPLE) ** (1 / 3)))
    some = np.s_[::step, ::step, ::step]
    found = prepared.image.array[some][prepared.body.array[some]]
    return found if found.size else prepared.image.array[prepared.body.array]


def _apart(known: Array, deciles: Sequence[float]) -> Array:
    """Mean distances of rows of deciles from one row."""
    return cast(Array, np.abs(known - np.array(deciles)).mean(axis=1))


def _rounded(values: Array, digits: int = 1) -> tuple[float, ...]:
    return tuple(np.round(values, digits).tolist())
