"""Losses that hold an output to the structure of its input, whose grey values are another modality's."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
from monai.losses import GlobalMutualInformationLoss
from torch import Tensor
from torch.nn import functional

__all__ = [
    "StructureWeights",
    "mind",
    "mind_loss",
    "mutual_information_loss",
    "shape_loss",
    "silhouette",
    "structure_loss",
]

EPSILON = 1e-6

FILLED = -0.9
"""What lies in a body is above it, but for air, in MR as in CT of a usual window; outside it images are −1."""

SOFTNESS = 0.02
"""How far above and below it images are taken to be filled in part."""


class StructureWeights(NamedTuple):
    """What the losses of this module are multiplied by; one of 0 is not computed.

    Args:
        mind: of `mind_loss`.
        mutual_information: of `mutual_information_loss`.
        shape: of `shape_loss`.
    """

    mind: float = 0.0
    mutual_information: float = 0.0
    shape: float = 0.0


def structure_loss(image: Tensor, made: Tensor, weights: StructureWeights, body: Tensor | None = None) -> Tensor:
    """The weighted sum of this module's losses.

    Args:
        image: shape (batch, channels, *sizes), values in [−1, 1].
        made: the same shape and range, of another modality.
        weights: of the losses.
        body: where the image shows a body, booleans of the same shape; for `shape_loss` alone.

    Returns:
        A scalar.

    Raises:
        ValueError: if the shape counts and no body is given.
    """
    losses = {
        mind_loss: weights.mind,
        mutual_information_loss: weights.mutual_information,
    }
    weighted = [weight * loss(image, made) for loss, weight in losses.items() if weight]
    if weights.shape:
        if body is None:
            raise ValueError("the shape of an image is its body's; none is given")
        weighted.append(weights.shape * shape_loss(body, made))
    return torch.stack(weighted).sum() if weighted else made.new_zeros(())


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


def mutual_information_loss(image: Tensor, made: Tensor) -> Tensor:
    """Minus the mutual information of the grey values, nats.

    By MONAI's `GlobalMutualInformationLoss`: Gaussian Parzen windows, 23 bins over the range.

    Args:
        image: shape (batch, channels, *sizes), values in [−1, 1].
        made: the same shape and range.

    Returns:
        A scalar; the less, the better one image tells the other.
    """
    between_0_and_1 = [(tensor.float() + 1) / 2 for tensor in (made, image)]
    loss: Tensor = GlobalMutualInformationLoss().to(made.device)(*between_0_and_1)
    return loss


def silhouette(filled: Tensor) -> Tensor:
    """What is hidden from at least one side by what is filled, along every axis: cavities are filled.

    Args:
        filled: how far each voxel is filled, 0 to 1, shape (batch, channels, *sizes).

    Returns:
        The same shape, 0 to 1: the least, of all directions along the axes, of the most that is met from the image's
        border on.
    """
    met = []
    for axis in range(2, filled.ndim):
        met.append(filled.cummax(dim=axis).values)
        met.append(filled.flip(axis).cummax(dim=axis).values.flip(axis))
    return torch.stack(met).amin(dim=0)


def shape_loss(body: Tensor, made: Tensor) -> Tensor:
    """How far an output's outline is from the outline of its input: one minus the Dice coefficient of both bodies.

    Shape consistency as of Zhang et al. 2018 ("Translating and segmenting multimodal medical volumes with cycle- and
    shape-consistency generative adversarial network"), with the body in place of organs, and a `silhouette` of what is
    above −0.9 in place of a network that finds it.

    Args:
        body: where the input shows a body, booleans, shape (batch, channels, *sizes).
        made: the output, the same shape, values in [−1, 1], −1 outside a body.

    Returns:
        A scalar, 0 to 1.
    """
    wanted = silhouette(body.float())
    found = silhouette(torch.sigmoid((made.float() - FILLED) / SOFTNESS))
    return 1 - (2 * (wanted * found).sum() + EPSILON) / (wanted.sum() + found.sum() + EPSILON)


def _cut(wide: Tensor, sizes: tuple[int, ...], margin: int, axis: int, side: int) -> Tensor:
    """`sizes` of what is wider by a margin on all sides, from its start (0) or end (2) along one axis."""
    for other, size in enumerate(sizes):
        wide = wide.narrow(2 + other, margin * (side if other == axis else 1), size)
    return wide
