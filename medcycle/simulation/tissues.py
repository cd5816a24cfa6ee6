"""What CT tells apart, and the signal that each tissue gives in a random MR sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from medcycle.phantom import PROPERTIES, Tissue
from medcycle.simulation.fields import Interval

__all__ = ["FAMILIES", "HIDDEN", "METAL", "VISIBLE", "Matter", "sequence_signal", "tissue_signals"]

METAL = 2500.0
"""HU from which a voxel is metal."""


class Uniform(Protocol):
    """Draws values between two ends, one an image, or as many rows of them as are given."""

    def __call__(self, low: float | Tensor, high: float | Tensor, *rows: int) -> Tensor: ...


class Matter(NamedTuple):
    """A tissue: its CT number's range (HU), and at 1.5 T proton density relative to water and relaxation times (ms).

    The range is what the number is drawn from, an image at a time: ages and scanners differ. `fat` is the range of the
    part of the protons that is fat's.
    """

    hounsfield: Interval
    density: float
    t1: float
    t2: float
    t2_star: float
    fat: Interval = (0.0, 0.0)


def _of_phantom(tissue: Tissue, hounsfield: Interval, fat: Interval = (0.0, 0.0)) -> Matter:
    known = PROPERTIES[tissue]
    return Matter(hounsfield, known.density, known.t1, known.t2, known.t2_star, fat)


# Muscle and blood after Stanisz et al., MRM 54:507 (2005). CT numbers: within those of Bushberg et al., The Essential
# Physics of Medical Imaging, 3rd ed.
VISIBLE: dict[str, Matter] = {
    "air": _of_phantom(Tissue.AIR, (-1000, -900)),
    "lung": Matter((-850, -600), 0.2, 1200, 40, 1.5),
    "fat": _of_phantom(Tissue.FAT, (-120, -80), fat=(0.95, 1.0)),
    "fluid": _of_phantom(Tissue.CSF, (0, 10)),
    "soft": _of_phantom(Tissue.WHITE_MATTER, (25, 35)),
    "muscle": Matter((48, 60), 0.9, 1008, 44, 30),
    "blood": Matter((68, 95), 0.85, 1441, 290, 60),
    "marrow": _of_phantom(Tissue.MARROW, (200, 550), fat=(0.2, 0.9)),
    "bone": _of_phantom(Tissue.CORTICAL_BONE, (900, 1400)),
    "metal": Matter((2600, 3000), 0.0, 1000, 1, 1),
}
"""By rising CT number, from which they are told."""

HIDDEN: dict[str, Matter] = {
    "grey matter": _of_phantom(Tissue.GREY_MATTER, (30, 40)),
    "hidden fluid": VISIBLE["fluid"],
    "vessel": VISIBLE["blood"],
    "septum": VISIBLE["fat"],
}
"""What lies within soft tissue and CT does not show, or hardly."""

FAMILIES: dict[str, dict[str, Interval]] = {
    "t1": {"tr": (400, 700), "te": (8, 20)},
    "t1 gradient echo": {"tr": (6, 25), "te": (2, 6), "flip": (10, 35)},
    "t1 contrast": {"tr": (6, 25), "te": (2, 6), "flip": (10, 35), "agent": (3.0, 10.0)},
    "t2": {"tr": (2500, 6000), "te": (70, 130)},
    "pd": {"tr": (2000, 4000), "te": (10, 35)},
    "flair": {"tr": (7000, 10000), "te": (80, 140)},
    "stir": {"tr": (3000, 6000), "te": (30, 80)},
    "dixon": {"tr": (4, 9), "te": (1.2, 4.8), "flip": (8, 20)},
    "ute": {"tr": (4, 20), "te": (0.03, 0.15), "flip": (4, 15)},
}
"""Repetition and echo times (ms) and flip angles (degrees) of routine sequences at 1.5 T.

`agent` is how many times faster blood relaxes with a contrast agent in it. A Dixon image is in phase, in opposed phase,
or of water or fat alone.
"""

DEFAULTS = {"tr": 0.0, "te": 0.0, "flip": 90.0, "agent": 1.0}

NULLED = {"flair": "fluid", "stir": "fat"}
"""The tissue whose signal passes through zero at the inversion time."""

MISSED: Interval = (0.92, 1.08)
"""How well it is met."""

RELAXING: tuple[Interval, Interval, Interval] = ((0.8, 1.4), (0.8, 1.2), (0.7, 1.3))
"""What T1, T2 and T2* are multiplied by."""

BRIGHTEST = {"air": 0.05, "metal": 0.05, "lung": 0.3, "bone": 0.2}
"""The largest plain random signal, 1 for other tissues."""


def tissue_signals(
    count: int,
    generator: torch.Generator,
    device: torch.device,
    *,
    families: Sequence[str] = tuple(FAMILIES),
    physical_share: float = 1.0,
    suppressed_share: float = 1 / 3,
) -> dict[str, Tensor]:
    """Random signals of every tissue, each of shape (count,), in [−1, 1]: negative where fat opposes water.

    Args:
        count: how many contrasts.
        generator: of `device`.
        device: where to.
        families: the names in `FAMILIES` that sequences are drawn from.
        physical_share: the part of the contrasts that follows a sequence; the others are plain random, with air and
            metal black and bone dark.
        suppressed_share: the part of the sequences, Dixon's aside, in which fat is suppressed.
    """

    def uniform(low: float | Tensor, high: float | Tensor, *rows: int) -> Tensor:
        return low + (high - low) * torch.rand(*rows, count, generator=generator, device=device)

    which = torch.randint(len(families), (count,), generator=generator, device=device)
    timing = {}
    for key, default in DEFAULTS.items():
        ranges = torch.tensor([FAMILIES[name].get(key, (default, default)) for name in families], device=device)
        timing[key] = ranges[which, 0] + (ranges[which, 1] - ranges[which, 0]) * uniform(0, 1)
    both = VISIBLE | HIDDEN
    t1, t2, t2_star = _relaxation(list(both.values()), uniform, device)
    timing["ti"] = _inversion_times(which, families, timing["tr"], dict(zip(both, t1, strict=True))) * uniform(*MISSED)
    agent = timing.pop("agent")
    water_part, fat_part = _parts(which, families, suppressed_share, uniform)
    of_fat = list(both).index("fat")
    # trains of echoes lengthen the T2 of fat
    fat_signal = sequence_signal(**timing, t1=t1[of_fat], t2=t2[of_fat] * uniform(1.0, 2.1), t2_star=t2_star[of_fat])
    takes_agent = torch.tensor([[name in ("blood", "vessel")] for name in both], device=device)
    water_signal = sequence_signal(**timing, t1=t1 / torch.where(takes_agent, agent, 1.0), t2=t2, t2_star=t2_star)
    least, most = torch.tensor([matter.fat for matter in both.values()], device=device).T[..., None]
    fat = uniform(least, most, len(both))
    density = torch.tensor([[matter.density] for matter in both.values()], device=device)
    physical = density * (water_part * (1 - fat) * water_signal + fat_part * fat * fat_signal)
    brightest = physical.abs().amax(0).clamp_min(1e-6)
    follows = uniform(0, 1) < physical_share
    plain = uniform(0, torch.tensor([[BRIGHTEST.get(name, 1.0)] for name in both], device=device), len(both))
    return dict(zip(both, torch.where(follows, physical / brightest, plain), strict=True))


def _relaxation(matters: Sequence[Matter], uniform: Uniform, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """T1, T2 and T2* of tissues, ms, each of shape (tissues, count): field strengths, ages and scanners differ."""
    distinct = list(dict.fromkeys(matters))
    known = torch.tensor([[matter.t1, matter.t2, matter.t2_star] for matter in distinct], device=device)
    least, most = torch.tensor(RELAXING, device=device).T[..., None]
    drawn = known[..., None] * uniform(least, most, len(distinct), 3)
    t1, t2, t2_star = drawn[[distinct.index(matter) for matter in matters]].unbind(1)
    return t1, t2, t2_star


def _inversion_times(which: Tensor, families: Sequence[str], tr: Tensor, times_of: dict[str, Tensor]) -> Tensor:
    """When the signal of what a family suppresses passes through zero after an inversion, ms; 0 where none is.

    `times_of` is T1 by tissue, ms.
    """
    times = torch.zeros_like(tr)
    for number, family in enumerate(families):
        if family in NULLED:
            t1 = times_of[NULLED[family]]
            times = torch.where(which == number, t1 * torch.log(2 / (1 + torch.exp(-tr / t1))), times)
    return times


def _parts(which: Tensor, families: Sequence[str], suppressed_share: float, uniform: Uniform) -> tuple[Tensor, Tensor]:
    """What the signals of water and of fat are multiplied by."""
    suppressed = uniform(0, 1) < suppressed_share
    water = torch.ones_like(suppressed, dtype=torch.float32)
    fat = torch.where(suppressed, uniform(0.0, 0.4), water)
    is_dixon = torch.tensor([name == "dixon" for name in families], device=which.device)
    dixon, kind = is_dixon[which], uniform(0, 4).long()
    little = uniform(0, 0.1)
    fat_of_kind = torch.stack([water, -water, little, water])
    water_of_kind = torch.stack([water, water, water, little])
    pick = kind.clamp(0, 3)[None]
    return (
        torch.where(dixon, water_of_kind.gather(0, pick)[0], water),
        torch.where(dixon, fat_of_kind.gather(0, pick)[0], fat),
    )


def sequence_signal(
    tr: Tensor, te: Tensor, ti: Tensor, flip: Tensor, t1: Tensor, t2: Tensor, t2_star: Tensor
) -> Tensor:
    """Magnitude of the transverse magnetisation, relative to full relaxation; times in ms, `flip` in degrees.

    Spoiled gradient echo with flip angles below 90°, else spin echo, after an inversion where `ti` > 0 (Haacke et al.,
    Magnetic Resonance Imaging, 1999, ch. 8 and 18).
    """
    angle, recovered = torch.deg2rad(flip), torch.exp(-tr / t1)
    gradient = torch.sin(angle) * (1 - recovered) / (1 - recovered * torch.cos(angle)) * torch.exp(-te / t2_star)
    inversion = (1 - 2 * torch.exp(-ti / t1) + recovered).abs()
    spin = torch.where(ti > 0, inversion, 1 - recovered) * torch.exp(-te / t2)
    return torch.where(flip < 90, gradient, spin)
