"""Slices and patches of both modalities, drawn at random from a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from monai.transforms import RandAffine
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.utils.data import Dataset

from medcycle.config import DataConfig
from medcycle.data.store import Store, StoredCase
from medcycle.errors import DataError
from medcycle.volume import Array

__all__ = ["Cutter", "Thickness", "UnpairedPatches", "neighbours", "preview_patches", "usable"]

Floats = npt.NDArray[np.float32]

SUB_SLICES = 3
"""Slices that are averaged to a thick one."""

APART = 0.05
"""How far slices of matched heights may be apart, as a part of the body's."""


@dataclass(frozen=True)
class Thickness:
    """How thick slices are drawn to be.

    Args:
        low: least thickness, mm.
        high: largest thickness, mm.
        share: the part of them that is; the others stay as they are.
    """

    low: float
    high: float
    share: float

    def draw(self, position: int, case: StoredCase, random: np.random.Generator) -> list[int]:
        """The numbers of `SUB_SLICES` slices, together about as thick as drawn, at a position; one slice at least."""
        thickness = random.uniform(self.low, self.high) if random.random() < self.share else 0.0
        # the outer ones are as thick as the volume's slices are
        between = max(0.0, thickness / float(np.linalg.norm(np.array(case.record.affine)[:3, 2])) - 1) / (
            SUB_SLICES - 1
        )
        steps = range(-(SUB_SLICES // 2), SUB_SLICES // 2 + 1)
        return [min(max(position + round(step * between), 0), case.image.shape[2] - 1) for step in steps]


class UnpairedPatches(Dataset[dict[str, Tensor]]):
    """A CT patch for every index, and an MR patch, drawn for itself, where there are MR.

    What index `n` gives depends on the seed and `n` alone, whatever was drawn before and by which process: a training
    run that goes on at step `n` sees what an uninterrupted one would have seen.

    Args:
        store: the prepared cases.
        config: patch size, augmentation, and which slices count.
        length: how many indices there are.
        seed: the seed.
        thick: how thick CT slices are to be; None for the slices as they are.

    Raises:
        DataError: if a modality has no slice with enough of the body.
    """

    def __init__(
        self, store: Store, config: DataConfig, *, length: int, seed: int, thick: Thickness | None = None
    ) -> None:
        self.length = length
        self.seed = seed
        self.slices = config.slices
        self.thick = thick
        self.match_height = config.match_height
        self.source = usable(store.mr, config) if store.mr else []
        self.target = usable(store.ct, config)
        self.focus = [_chances(case, positions, config.focus) for case, positions in self.target]
        self.cutter = Cutter(config)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """A `target` (CT) patch, float32 in [−1, 1], its `body`, booleans, and a `source` (MR) patch if there are MR.

        All have the shape (slices, *patch_size). With `thick`, target and body have `SUB_SLICES` slices, which together
        are one of the drawn thickness.
        """
        if not 0 <= index < self.length:
            raise IndexError(index)
        drawn = self._draw(self.target, np.random.default_rng([self.seed, index, 1]), self.focus, self.thick)
        item = {"target": drawn.image, "body": drawn.body}
        if self.source:
            height = drawn.height if self.match_height else None
            item["source"] = self._draw(self.source, np.random.default_rng([self.seed, index, 0]), height=height).image
        return item

    def _draw(
        self,
        cases: Sequence[tuple[StoredCase, list[int]]],
        random: np.random.Generator,
        focus: Sequence[Floats] | None = None,
        thick: Thickness | None = None,
        height: float | None = None,
    ) -> _Drawn:
        number = int(random.integers(len(cases)))
        case, positions = cases[number]
        last = len(positions) - 1
        if height is not None:
            rank = round(min(max(height + random.uniform(-APART, APART), 0.0), 1.0) * last)
        elif focus is not None:
            rank = int(np.searchsorted(focus[number], random.random(), side="right"))
        else:
            rank = int(random.integers(len(positions)))
        beside = neighbours(positions[rank], self.slices, case.image.shape[2])
        if thick:
            beside = thick.draw(positions[rank], case, random)
        image, body = self.cutter([case.image, case.body], beside, random)
        return _Drawn(image, body > 0, rank / max(1, last))


class _Drawn(NamedTuple):
    """A patch, where it shows a body, and how high its slice is in the case's, 0 to 1."""

    image: Tensor
    body: Tensor
    height: float


class Cutter:
    """Cuts a random patch out of arrays of one grid: the same place, mirrored, turned and sized alike.

    Args:
        config: patch size and augmentation.
    """

    def __init__(self, config: DataConfig) -> None:
        self.sizes = config.patch_size
        self.flip = config.flip and config.plane != "sagittal"  # whose slices have no left and right
        self.affine = _affine(config)

    def __call__(self, arrays: Sequence[Array], beside: Sequence[int], random: np.random.Generator) -> list[Tensor]:
        """The patches, each of shape (slices, *patch_size), float32.

        Only the patch is read from the disk, and turned into floats.

        Args:
            arrays: images in [−1, 1], or masks, which become −1 and 1; all of one shape. Beyond them lies −1.
            beside: the numbers of the slices, if the patch has two sizes.
            random: decides on place, mirroring and the rest.
        """
        corner = [
            int(random.integers(length - size + 1)) if length > size else (length - size) // 2
            for length, size in zip(arrays[0].shape, self.sizes, strict=False)
        ]
        flip = self.flip and random.random() < 0.5
        cut = np.concatenate([_as_image(array, beside, corner, self.sizes, flip) for array in arrays])
        patches = torch.from_numpy(cut)
        if self.affine:
            self.affine.set_random_state(seed=int(random.integers(2**31)))
            patches = _plain(self.affine(patches)).clamp(-1, 1)
        return [part.contiguous() for part in patches.chunk(len(arrays))]


def _as_image(array: Array, beside: Sequence[int], corner: Sequence[int], sizes: Sequence[int], flip: bool) -> Floats:
    if array.dtype != bool:
        return _cut(array, beside, corner, sizes, -1.0, flip)
    return 2 * _cut(array, beside, corner, sizes, 0.0, flip) - 1


def preview_patches(
    store: Store, config: DataConfig, thick: Thickness | None = None, count: int = 3
) -> dict[str, Tensor]:
    """Patches as of `UnpairedPatches` to look at, always the same: the middle of up to `count` cases of each modality.

    Returns:
        `target`, `body` and, if there are MR, `source`; each of shape (patches, slices, *patch_size).
    """
    ct, mr = usable(store.ct, config), usable(store.mr, config) if store.mr else []
    count = min(count, len(ct), len(mr) or len(ct))
    slices = SUB_SLICES if thick else config.slices
    parts: dict[str, list[Floats]] = {"target": [], "body": []}
    for case, positions in ct[:count]:
        for name, array, outside in (("target", case.image, -1.0), ("body", case.body, 0.0)):
            parts[name].append(_middle(array, positions, slices, config, outside))
    if mr:
        parts["source"] = [
            _middle(case.image, positions, config.slices, config, -1.0) for case, positions in mr[:count]
        ]
    images = {name: torch.from_numpy(np.stack(arrays)) for name, arrays in parts.items()}
    return images | {"body": images["body"] > 0}


def _middle(array: Array, positions: Sequence[int], slices: int, config: DataConfig, outside: float) -> Floats:
    corner = [(n - wanted) // 2 for n, wanted in zip(array.shape, config.patch_size, strict=False)]
    beside = neighbours(positions[len(positions) // 2], slices, array.shape[2])
    return _cut(array, beside, corner, config.patch_size, outside)


def _cut(
    array: Array,
    positions: Sequence[int],
    corner: Sequence[int],
    sizes: Sequence[int],
    outside: float,
    flip: bool = False,
) -> Floats:
    """The slices at the positions, or for three sizes a part of the array; shape (slices, *sizes).

    Float32 from `corner` on, `outside` beyond the array; mirrored left to right with `flip`.
    """
    planes = [array]
    if len(sizes) == 2:
        planes = [array[:, :, number] for number in positions]
    result = np.full((len(planes), *sizes), outside, dtype=np.float32)
    for part, plane in zip(result, planes, strict=True):
        _crop(plane, corner, part[::-1] if flip else part)
    return result


def neighbours(position: int, slices: int, length: int) -> list[int]:
    """The numbers of `slices` slices about a position, those beyond an end being the last one."""
    return [min(max(position + step, 0), length - 1) for step in range(-(slices // 2), slices // 2 + 1)]


def _crop(array: Array, corner: Sequence[int], result: Floats) -> None:
    """Write what the array has from `corner` on into `result`, which keeps its values beyond the array."""
    shapes = list(zip(corner, result.shape, array.shape, strict=True))
    taken = tuple(slice(max(0, start), min(start + size, n)) for start, size, n in shapes)
    place = tuple(slice(part.start - start, part.stop - start) for part, start in zip(taken, corner, strict=True))
    result[place] = array[taken]


def _plain(patch: Any) -> Tensor:
    """Without MONAI's metadata, which slows every operation down and can't go into a checkpoint."""
    return cast(Tensor, convert_to_tensor(patch, track_meta=False))


def usable(cases: Sequence[StoredCase], config: DataConfig) -> list[tuple[StoredCase, list[int]]]:
    """The cases and the numbers of their slices that show enough of a body. Raises `DataError` if there are none."""
    found = []
    for case in cases:
        slices = [n for n, part in enumerate(case.record.body_fraction) if part > config.min_body_fraction]
        if slices:
            found.append((case, slices))
    if not found:
        raise DataError(
            f"no slice has more than {config.min_body_fraction:.0%} of its area in the body; "
            "lower data.min_body_fraction, or check the volumes"
        )
    return found


def _chances(case: StoredCase, positions: Sequence[int], focus: float) -> Floats:
    """The chance that a slice up to each of the positions is drawn: rising, 1 at the end."""
    detail = np.array(case.record.detail)[list(positions)] + 1e-6
    chances = np.cumsum((1 - focus) + focus * detail / detail.mean())
    return np.asarray(chances / chances[-1], dtype=np.float32)


def _affine(config: DataConfig) -> RandAffine | None:
    """Rotation and scaling at random, or None where there is none of either."""
    if not config.max_rotation and not config.max_scaling:
        return None
    dims = len(config.patch_size)
    return RandAffine(
        prob=1.0,
        # in the plane of the slices, which a 2D patch has as its normal and a 3D one as its last axis
        rotate_range=[0.0] * (0 if dims == 2 else 2) + [np.deg2rad(config.max_rotation)],
        scale_range=[config.max_scaling] * dims,
        padding_mode="border",
    )
