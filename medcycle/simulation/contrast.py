"""From CT numbers to MR signal: tissue memberships, partial volume, and structure that CT does not show."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from medcycle.simulation.fields import (
    Interval,
    chosen,
    each,
    is_thin,
    pool,
    smooth_noise,
    threshold,
    uniform,
)
from medcycle.simulation.templates import BrainTemplates
from medcycle.simulation.tissues import VISIBLE

__all__ = ["Lookup", "Voxels", "denoised", "hidden_structure", "lookup_tables"]

LOWEST, WIDTH, BINS = -1024.0, 2.0, 2048
"""CT numbers of the lookup tables, HU: the first, the distance, and how many."""

BORDER = 300.0
"""HU between the least and the largest neighbour above which a voxel is taken for a mixture of the two."""

SOFT: Interval = (-20.0, 110.0)
"""HU within which neighbours are averaged before tissues are told apart."""


@dataclass(frozen=True)
class Lookup:
    """What a CT number means in each image; every table has the shape (batch, `BINS`).

    Args:
        signal: the MR signal, negative where fat opposes water.
        fat: the part of the signal that comes from fat tissue, for what moves it alone.
        host: how much of a voxel is water-like soft tissue, in which structure can be hidden, 0 to 1.
    """

    signal: Tensor
    fat: Tensor
    host: Tensor

    def of_images(self, some: Tensor) -> Lookup:
        """The tables of some of the images, by their numbers."""
        return Lookup(self.signal[some], self.fat[some], self.host[some])


def lookup_tables(signals: dict[str, Tensor], generator: torch.Generator) -> Lookup:
    """Tables for the signals given, with a random CT number for each tissue; between two tissues lies their mixture."""
    lows, highs = torch.tensor([matter.hounsfield for matter in VISIBLE.values()], device=generator.device).T
    count = len(signals["air"])
    centres = lows + (highs - lows) * torch.rand(count, len(VISIBLE), generator=generator, device=generator.device)
    numbers = LOWEST + WIDTH * torch.arange(BINS, device=generator.device)
    # how far each number is on the way from a tissue to the next one
    parts = ((numbers - centres[:, :-1, None]) / centres.diff()[..., None]).clamp_(0, 1)

    def ones(*names: str) -> Tensor:
        return torch.tensor([float(name in names) for name in VISIBLE], device=lows.device).expand(count, -1)

    signal = torch.stack([signals[name] for name in VISIBLE], dim=1)
    heights = torch.stack([signal, signal * ones("fat"), ones("fluid", "soft", "muscle", "blood")], dim=1)
    return Lookup(*torch.baddbmm(heights[..., :1], heights.diff(), parts).unbind(1))


def denoised(hounsfield: Tensor) -> Tensor:
    """Soft tissue averaged over its neighbours of soft tissue: fluid and brain differ by less than the noise of CT."""
    inside = ((hounsfield > SOFT[0]) & (hounsfield < SOFT[1])).to(hounsfield.dtype)
    widths = [3, 3, *[1] * (hounsfield.ndim - 4)]
    weight = pool(inside, widths, "mean")
    mean = pool(hounsfield * inside, widths, "mean").div_(weight.clamp_min_(1e-3))
    return torch.lerp(hounsfield, mean, inside)


@dataclass(frozen=True)
class Voxels:
    """Where the voxels of CT images stand in the lookup tables; tensors of the images' shape.

    Args:
        tissue: number in the tables, by the voxel's own CT number.
        least: the same of its lightest neighbour.
        largest: the same of its densest neighbour.
        part: how far between the two its own CT number is, 0 to 1.
        border: how much it is taken for their mixture and not for a tissue, 0 to 1.
    """

    tissue: Tensor
    least: Tensor
    largest: Tensor
    part: Tensor
    border: Tensor

    @classmethod
    def of(cls, hounsfield: Tensor) -> Voxels:
        """Those of CT numbers, HU, shape (batch, 1, *sizes)."""
        widths = [3, 3, *[1 if is_thin(hounsfield) else 3 for _ in hounsfield.shape[4:]]]
        least, largest = pool(hounsfield, widths, "least"), pool(hounsfield, widths, "largest")
        between = largest - least
        return cls(
            _indices_of(denoised(hounsfield)),
            _indices_of(least),
            _indices_of(largest),
            (hounsfield - least).div_(between.clamp_min(1)),
            between.div_(BORDER).sub_(1).clamp_(0, 1),
        )

    def of_images(self, some: Tensor) -> Voxels:
        """Those of some of the images, by their numbers."""
        return Voxels(*(getattr(self, field.name)[some] for field in fields(self)))

    def signal(self, lookup: Lookup, hidden: Tensor, texture: Tensor) -> Tensor:
        """The signal of every voxel.

        Args:
            lookup: tables of the batch.
            hidden: what structure within soft tissue adds to its signal.
            texture: a factor about 1.

        Returns:
            Signal, negative where fat opposes water, shape (batch, 1, *sizes).
        """
        tissue = _look_up(lookup.signal, self.tissue) + _look_up(lookup.host, self.tissue) * hidden
        return self._mixed(lookup.signal, tissue * texture)

    def fat(self, lookup: Lookup, texture: Tensor) -> Tensor:
        """The part of the signal that comes from fat tissue; arguments and shape as of `signal`."""
        return self._mixed(lookup.fat, _look_up(lookup.fat, self.tissue) * texture)

    def _mixed(self, table: Tensor, tissue: Tensor) -> Tensor:
        """Of the tissue, or at a border of the mixture: skin is not fat because it lies between air and muscle."""
        mixture = torch.lerp(_look_up(table, self.least), _look_up(table, self.largest), self.part)
        return torch.lerp(tissue, mixture, self.border)


def hidden_structure(
    like: Tensor,
    signals: dict[str, Tensor],
    generator: torch.Generator,
    *,
    scale: Interval,
    vessels: float,
    templates: BrainTemplates | None,
    template_share: float,
) -> Tensor:
    """What structure that CT does not show adds to the signal of soft tissue.

    Grey matter and fluid as shapes of random fields, or in part of the images as in a generated brain, turned and sized
    at random; and the zero sets of a random field as vessels, or as septa of fat.

    Args:
        like: gives shape and device.
        signals: of the tissues, as `tissue_signals` gives them.
        generator: of the device.
        scale: range of the shapes' grain, voxels.
        vessels: the largest part of their own signal that vessels and septa show.
        templates: generated brains, if any are used.
        template_share: the part of the images that shows one.
    """
    grey, fluid = (_less(signals, name) for name in ("grey matter", "hidden fluid"))
    added = torch.zeros_like(like)
    for difference, share in ((grey, 0.5), (fluid, 0.2)):
        noise = smooth_noise(like, scale, generator)
        added.addcmul_(noise.sub_(threshold(share)).mul_(8).sigmoid_(), each(difference, added))
    if templates is not None and len(some := chosen(like, template_share, generator)):
        parts = templates.draw(like[some], generator)
        shown = parts[:, :1] * each(grey[some], like) + parts[:, 1:] * each(fluid[some], like)
        added[some] = shown.expand_as(added[some])
    if vessels:
        kind = torch.rand(len(like), generator=generator, device=like.device) < 0.5
        line = torch.where(kind, _less(signals, "vessel"), _less(signals, "septum"))
        noise = smooth_noise(like, (2 * scale[0], 2 * scale[1]), generator)
        drawn = noise.div_(0.12).square_().neg_().exp_().mul_(uniform(like, (0, vessels), generator))
        added = torch.lerp(added, each(line, added), drawn)
    return added


def _less(signals: dict[str, Tensor], name: str) -> Tensor:
    """How much more signal than soft tissue something gives."""
    return signals[name] - signals["soft"]


def _look_up(table: Tensor, indices: Tensor) -> Tensor:
    """The table's values at the indices of `_indices_of`; shape of the indices."""
    return table.gather(1, indices.flatten(1)).reshape(indices.shape)


def _indices_of(hounsfield: Tensor) -> Tensor:
    """Where in the tables a CT number is."""
    return (hounsfield - (LOWEST - WIDTH / 2)).mul_(1 / WIDTH).clamp_(0, BINS - 1).long()
