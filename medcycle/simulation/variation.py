"""Other anatomies than the ones at hand: deformed, with other bone, cavities filled, cut off by the field of view."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from medcycle.dataset.air_and_bone import AIR, BONE
from medcycle.simulation.fields import Interval, affine_grid, chosen, is_thin, pool, smooth_noise, threshold, uniform
from medcycle.simulation.tissues import METAL

__all__ = [
    "cut_off",
    "deformed",
    "inner_field",
    "reversed_across",
    "with_bone_grown",
    "with_bone_scaled",
    "with_filled_cavities",
]

CONTENT: Interval = (5.0, 50.0)
"""HU of what fills a cavity: fluid to swollen mucosa."""

GROWN_FROM, GROWN_INTO = 100.0, -200.0
"""HU of what is moved where bone grows or shrinks, and from which on it takes the place of others: not of air."""

GROWTH_GRAIN: Interval = (4.0, 30.0)
"""How many voxels apart bone is thicker here and thinner there."""


def reversed_across(images: Tensor, body: Tensor, generator: torch.Generator, share: float) -> tuple[Tensor, Tensor]:
    """With the slices of a random `share` of the images in the opposite order.

    All heads are prepared feet first. A network that knows no other order moves bone when it is given another one.

    Args:
        images: shape (batch, 1, *sizes), slices along the last of three sizes; images of two sizes stay as they are.
        body: booleans of the same shape.
        generator: of the device.
        share: of the images.
    """
    some = chosen(images, share, generator) if images.ndim == 5 else ()
    if not len(some):
        return images, body
    images, body = images.clone(), body.clone()
    images[some], body[some] = images[some].flip(-1), body[some].flip(-1)
    return images, body


def deformed(
    images: Tensor,
    body: Tensor,
    generator: torch.Generator,
    *,
    rotation: float,
    scaling: float,
    bending: float,
) -> tuple[Tensor, Tensor]:
    """Turned, sized, sheared, shifted and bent at random, in the first two axes; what comes from beyond is empty.

    Args:
        images: shape (batch, channels, *sizes); −1 is empty.
        body: booleans of the same shape.
        generator: of the device.
        rotation: largest angle, degrees.
        scaling: largest change of size along each axis, largest shear and largest shift, as fractions of half the size.
        bending: strength of the smooth deformation: the standard deviation of the displacement is up to this part of
            half the size.

    Returns:
        The images, −1 outside the body, and the body; shapes as given.
    """
    if not (rotation or scaling or bending):
        return torch.where(body, images, -1.0), body
    count, device, sizes = len(images), images.device, images.shape[2:4]

    def drawn(strength: float, *shape: int) -> Tensor:
        return strength * (2 * torch.rand(count, *shape, generator=generator, device=device) - 1)

    angle = drawn(torch.pi / 180 * rotation)
    turned = torch.stack([torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)], 1).reshape(-1, 2, 2)
    stretched = torch.eye(2, device=device) + drawn(scaling, 2, 2)
    aspect = torch.tensor([[1, sizes[0] / sizes[1]], [sizes[1] / sizes[0], 1]], device=device)
    matrix = torch.cat([(turned @ stretched) * aspect, drawn(scaling, 2, 1)], dim=2)
    flat = images.new_empty(count, 1, *sizes)
    noise = smooth_noise(flat, (max(sizes) / 6, max(sizes) / 3), generator, channels=2)
    grid = noise.mul_(drawn(bending, 1, 1, 1)).add_(affine_grid(matrix, sizes)).movedim(1, -1)
    both = torch.cat([_planes(images) + 1, _planes(body).to(images.dtype)], dim=1)
    moved = functional.grid_sample(both, grid.to(images.dtype), align_corners=False)
    image, inside = (part if images.ndim == 4 else part.movedim(1, -1)[:, None] for part in moved.chunk(2, dim=1))
    return torch.where(inside > 0.5, image - 1, -1.0), inside > 0.5


def _planes(images: Tensor) -> Tensor:
    """The planes of the first two axes as channels: shape (batch, planes, height, width)."""
    return images if images.ndim == 4 else images[:, 0].movedim(-1, 1)


def with_filled_cavities(hounsfield: Tensor, body: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """CT numbers with fluid or mucosa in part of the air within the body, in a random `share` of the images."""
    some = chosen(hounsfield, share, generator)
    if not len(some):
        return hounsfield
    before = hounsfield[some]
    cavity = ((before < AIR) & body[some]).to(before.dtype)
    near = pool(cavity, [5, 5, *[1] * (before.ndim - 4)], "largest") > 0
    size = max(before.shape[2:])
    region = smooth_noise(before, (size / 8, size / 3), generator) > threshold(0.5)
    content = uniform(before, CONTENT, generator)
    filled = torch.where(near & region & body[some] & (before < 0), content, before)
    result = hounsfield.clone()
    result[some] = filled
    return result


def with_bone_grown(hounsfield: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """CT numbers with bone that reaches further or less far, by up to a voxel, here more and there less.

    Args:
        hounsfield: shape (batch, 1, *sizes).
        generator: of the device.
        strength: voxels: the largest change of an image as a whole, and the standard deviation within it.
    """
    if not strength:
        return hounsfield
    bone = (hounsfield - GROWN_FROM).clamp_min(0)
    about = [1 if is_thin(hounsfield) and axis == 2 else 3 for axis in range(hounsfield.ndim - 2)]
    amount = uniform(hounsfield, (-strength, strength), generator)
    amount = (amount + strength * smooth_noise(hounsfield, GROWTH_GRAIN, generator)).clamp(-1, 1)
    moved = torch.where(amount > 0, pool(bone, about, "largest"), pool(bone, about, "least"))
    return torch.where(hounsfield > GROWN_INTO, hounsfield + amount.abs() * (moved - bone), hounsfield)


def with_bone_scaled(
    hounsfield: Tensor, generator: torch.Generator, strength: float, local: float, grain: Interval
) -> Tensor:
    """CT numbers with bone that is denser or lighter: what they exceed `BONE` by, times a random factor.

    Args:
        hounsfield: shape (batch, 1, *sizes).
        generator: of the device.
        strength: the largest logarithm of the factor of an image as a whole.
        local: the standard deviation of the logarithm within it.
        grain: how large the places of one density are, voxels.
    """
    if not strength and not local:
        return hounsfield
    exponent = uniform(hounsfield, (-strength, strength), generator)
    exponent = exponent + local * smooth_noise(hounsfield, grain, generator)
    scaled = (BONE + (hounsfield - BONE) * torch.exp(exponent)).clamp_max(METAL)
    return torch.where((hounsfield > BONE) & (hounsfield < METAL), scaled, hounsfield)


def cut_off(body: Tensor, generator: torch.Generator, share: float, largest: float) -> Tensor:
    """The body without what a field of view leaves out, at one to four sides of each of a `share` of the images.

    Args:
        body: booleans, shape (batch, 1, *sizes).
        generator: of the device.
        share: of the images.
        largest: largest part of the size that is cut off at a side.
    """
    result = body.clone()
    for number in chosen(body, share, generator).tolist():
        drawn = torch.rand(2, 4, generator=generator, device=body.device).tolist()
        surely = drawn[0].index(min(drawn[0]))
        for side, (chance, part) in enumerate(zip(*drawn, strict=True)):
            if side != surely and chance > 0.3:
                continue
            along, at_end = 1 + side // 2, side % 2
            length = body.shape[1 + along]
            lost = int(part * largest * length)
            result[number].narrow(along, (length - lost) * at_end, lost).fill_(False)
    return result


def inner_field(body: Tensor, generator: torch.Generator, share: float, size: Interval) -> Tensor:
    """What a field of view within the body shows of it, as of a prostate, in a `share` of the images.

    The field is a box in the first two axes, at random within the box about the body.

    Args:
        body: booleans, shape (batch, 1, *sizes).
        generator: of the device.
        share: of the images.
        size: range of the field's size along each axis, as parts of the image's.
    """
    result = body.clone()
    for number in chosen(body, share, generator).tolist():
        drawn = torch.rand(2, 2, generator=generator, device=body.device).tolist()
        for along, (part, place) in enumerate(drawn, 1):
            image, length = result[number], body.shape[1 + along]
            seen = body[number].movedim(along, 0).flatten(1).any(1).nonzero().flatten().tolist() or [0]
            kept = round(length * (size[0] + part * (size[1] - size[0])))
            start = seen[0] + round(place * max(0, seen[-1] + 1 - seen[0] - kept))
            image.narrow(along, 0, start).fill_(False)
            image.narrow(along, min(start + kept, length), max(0, length - start - kept)).fill_(False)
    return result
