"""Pairs of a simulated MR and a CT, made from CT alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import medcycle.simulation.acquisition as mr
from medcycle.batch import Pair
from medcycle.dataset.air_and_bone import AIR, BONE
from medcycle.intensity import IntensityMap, MrLandmarks, MrPercentile, MrZScore
from medcycle.simulation.contrast import Voxels, hidden_structure, lookup_tables
from medcycle.simulation.effects import Effects
from medcycle.simulation.fields import chosen, each, interpolate, quantiles, smooth_noise, uniform
from medcycle.simulation.measured import MeasuredContrasts
from medcycle.simulation.templates import BrainTemplates
from medcycle.simulation.tissues import METAL, tissue_signals
from medcycle.simulation.variation import (
    cut_off,
    deformed,
    inner_field,
    reversed_across,
    with_bone_grown,
    with_bone_scaled,
    with_filled_cavities,
)

__all__ = ["ContrastRandomizer"]

BOTTOM = MrPercentile.bottom
DENSITY_GRAIN, SIGNAL_GRAIN = (8.0, 40.0), (2.0, 12.0)
"""How large the places of one density of bone are, voxels, and those of one signal."""


class _Seen(NamedTuple):
    """What a scanner is given; tensors of one shape.

    Args:
        signal: of MR, negative where fat opposes water.
        hounsfield: CT numbers.
        body: booleans.
    """

    signal: Tensor
    hounsfield: Tensor
    body: Tensor


class ContrastRandomizer:
    """Makes simulated MR of prepared CT.

    Args:
        ct: the map that made the CT's values.
        effects: how much of every one.
        mr: a map of the MR that the images are to be like; its kind decides how they are scaled.
        percentile: of the signal in the body that is scaled to 1, as in the preparation of MR.

    Attributes:
        measured: contrasts of real MR, which `effects.measured_share` of the images follow once there are any.
    """

    def __init__(
        self, ct: IntensityMap, effects: Effects, mr: IntensityMap | None = None, percentile: float = 99.5
    ) -> None:
        self.ct = ct
        self.effects = effects
        self.mr = mr
        self.brightest = percentile / 100
        self.templates = BrainTemplates() if effects.templates else None
        self.measured = MeasuredContrasts()

    def slices(self, target: Tensor, body: Tensor, generator: torch.Generator, *, thick: bool) -> Pair:
        """As the call, of slices with channels: neighbours that are kept apart, or with `thick` averaged.

        Args:
            target: CT in [−1, 1], shape (batch, slices, height, width).
            body: booleans of the same shape.
            generator: of the tensors' device.
            thick: whether the slices are sub-slices of fewer, thick ones, as of `acquisition.thick`.

        Returns:
            As of the call, shape (batch, slices, height, width), with `thick` fewer slices.
        """
        if target.shape[1] == 1:
            return self(target, body, generator)
        # a thin volume: what CT does not show goes through all of them
        volume, inside = (images.movedim(1, -1)[:, None] for images in (target, body))
        made = self(volume, inside, generator, thick=thick)
        return Pair(*(images[:, 0].movedim(-1, 1) for images in made))

    def __call__(self, target: Tensor, body: Tensor, generator: torch.Generator, *, thick: bool = False) -> Pair:
        """A simulated MR of each CT, whose anatomy is changed at random first.

        Args:
            target: CT in [−1, 1], shape (batch, 1, *sizes), 2D or 3D.
            body: booleans of the same shape.
            generator: of the tensors' device.
            thick: whether the last axis are sub-slices of fewer, thick ones, as of `acquisition.thick`.

        Returns:
            The image, [−0.8, 1] in the body and −1 outside, the changed CT, and how much its voxels count; dtype of
            `target`.
        """
        with torch.autocast(target.device.type, enabled=False):  # its half precision is for networks
            return self._pair(target, body, generator, thick=thick)

    def _pair(self, target: Tensor, body: Tensor, generator: torch.Generator, *, thick: bool) -> Pair:
        effects, kind = self.effects, target.dtype
        target, body = reversed_across(target, body, generator, effects.reversed_share)
        see = self._seen_in_slices if thick else self._seen
        image, hounsfield, body = see(target.float(), body, generator)
        image = self._acquired(image.abs(), hounsfield > METAL, generator)
        image = self._scaled(image, body)
        image = (image * uniform(image, effects.gain, generator)).clamp(0, 1)
        image = image ** torch.exp(uniform(image, (-effects.gamma, effects.gamma), generator))
        source = torch.where(body, BOTTOM + (1 - BOTTOM) * image, -1.0)
        target = torch.where(body, self.mapped(hounsfield), -1.0)
        return Pair(source.to(kind), target.to(kind), self._counting(hounsfield, body).to(kind))

    def measure(self, source: Tensor, seen: Tensor, generator: torch.Generator) -> None:
        """Take up the contrasts of real MR.

        Args:
            source: prepared MR in [−1, 1], shape (batch, channels, *sizes).
            seen: the CT that a generator makes of it, the same shape.
            generator: of the tensors' device.
        """
        body = source > (BOTTOM - 1) / 2
        signal = (source - BOTTOM).clamp_min(0) / (1 - BOTTOM)
        self.measured.measure(signal.float(), body, self.ct_numbers(seen), generator)

    def ct_numbers(self, target: Tensor) -> Tensor:
        """CT in [−1, 1] to HU, float32."""
        units, mapped = self.ct.corners
        return _curve(target, mapped, units)

    def mapped(self, hounsfield: Tensor) -> Tensor:
        """HU to CT in [−1, 1], float32."""
        return _curve(hounsfield, *self.ct.corners)

    def weight(self, target: Tensor, body: Tensor) -> Tensor:
        """How much an error in each voxel of a CT counts, not negative.

        Args:
            target: CT in [−1, 1], any shape.
            body: booleans of the same shape.
        """
        return self._counting(self.ct_numbers(target), body)

    def _counting(self, hounsfield: Tensor, body: Tensor) -> Tensor:
        """How much an error counts: air in the body and bone are few voxels, and the ones that matter most."""
        effects = self.effects
        bone = torch.where(hounsfield > BONE, effects.bone_weight, 1.0)
        inside = torch.where(hounsfield < AIR, effects.air_weight, bone)
        return torch.where(body, inside, effects.outside_weight)

    def _seen(self, target: Tensor, body: Tensor, generator: torch.Generator) -> _Seen:
        """A changed anatomy."""
        effects = self.effects
        target, body = deformed(
            target, body, generator, rotation=effects.rotation, scaling=effects.scaling, bending=effects.bending
        )
        body = cut_off(body, generator, effects.cut_share, effects.cut)
        body = inner_field(body, generator, effects.inner_share, effects.inner)
        hounsfield = with_filled_cavities(self.ct_numbers(target), body, generator, effects.filled_share)
        hounsfield = with_bone_grown(hounsfield, generator, effects.bone_growth)
        density, signal = effects.bone_density, effects.bone_signal
        hounsfield = with_bone_scaled(hounsfield, generator, density, density / 2, DENSITY_GRAIN)
        # MR doesn't show how dense bone is as CT numbers do: a network must not learn to read that off
        shown = with_bone_scaled(hounsfield, generator, signal, signal, SIGNAL_GRAIN)
        return _Seen(body * self._signal(shown, generator), hounsfield, body)

    def _seen_in_slices(self, target: Tensor, body: Tensor, generator: torch.Generator) -> _Seen:
        """The same from sub-slices: thick slices in a share of the images, in the others thin ones."""
        is_thick = torch.rand(len(target), generator=generator, device=target.device) < self.effects.thick_share
        made = _Seen(*(torch.empty_like(part[..., 1::2]) for part in (target, target, body)))
        if is_thick.any():
            seen = self._seen(target[is_thick], body[is_thick], generator)
            shares = uniform(seen.signal, mr.AT_BORDERS, generator)
            made.signal[is_thick] = mr.thick(seen.signal, shares)
            made.hounsfield[is_thick] = mr.thick(seen.hounsfield, shares)
            made.body[is_thick] = mr.thick(seen.body.float(), shares) > 0.5
        if not is_thick.all():  # what lies at their borders isn't seen
            thin = self._seen(target[~is_thick][..., 1::2], body[~is_thick][..., 1::2], generator)
            for whole, part in zip(made, thin, strict=True):
                whole[~is_thick] = part
        return made

    def _signal(self, hounsfield: Tensor, generator: torch.Generator) -> Tensor:
        effects = self.effects
        signals = tissue_signals(
            len(hounsfield),
            generator,
            hounsfield.device,
            families=effects.families,
            physical_share=effects.physical_share,
            suppressed_share=effects.suppressed_share,
        )
        self._follow_measured(signals, generator)
        lookup = lookup_tables(signals, generator)
        hidden = hidden_structure(
            hounsfield,
            signals,
            generator,
            scale=effects.structure_scale,
            vessels=effects.vessels,
            templates=self.templates,
            template_share=effects.templates,
        )
        texture = 1 + effects.texture * smooth_noise(hounsfield, (1.0, 3.0), generator)
        voxels = Voxels.of(hounsfield)
        signal = voxels.signal(lookup, hidden, texture)
        some = chosen(signal, effects.shift_share, generator)
        if len(some):
            fat = voxels.of_images(some).fat(lookup.of_images(some), texture[some])
            signal[some] += mr.chemical_shift(fat, generator, effects.shift)
        return signal

    def _follow_measured(self, signals: dict[str, Tensor], generator: torch.Generator) -> None:
        """Put measured contrasts in place of drawn ones, but for what was not seen."""
        some = chosen(signals["soft"], self.effects.measured_share, generator)
        if not len(some) or not len(self.measured):
            return
        for name, measured in self.measured.draw(len(some), generator).items():
            signals[name][some] = torch.where(measured.isnan(), signals[name][some], measured)

    def _acquired(self, image: Tensor, metal: Tensor, generator: torch.Generator) -> Tensor:
        effects = self.effects
        image = mr.metal_voids(image, metal, generator, effects.void_share, effects.void_size)
        image = image * mr.bias_field(image, effects.bias, effects.bias_scale, generator)
        image = mr.blurred(image, effects.blur, generator)
        image = mr.ringing(image, effects.ringing_share, effects.ringing_kept, generator)
        image = mr.ghosted(image, effects.ghost_share, effects.ghosts, generator)
        image = mr.rician(image, effects.noise, generator)
        # filters and resampling even noise out, but not what it adds where there is no signal
        return mr.blurred(image, effects.smoothing, generator)

    def _scaled(self, image: Tensor, body: Tensor) -> Tensor:
        """To [0, 1] as preparation does."""
        if isinstance(self.mr, MrZScore):
            return _by_spread(image, body)
        if isinstance(self.mr, MrLandmarks):
            levels = quantiles(image, body, [*(decile / 100 for decile in MrLandmarks.DECILES), self.brightest])
            landmarks = torch.cat([torch.zeros_like(levels[:, :1]), levels], dim=1)
            reached = (torch.tensor(self.mr.mapped, device=image.device) - BOTTOM) / (1 - BOTTOM)
            return interpolate(image, _apart(landmarks), reached.expand(len(image), -1))
        return image / each(quantiles(image, body, [self.brightest])[:, 0].clamp_min(1e-3), image)


def _curve(values: Tensor, nodes: list[float], heights: list[float]) -> Tensor:
    corners = (torch.tensor([ends], device=values.device, dtype=torch.float32) for ends in (nodes, heights))
    return interpolate(values.float(), *(ends.expand(len(values), -1) for ends in corners))


def _apart(levels: Tensor) -> Tensor:
    return levels + torch.linspace(0, 1e-3, levels.shape[1], device=levels.device)


def _by_spread(images: Tensor, body: Tensor) -> Tensor:
    """With mean ± `MrZScore.SPREAD` standard deviations in the body brought to [0, 1]."""
    axes = tuple(range(1, images.ndim))
    count = body.sum(axes, keepdim=True).clamp_min(1)
    mean = (images * body).sum(axes, keepdim=True) / count
    spread = (((images - mean) * body) ** 2).sum(axes, keepdim=True).div(count).sqrt().clamp_min(1e-3)
    return (images - mean) / (2 * MrZScore.SPREAD * spread) + 0.5
