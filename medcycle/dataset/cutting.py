"""Patches cut out of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcycle.dataset.augmentation import Augmentation, ShapeChange
from medcycle.volume import Array

__all__ = ["Cutter", "middle_of"]

Floats = npt.NDArray[np.float32]

TRIES = 64
"""Places at which a body is looked for."""


class Cutter:
    """Cuts a random patch out of arrays of one grid: the same place, mirrored, turned, sized and bent alike.

    Args:
        sizes: of a patch, pixels or voxels.
        augmentation: how patches are changed.
        body_share: part of the patches with a voxel of the body in the middle; the others lie anywhere.
    """

    def __init__(self, sizes: Sequence[int], augmentation: Augmentation, body_share: float = 0.0) -> None:
        self.sizes = sizes
        self.flip = augmentation.flip
        self.body_share = body_share
        self.change_shape = ShapeChange(augmentation, sizes)

    def __call__(
        self,
        arrays: Sequence[Array],
        body: Array,
        beside: Sequence[int],
        random: np.random.Generator,
        *,
        sided: bool = True,
    ) -> list[Tensor]:
        """The patches, each of shape (slices, *patch_size), float32.

        Only the patch is read from the disk, and turned into floats.

        Args:
            arrays: images in [−1, 1], or masks, which become −1 and 1; all of one shape. Beyond them lies −1.
            body: where there is a body, booleans of that shape.
            beside: the numbers of the slices, if the patch has two sizes.
            random: decides on place, mirroring and the rest.
            sided: whether the first axis is right to left, along which patches may be mirrored.
        """
        corner = self._corner(body if len(self.sizes) == 3 else body[:, :, beside[len(beside) // 2]], random)
        flip = self.flip and sided and random.random() < 0.5
        cut = np.concatenate([_as_image(array, beside, corner, self.sizes, flip) for array in arrays])
        patches = self.change_shape(torch.from_numpy(cut), random)
        return [part.contiguous() for part in patches.chunk(len(arrays))]

    def _corner(self, body: Array, random: np.random.Generator) -> list[int]:
        """Where the patch begins: anywhere, or with a voxel of the body in its middle, as far as it reaches."""
        free = [length - size for length, size in zip(body.shape, self.sizes, strict=True)]
        corner = [int(random.integers(rest + 1)) if rest > 0 else rest // 2 for rest in free]
        if not self.body_share or random.random() >= self.body_share:
            return corner
        places = random.integers(body.shape, size=(TRIES, body.ndim))
        inside = places[body[tuple(places.T)]]
        if not len(inside):
            return corner
        return [
            min(max(int(place) - size // 2, 0), rest) if rest > 0 else rest // 2
            for place, size, rest in zip(inside[0], self.sizes, free, strict=True)
        ]


def middle_of(array: Array, beside: Sequence[int], sizes: Sequence[int], outside: float) -> Floats:
    """The patch in the middle, as `Cutter` cuts it without augmentation; `outside` beyond the array."""
    corner = [(n - wanted) // 2 for n, wanted in zip(array.shape, sizes, strict=False)]
    return _cut(array, beside, corner, sizes, outside)


def _as_image(array: Array, beside: Sequence[int], corner: Sequence[int], sizes: Sequence[int], flip: bool) -> Floats:
    if array.dtype != bool:
        return _cut(array, beside, corner, sizes, -1.0, flip)
    return 2 * _cut(array, beside, corner, sizes, 0.0, flip) - 1


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


def _crop(array: Array, corner: Sequence[int], result: Floats) -> None:
    """Write what the array has from `corner` on into `result`, which keeps its values beyond the array."""
    shapes = list(zip(corner, result.shape, array.shape, strict=True))
    taken = tuple(slice(max(0, start), min(start + size, n)) for start, size, n in shapes)
    place = tuple(slice(part.start - start, part.stop - start) for part, start in zip(taken, corner, strict=True))
    result[place] = array[taken]
