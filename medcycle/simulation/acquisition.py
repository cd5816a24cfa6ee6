"""What an MR scanner does to the signal: one small function an effect.

All take images of shape (batch, 1, *sizes), 2D or 3D, not negative unless it is said, and draw from the generator.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from medcycle.simulation.fields import Interval, chosen, is_thin, pool, smooth_noise, uniform

__all__ = [
    "AT_BORDERS",
    "bias_field",
    "blurred",
    "chemical_shift",
    "ghosted",
    "metal_voids",
    "rician",
    "ringing",
    "thick",
]


AT_BORDERS: Interval = (0, 1 / 3)
"""How much a thick slice shows of the sub-slices at each of its borders."""

RIM = 0.8
"""How much brighter one side of a void's rim is: signal that was moved there."""


def chemical_shift(fat: Tensor, generator: torch.Generator, largest: int) -> Tensor:
    """What to add to signals because their fat lies up to `largest` voxels off along an axis."""
    change = torch.empty_like(fat)
    for number in range(len(fat)):
        axis, amount = torch.rand(2, generator=generator, device=fat.device).tolist()
        shift = round((2 * amount - 1) * largest)
        change[number] = torch.roll(fat[number], shift, 1 + int(axis * 2)) - fat[number]
    return change


def metal_voids(images: Tensor, metal: Tensor, generator: torch.Generator, share: float, size: Interval) -> Tensor:
    """No signal about metal, and in a `share` of the images about a random place, with a bright rim to one side.

    Args:
        images: the signal.
        metal: booleans, where the CT shows metal.
        generator: of the device.
        share: of images with a void where there is no metal.
        size: range of the radius, as a part of the image's size.
    """
    extra = chosen(images, share, generator)
    if not len(extra) and not bool(metal.any()):
        return images
    about = [7, 7, *[3 if depth > 2 else 1 for depth in images.shape[4:]]]
    signal = images * (1 - pool(metal.to(images.dtype), about, "largest"))
    rows, columns = (torch.linspace(0, 1, length, device=images.device) for length in images.shape[2:4])
    for number in extra.tolist():
        row, column, drawn = torch.rand(3, generator=generator, device=images.device).tolist()
        reach = size[0] + (size[1] - size[0]) * drawn
        away = torch.hypot(rows[:, None] - row, columns - column) / reach
        factor = torch.where(away < 1, 0.0, 1.0) + RIM * ((away >= 1) & (away < 1.25) & (rows[:, None] > row))
        signal[number] *= factor.reshape(*factor.shape, *[1] * (images.ndim - 4))
    return signal


def bias_field(like: Tensor, strength: float, scale: Interval, generator: torch.Generator) -> Tensor:
    """A smooth positive factor, the exponential of smooth noise of up to `strength` standard deviation.

    Args:
        like: gives shape and device.
        strength: largest standard deviation of the logarithm.
        scale: range of the grain, as parts of the image's size.
        generator: of the device.
    """
    largest = max(like.shape[2:])
    noise = smooth_noise(like, (scale[0] * largest, scale[1] * largest), generator)
    return noise.mul_(uniform(like, (0, strength), generator)).exp_()


def thick(images: Tensor, shares: Tensor) -> Tensor:
    """Slices from sub-slices: each the weighted mean of one and the two beside it, which it shares with the next.

    Args:
        images: an odd number of sub-slices, 2 n + 1, along the last axis.
        shares: the weights of those at the borders, one an image, from `AT_BORDERS`.

    Returns:
        n slices along the last axis.
    """
    before, middle, after = images[..., :-1:2], images[..., 1::2], images[..., 2::2]
    return (1 - 2 * shares) * middle + shares * (before + after)


def blurred(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur, of a random standard deviation up to `strength` voxels along each axis of each image.

    Not from slice to slice of a thin stack, whose distance has nothing to do with it.
    """
    if not strength:
        return images
    count, sizes = len(images), images.shape[2:]
    radius = math.ceil(3 * strength)
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    convolve = functional.conv2d if len(sizes) == 2 else functional.conv3d
    result = images.transpose(0, 1)
    for axis in range(2 if is_thin(images) else len(sizes)):
        sigma = strength * torch.rand(count, 1, generator=generator, device=images.device)
        kernel = torch.softmax(-(offsets**2) / (2 * sigma.clamp_min(0.05) ** 2), dim=1)
        shape = [count, 1, *(len(offsets) if other == axis else 1 for other in range(len(sizes)))]
        # the border's value beyond it: a body that goes on there must not turn dark
        margins = [radius if other == axis else 0 for other in reversed(range(len(sizes))) for _ in range(2)]
        padded = functional.pad(result, margins, mode="replicate")
        result = convolve(padded, kernel.reshape(shape), groups=count)
    return result.transpose(0, 1)


def ringing(images: Tensor, share: float, least: float, generator: torch.Generator) -> Tensor:
    """Gibbs ringing: high spatial frequencies left out along one axis of part of the images.

    Args:
        images: the signal.
        share: of the images.
        least: least part of the frequencies that is kept.
        generator: of the device.
    """
    result = images.clone()
    for number in chosen(images, share, generator).tolist():
        axis, part = torch.rand(2, generator=generator, device=images.device).tolist()
        along, kept = 1 + int(axis * 2), least + (1 - least) * part
        spectrum = torch.fft.rfft(images[number], dim=along)
        cut = max(2, int(kept * spectrum.shape[along]))
        spectrum.narrow(along, cut, spectrum.shape[along] - cut).zero_()
        result[number] = torch.fft.irfft(spectrum, n=images.shape[1 + along], dim=along).abs()
    return result


def ghosted(images: Tensor, share: float, strength: float, generator: torch.Generator) -> Tensor:
    """Motion: faint copies, shifted along one axis by a part of its length, added to part of the images.

    A periodic movement that every n-th line of k-space sees gives n such ghosts (Haacke et al., ch. 23); what is drawn
    is n, 2 to 4, and how faint they are.
    """
    result = images.clone()
    for number in chosen(images, share, generator).tolist():
        axis, count, faint = torch.rand(3, generator=generator, device=images.device).tolist()
        along, ghosts = 1 + int(axis * 2), 2 + int(count * 3)
        length = images.shape[1 + along]
        for copy in range(1, ghosts):
            result[number] += strength * faint / ghosts * torch.roll(images[number], copy * length // ghosts, along)
    return result


def rician(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Noise of both channels of the magnitude image, of a random standard deviation up to `strength`."""
    sigma = uniform(images, (0, strength), generator)
    real, imaginary = (
        torch.randn(images.shape, generator=generator, device=images.device).mul_(sigma) for _ in range(2)
    )
    return torch.hypot(real.add_(images), imaginary)
