"""Contrasts of real MR, measured where a generator sees which CT number."""

from __future__ import annotations

import torch
from torch import Tensor

from medcycle.simulation.fields import Interval
from medcycle.simulation.tissues import HIDDEN, VISIBLE

__all__ = ["MeasuredContrasts"]

NAMES = (*VISIBLE, *HIDDEN)

CLASSES: dict[str, Interval] = {
    "air": (-1100, -850),
    "lung": (-850, -500),
    "fat": (-150, -40),
    "soft": (-10, 90),
    "marrow": (200, 600),
    "bone": (800, 2500),
}
"""CT numbers (HU), far enough apart that a blurred border between two is none of them."""

WITHIN_SOFT = ("fluid", "muscle", "blood", "grey matter", "hidden fluid", "vessel")
"""What CT numbers hardly tell apart: anything that soft tissue shows, but for its extremes."""

EXTREMES = 0.02

LEAST = 30
"""Voxels that a class is measured on."""

SPREAD = 0.15
"""Standard deviation of the logarithm by which a measured signal is varied: the generator errs."""


class MeasuredContrasts:
    """The last contrasts that were measured.

    A contrast is the median signal of real MR in each class of the CT numbers that a generator makes of it. What that
    yields is no pair, and an error of the generator in one place is outvoted by the rest of the class; the pairs made
    with such contrasts are true in every voxel, as with any other.

    Args:
        kept: how many.

    Attributes:
        signals: shape (contrasts, tissues), the oldest first, tissues in the order of `VISIBLE` and `HIDDEN`; NaN where
            one was not seen.
    """

    def __init__(self, kept: int = 128) -> None:
        self.kept = kept
        self.signals = torch.zeros(0, len(NAMES))

    def __len__(self) -> int:
        return len(self.signals)

    def measure(self, signal: Tensor, body: Tensor, hounsfield: Tensor, generator: torch.Generator) -> None:
        """Take up the contrast of each image.

        Args:
            signal: of real MR, from 0, shape (batch, channels, *sizes).
            body: booleans of the same shape.
            hounsfield: the CT numbers that a generator sees in it, the same shape.
            generator: of the device.
        """
        measured = [_contrast(*image, generator=generator) for image in zip(signal, body, hounsfield, strict=True)]
        self.signals = torch.cat([self.signals.to(signal.device), torch.stack(measured)])[-self.kept :]

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Contrasts drawn at random, each of shape (count,); NaN where a class was not seen.

        Raises:
            ValueError: if none was measured.
        """
        if not len(self):
            raise ValueError("no contrast was measured yet")
        device = self.signals.device
        which = torch.randint(len(self), (count,), generator=generator, device=device)
        varied = torch.exp(SPREAD * torch.randn(count, len(NAMES), generator=generator, device=device))
        return dict(zip(NAMES, (self.signals[which] * varied).T, strict=True))


def _contrast(signal: Tensor, body: Tensor, hounsfield: Tensor, generator: torch.Generator) -> Tensor:
    """The signal of each of `NAMES` in one image; NaN where it can't be told."""
    found = dict.fromkeys(NAMES, torch.full((), torch.nan, device=signal.device))
    for name, (low, high) in CLASSES.items():
        values = signal[body & (hounsfield > low) & (hounsfield < high)]
        if len(values) < LEAST:
            continue
        found[name] = values.median()
        if name == "soft":
            levels = torch.rand(len(WITHIN_SOFT), generator=generator, device=signal.device)
            drawn = values.quantile(EXTREMES + (1 - 2 * EXTREMES) * levels)
            found |= dict(zip(WITHIN_SOFT, drawn, strict=True))
    found["septum"] = found["fat"]
    return torch.stack([found[name] for name in NAMES])
