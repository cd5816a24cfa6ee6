"""A loss that holds an output to the structure of its input, whose grey values are another modality's."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["mind", "mind_loss"]

EPSILON = 1e-6


def mind(image: Tensor, *, distance: int = 2, radius: int = 1) -> Tensor:
    """How alike the patches around a voxel are: the modality independent neighbourhood descriptor MIND-SSC.

    For two neighbours of a voxel, `distance` away along two axes, the descriptor is exp(−D/V) with D the mean squared
    difference of the patches around them and V the mean of D over all such couples (Heinrich et al. 2013, "Towards
    realtime multimodal fusion for image-guided interventions using self-similarities"). V is held between a thousandth
    and a thousand times its mean over the image, so that the noise of air has no structure.

    Args:
        image: shape (batch, channels, *sizes), 2 or 3 sizes; each channel is described alone.
        distance: from a voxel to its neighbours, voxels.
        radius: of a patch of side 2 × `radius` + 1, voxels.

    Returns:
        Shape (batch × channels, couples, *sizes), 4 couples in 2D and 12 in 3D, values in (0, 1].
    """
    sizes = image.shape[2:]
    single = image.float().reshape(-1, 1, *sizes)
    smooth = functional.avg_pool2d if len(sizes) == 2 else functional.avg_pool3d
    wide = functional.pad(single, [distance] * 2 * len(sizes), mode="replicate")
    neighbours = {
        (axis, side): _cut(wide, sizes, distance, axis, side) for axis in range(len(sizes)) for side in (0, 2)
    }
    couples = [(a, b) for a, b in combinations(neighbours, 2) if a[0] != b[0]]
    squares = torch.cat([(neighbours[a] - neighbours[b]).square() for a, b in couples], dim=1)
    distances = smooth(functional.pad(squares, [radius] * 2 * len(sizes), mode="replicate"), 2 * radius + 1, stride=1)
    variance = distances.mean(dim=1, keepdim=True)
    typical = variance.mean(dim=tuple(range(1, variance.ndim)), keepdim=True).clamp_min(EPSILON)
    return torch.exp(-distances / variance.clamp(1e-3 * typical, 1e3 * typical))


def mind_loss(image: Tensor, made: Tensor) -> Tensor:
    """Mean absolute difference of the `mind` descriptors.

    Yang et al. 2018, "Unpaired brain MR-to-CT synthesis using a structure-constrained CycleGAN", with MIND-SSC in place
    of MIND.

    Args:
        image: shape (batch, channels, *sizes).
        made: the same shape.

    Returns:
        A scalar, 0 to 1; 0 for the same image in other grey values a·x + b.
    """
    return (mind(image) - mind(made)).abs().mean()


def _cut(wide: Tensor, sizes: tuple[int, ...], margin: int, axis: int, side: int) -> Tensor:
    """`sizes` of what is wider by a margin on all sides, from its start (0) or end (2) along one axis."""
    for other, size in enumerate(sizes):
        wide = wide.narrow(2 + other, margin * (side if other == axis else 1), size)
    return wide
