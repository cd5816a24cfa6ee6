"""The volumes that validation translates, and simulated MR of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from medcycle.body import Modality
from medcycle.config import Config
from medcycle.dataset.registered import registered_cases
from medcycle.dataset.stacks import neighbours
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import DataError
from medcycle.evaluation.surfaces import depths
from medcycle.inference.passes import SHIFTS
from medcycle.intensity import IntensityMap
from medcycle.patch_geometry import PatchGeometry
from medcycle.simulation import ContrastRandomizer, Effects
from medcycle.volume import Array, Grid

__all__ = ["Floats", "Part", "Scans", "piece_of", "scans_of", "simulated_mr_of"]

VOLUMES = 2
"""Of each modality that are translated, where slices are translated one by one; else one."""

MOST_SLICES = 20
"""Of a volume that is translated slice by slice."""

OF_ANATOMY = (
    "rotation",
    "scaling",
    "bending",
    "bone_growth",
    "bone_density",
    "filled_share",
    "cut_share",
    "inner_share",
)
"""Settings of `randomize` that change the CT, whose simulated MR would not be those of its own any more."""

Floats = npt.NDArray[np.float32]
Slices = tuple[slice, ...]


class Part(NamedTuple):
    """A prepared volume, or some of its slices, each with its neighbours where the network sees them.

    Args:
        image: values in [−1, 1], [i, j, k], slices along k.
        body: booleans of the same shape; false in slices that are there as neighbours alone.
        whole: the body in these as well.
        depth: how deep voxels lie below the body's outline, mm, negative outside it; −∞ in slices that are there as
            neighbours alone.
    """

    image: Floats
    body: Array
    whole: Array
    depth: Floats

    def shown(self) -> Floats:
        """The image's slices that show some of the body."""
        return self.image[:, :, self.body.any(axis=(0, 1))]


class Scans(NamedTuple):
    """What is translated.

    Args:
        mr: MR; none where there is none.
        ct: CT.
        registered: whether they are of the same patients in turn, and lie on each other.
    """

    mr: list[Part]
    ct: list[Part]
    registered: bool


def scans_of(config: Config, train: Store, held_out: Store, share: float = 1.0) -> Scans:
    """What is held out, registered pairs if there are any; where nothing is of a modality, what is trained on.

    Of slices that are translated one by one, some of two volumes of each modality, and else one volume. pix2pix, which
    has nothing but pairs, takes those it is trained on where none are held out.

    Args:
        config: all settings.
        train: what is trained on.
        held_out: what is not.
        share: the part of these slices, or of the volume, that is taken where time is short; above 0.
    """
    geometry = config.geometry
    most = VOLUMES if geometry.by_slice else 1
    if geometry.by_slice and share < 1 / VOLUMES:
        most, share = 1, share * VOLUMES
    for store in (held_out, train) if config.method.name == "pix2pix" else (held_out,):
        try:
            pairs = registered_cases(store)[:most]
        except DataError:
            continue
        taken = [_taken(ct, geometry, share) for _, ct in pairs]
        mr, ct = (
            [_part(pair[side], numbers, geometry) for pair, numbers in zip(pairs, taken, strict=True)]
            for side in (0, 1)
        )
        if share < 1 and not geometry.by_slice:
            places = [_block(part.body, geometry.size, share) for part in ct]
            mr, ct = ([_cut(part, place) for part, place in zip(parts, places, strict=True)] for parts in (mr, ct))
        return Scans(mr, ct, registered=True)

    def of(modality: Modality) -> list[Part]:
        cases = held_out.both()[modality] or train.both()[modality]
        parts = [_part(case, _taken(case, geometry, share), geometry) for case in cases[:most]]
        if share == 1 or geometry.by_slice:
            return parts
        return [_cut(part, _block(part.body, geometry.size, share)) for part in parts]

    return Scans(of("mr"), of("ct"), registered=False)


def simulated_mr_of(ct: Sequence[Part], config: Config, intensity: Mapping[str, IntensityMap]) -> list[Part]:
    """Simulated MR of CT in their own anatomy, the same in all validations of a seed.

    Each volume has one contrast, or each slice that is translated alone.
    """
    still = Effects.of(config.randomize, **dict.fromkeys(OF_ANATOMY, 0))
    randomizer = ContrastRandomizer(intensity["ct"], still, intensity["mr"], config.data.mr_percentile)
    random = torch.Generator().manual_seed(config.training.seed)
    return [one._replace(image=_simulated(one, randomizer, random, config.geometry)) for one in ct]


def _simulated(ct: Part, randomizer: ContrastRandomizer, random: torch.Generator, geometry: PatchGeometry) -> Floats:
    image, body = (torch.from_numpy(np.ascontiguousarray(array)) for array in (ct.image, ct.whole))
    if geometry.by_slice:
        shape = (-1, geometry.slices, *image.shape[:2])
        target, inside = (array.movedim(2, 0).reshape(shape) for array in (image, body))
        made = randomizer.slices(target, inside, random, thick=False)
        return made.source.flatten(0, 1).movedim(0, 2).numpy()
    return randomizer(image[None, None], body[None, None], random).source[0, 0].numpy()


def piece_of(part: Part, geometry: PatchGeometry) -> Part:
    """A small part of one, to see how long a translation takes: a slice with its neighbours, or a patch."""
    if not geometry.by_slice:
        return _cut(part, _block(part.body, geometry.size, 0.0))
    shown = np.flatnonzero(part.body.any(axis=(0, 1)))
    middle, beside = int(shown[len(shown) // 2]), geometry.slices // 2
    return _cut(part, (slice(None), slice(None), slice(middle - beside, middle + beside + 1)))


def _cut(part: Part, place: Slices) -> Part:
    """What lies in a box."""
    return Part(*(array[place] for array in part))


def _block(body: Array, window: Sequence[int], share: float) -> Slices:
    """A box that is so large a part of the body's, one window at least, with a voxel of the body in its middle."""
    least = [size - 2 * max(SHIFTS) for size in (*window, window[-1])][:3]
    inside = np.argwhere(body)
    middle = inside[np.abs(inside - inside.mean(axis=0)).sum(axis=1).argmin()]
    place = []
    for size, most, center, extent in zip(body.shape, least, middle, np.ptp(inside, axis=0) + 1, strict=True):
        length = min(size, max(most, round(extent * share ** (1 / 3))))
        start = min(max(int(center) - length // 2, 0), size - length)
        place.append(slice(start, start + length))
    return tuple(place)


def _taken(case: StoredCase, geometry: PatchGeometry, share: float) -> list[int]:
    """The numbers of the slices that are translated: all, or some all over the body."""
    shown = np.flatnonzero(np.asarray(case.body).any(axis=(0, 1)))
    most = min(MOST_SLICES, len(shown))
    if not geometry.by_slice or (share == 1 and len(shown) <= most):
        return list(range(case.image.shape[2]))
    places = np.linspace(0, len(shown) - 1, most)
    if share < 1:  # not the ends, which show least
        borders = np.linspace(0, len(shown) - 1, max(2, int(share * most)) + 1)
        places = (borders[1:] + borders[:-1]) / 2
    return [int(number) for number in shown[places.round().astype(int)]]


def _part(case: StoredCase, numbers: Sequence[int], geometry: PatchGeometry) -> Part:
    slices = geometry.slices if geometry.by_slice else 1
    beside = [one for number in numbers for one in neighbours(number, slices, case.image.shape[2])]
    image, whole = np.asarray(case.image[:, :, beside], dtype=np.float32), np.asarray(case.body[:, :, beside])
    body, middle = np.asarray(case.body), np.arange(len(beside)) % slices == slices // 2
    depth = depths(body, Grid(body.shape, np.array(case.record.affine)))[:, :, beside]
    return Part(image, whole & middle, whole, np.where(middle, depth, np.float32(-np.inf)))
