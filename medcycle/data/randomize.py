"""MR-like images made from CT by random tissue contrast: pairs to learn from, without any MR.

A network that learns to undo contrasts it never sees twice has to go by shapes, not by grey values, and takes any MR
contrast afterwards. The idea is that of SynthSeg (Billot et al. 2023, "SynthSeg: Segmentation of brain MRI scans of any
contrast and resolution without retraining", Medical Image Analysis 86:102789), with CT in place of the labels.

All functions take batches of shape (batch, 1, *sizes), 2D or 3D, on any device, and draw from the generator given.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from medcycle.config import RandomizeConfig
from medcycle.intensity import IntensityMap, MrPercentile, MrZScore
from medcycle.phantom import PROPERTIES, Tissue

__all__ = ["ContrastRandomizer", "bias_field", "blurred", "interpolate", "rician", "smooth_noise", "tissue_signals"]

Range = tuple[float, float]

TISSUES: dict[Tissue, Range] = {
    Tissue.AIR: (-1000, -850),
    Tissue.FAT: (-120, -80),
    Tissue.CSF: (0, 10),
    Tissue.WHITE_MATTER: (25, 35),
    Tissue.MUSCLE: (50, 65),
    Tissue.MARROW: (200, 550),
    Tissue.CORTICAL_BONE: (900, 1400),
}
"""What CT tells apart, and the range (HU) that each one's CT number is drawn from: ages and scanners differ."""

SEQUENCES: tuple[dict[str, Range], ...] = (
    {"tr": (400, 700), "te": (8, 20)},  # T1 spin echo
    {"tr": (6, 25), "te": (2, 6), "flip": (12, 35)},  # T1 gradient echo
    {"tr": (2500, 6000), "te": (70, 130)},  # T2
    {"tr": (2000, 4000), "te": (10, 35)},  # proton density
    {"tr": (7000, 10000), "te": (80, 140), "ti": (2000, 2500)},  # FLAIR
    {"tr": (3000, 6000), "te": (30, 80), "ti": (130, 180)},  # STIR
)
"""Repetition, echo and inversion times (ms) and flip angles (degrees) of routine sequences at 1.5 T."""

BORDER = 200.0
"""HU from one voxel to the next above which a voxel is taken for a mixture of its neighbours."""

MR_BOTTOM = MrPercentile.bottom


class ContrastRandomizer:
    """Makes MR-like images of prepared CT.

    Args:
        ct: the map that made the CT's values.
        config: how much of every effect.
        by_spread: scale as `MrZScore` does, not as `MrPercentile`.
    """

    def __init__(self, ct: IntensityMap, config: RandomizeConfig, *, by_spread: bool = False) -> None:
        self.ct = ct
        self.config = config
        self.scaled = _by_spread if by_spread else _by_top

    def __call__(self, target: Tensor, body: Tensor, generator: torch.Generator) -> Tensor:
        """An MR-like image of each CT.

        Args:
            target: CT in [−1, 1], shape (batch, 1, *sizes).
            body: booleans of the same shape.
            generator: of the tensors' device.

        Returns:
            Values as of prepared MR, [−0.8, 1] in the body and −1 outside; shape and dtype of `target`.
        """
        config = self.config
        image = body * self._contrast(self.ct_numbers(target), generator)
        image = image * bias_field(image, config.bias, config.bias_scale, generator)
        image = blurred(image, config.blur, generator)
        image = rician(image, config.noise, generator)
        image = self.scaled(image, body)
        image = (image * _uniform(image, config.gain, generator)).clamp(0, 1)
        image = image ** torch.exp(_uniform(image, (-config.gamma, config.gamma), generator))
        return torch.where(body, MR_BOTTOM + (1 - MR_BOTTOM) * image, -1.0).to(target.dtype)

    def ct_numbers(self, target: Tensor) -> Tensor:
        """CT in [−1, 1] to HU, float32."""
        units, mapped = self.ct.corners
        corners = (torch.tensor([ends], device=target.device, dtype=torch.float32) for ends in (mapped, units))
        return interpolate(target.float(), *(ends.expand(len(target), -1) for ends in corners))

    def _contrast(self, hounsfield: Tensor, generator: torch.Generator) -> Tensor:
        """Signal of every voxel: of its tissue by its CT number, or of a mixture at a border."""
        count, device = len(hounsfield), hounsfield.device
        lows, highs = torch.tensor(list(TISSUES.values()), device=device).T
        centres = lows + (highs - lows) * torch.rand(count, len(TISSUES), generator=generator, device=device)
        signals = tissue_signals(count, self.config.physical_share, generator, device)
        nodes = torch.stack([signals[tissue] for tissue in TISSUES], dim=1)
        tissue = interpolate(hounsfield, centres, nodes) + self._hidden(hounsfield, centres, signals, generator)
        tissue = tissue * (1 + self.config.texture * smooth_noise(hounsfield, (1.0, 3.0), generator))

        ends = [list(TISSUES).index(end) for end in (Tissue.AIR, Tissue.WHITE_MATTER, Tissue.CORTICAL_BONE)]
        mixture = interpolate(hounsfield, centres[:, ends], nodes[:, ends])
        border = (steepness(hounsfield) / BORDER - 1).clamp(0, 1)
        return torch.lerp(tissue, mixture, border).clamp_min(0)

    def _hidden(
        self, hounsfield: Tensor, centres: Tensor, signals: dict[Tissue, Tensor], generator: torch.Generator
    ) -> Tensor:
        """What grey matter and sulci, of random shapes that CT does not show, add to the signal of soft tissue."""
        soft = torch.tensor([[float(tissue is Tissue.WHITE_MATTER) for tissue in TISSUES]], device=hounsfield.device)
        membership = interpolate(hounsfield, centres, soft.expand_as(centres))
        added = torch.zeros_like(hounsfield)
        for tissue, share in ((Tissue.GREY_MATTER, 0.5), (Tissue.CSF, 0.2)):
            noise = smooth_noise(hounsfield, self.config.structure_scale, generator)
            shapes = torch.sigmoid(8 * (noise - _threshold(share)))
            added = added + shapes * _each(signals[tissue] - signals[Tissue.WHITE_MATTER], added)
        return membership * added


def tissue_signals(
    count: int, physical_share: float, generator: torch.Generator, device: torch.device
) -> dict[Tissue, Tensor]:
    """Random signals of every tissue, each of shape (count,), in [0, 1].

    Args:
        count: how many contrasts.
        physical_share: the part of them that follows the signal equation of a random sequence of `SEQUENCES`, with fat
            suppressed in a third of them; the others have plain random signals, air and cortical bone dark.
        generator: of `device`.
        device: where to.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator, device=device)

    which = torch.randint(len(SEQUENCES), (count,), generator=generator, device=device)
    timing = {}
    for key, default in (("tr", 0.0), ("te", 0.0), ("ti", 0.0), ("flip", 90.0)):
        ranges = torch.tensor([sequence.get(key, (default, default)) for sequence in SEQUENCES], device=device)
        timing[key] = ranges[which, 0] + (ranges[which, 1] - ranges[which, 0]) * uniform(0, 1)
    fat = torch.where(uniform(0, 1) < 1 / 3, uniform(0.0, 0.4), 1.0)
    physical = {}
    for tissue in (*TISSUES, Tissue.GREY_MATTER):
        density, t1, t2, *_ = PROPERTIES[tissue]
        relaxation = {"t1": t1 * uniform(0.8, 1.4), "t2": t2 * uniform(0.8, 1.2)}
        water = fat if tissue in (Tissue.FAT, Tissue.MARROW) else 1.0
        physical[tissue] = density * water * sequence_signal(**timing, **relaxation)
    brightest = torch.stack(list(physical.values())).amax(0)
    follows = uniform(0, 1) < physical_share
    plain = {tissue: uniform(0, 1) for tissue in physical}
    plain |= {Tissue.AIR: uniform(0, 0.05), Tissue.CORTICAL_BONE: uniform(0, 0.2)}
    return {tissue: torch.where(follows, physical[tissue] / brightest, plain[tissue]) for tissue in physical}


def sequence_signal(tr: Tensor, te: Tensor, ti: Tensor, flip: Tensor, t1: Tensor, t2: Tensor) -> Tensor:
    """Magnitude of the transverse magnetisation, relative to full relaxation; times in ms, `flip` in degrees.

    Spoiled gradient echo with flip angles below 90°, else spin echo, after an inversion where `ti` > 0 (Haacke et al.,
    Magnetic Resonance Imaging, 1999, ch. 8 and 18; T2 stands for T2* as well).
    """
    angle, recovered = torch.deg2rad(flip), torch.exp(-tr / t1)
    gradient = torch.sin(angle) * (1 - recovered) / (1 - recovered * torch.cos(angle))
    inversion = (1 - 2 * torch.exp(-ti / t1) + recovered).abs()
    spin = torch.where(ti > 0, inversion, 1 - recovered)
    return torch.where(flip < 90, gradient, spin) * torch.exp(-te / t2)


def interpolate(values: Tensor, nodes: Tensor, heights: Tensor) -> Tensor:
    """Piecewise linear curves, one an image, constant beyond their ends.

    Args:
        values: shape (batch, 1, *sizes).
        nodes: rising abscissae, shape (batch, points).
        heights: ordinates, shape (batch, points).
    """
    result = _each(heights[:, 0], values).expand_as(values)
    for number in range(nodes.shape[1] - 1):
        left, right = nodes[:, number], nodes[:, number + 1]
        slope = (heights[:, number + 1] - heights[:, number]) / (right - left)
        result = result + _each(slope, values) * (
            values.clamp(_each(left, values), _each(right, values)) - _each(left, values)
        )
    return result


def smooth_noise(like: Tensor, scale: Range, generator: torch.Generator) -> Tensor:
    """Noise of mean 0 and variance 1 whose grain has a random size.

    Args:
        like: gives shape and device.
        scale: range of the grain, voxels.
        generator: of the device.
    """
    sizes = like.shape[2:]
    drawn = torch.rand(1, generator=generator, device=like.device).item()
    grain = math.exp(math.log(scale[0]) + drawn * math.log(scale[1] / scale[0]))
    coarse = [max(2, math.ceil(size / grain)) for size in sizes]
    noise = torch.randn(len(like), 1, *coarse, generator=generator, device=like.device)
    smooth = functional.interpolate(noise, sizes, mode="bilinear" if len(sizes) == 2 else "trilinear")
    return (smooth - smooth.mean()) / smooth.std().clamp_min(1e-6)


def bias_field(like: Tensor, strength: float, scale: Range, generator: torch.Generator) -> Tensor:
    """A smooth positive factor, the exponential of smooth noise of up to `strength` standard deviation."""
    noise = smooth_noise(like, (scale[0] * max(like.shape[2:]), scale[1] * max(like.shape[2:])), generator)
    return torch.exp(_uniform(like, (0, strength), generator) * noise)


def blurred(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur, of a random standard deviation up to `strength` voxels along each axis of each image."""
    count, sizes = len(images), images.shape[2:]
    radius = max(1, math.ceil(3 * strength))
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    convolve = functional.conv2d if len(sizes) == 2 else functional.conv3d
    result = images.transpose(0, 1)
    for axis in range(len(sizes)):
        sigma = strength * torch.rand(count, 1, generator=generator, device=images.device)
        kernel = torch.softmax(-(offsets**2) / (2 * sigma.clamp_min(0.05) ** 2), dim=1)
        shape = [count, 1, *(len(offsets) if other == axis else 1 for other in range(len(sizes)))]
        # the border's value beyond it: a body that goes on there must not turn dark
        margins = [radius if other == axis else 0 for other in reversed(range(len(sizes))) for _ in range(2)]
        padded = functional.pad(result, margins, mode="replicate")
        result = convolve(padded, kernel.reshape(shape), groups=count)
    return result.transpose(0, 1)


def rician(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Noise of both channels of the magnitude image, of a random standard deviation up to `strength`."""
    sigma = _uniform(images, (0, strength), generator)
    real, imaginary = (sigma * torch.randn(images.shape, generator=generator, device=images.device) for _ in range(2))
    return torch.hypot(images + real, imaginary)


def steepness(values: Tensor) -> Tensor:
    """The largest slope along any axis, by central differences, per voxel."""
    steepest = torch.zeros_like(values)
    for axis in range(2, values.ndim):
        difference = torch.gradient(values, dim=axis)[0].abs()
        steepest = torch.maximum(steepest, difference)
    return steepest


def _by_top(images: Tensor, body: Tensor) -> Tensor:
    """Divided by a high percentile in the body, as in preparation."""
    tops = [
        torch.quantile(image[inside], 0.995) if inside.any() else image.new_ones(())
        for image, inside in zip(images, body, strict=True)
    ]
    return images / _each(torch.stack(tops).clamp_min(1e-3), images)


def _by_spread(images: Tensor, body: Tensor) -> Tensor:
    """With mean ± `MrZScore.SPREAD` standard deviations in the body brought to [0, 1], as in preparation."""
    axes = tuple(range(1, images.ndim))
    count = body.sum(axes, keepdim=True).clamp_min(1)
    mean = (images * body).sum(axes, keepdim=True) / count
    spread = (((images - mean) * body) ** 2).sum(axes, keepdim=True).div(count).sqrt().clamp_min(1e-3)
    return (images - mean) / (2 * MrZScore.SPREAD * spread) + 0.5


def _threshold(share: float) -> float:
    """What a standard normal variable exceeds with this probability."""
    return math.sqrt(2) * torch.erfinv(torch.tensor(1 - 2 * share)).item()


def _uniform(like: Tensor, ends: Range, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(len(like), generator=generator, device=like.device)
    return _each(ends[0] + (ends[1] - ends[0]) * drawn, like)


def _each(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
