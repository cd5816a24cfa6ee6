"""Whole volumes through trained generators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from medcycle.body import OUTSIDE, Modality
from medcycle.data.prepare import prepare_volume
from medcycle.data.profile import Profiles, profile_of
from medcycle.errors import DataError, UsageError
from medcycle.inference import (
    Calibration,
    Pass,
    autocast_on,
    best_device,
    best_precision,
    translate_array,
    voxels_through,
    window_borders,
)
from medcycle.intensity import IntensityMap
from medcycle.methods.saved import SavedMethod
from medcycle.resample import resample_mask, resample_to, slabs
from medcycle.synthesis.fusion import Floats, Fusion
from medcycle.synthesis.options import Options, config_for, passes_for, probes_for
from medcycle.synthesis.quality import seam_score, slice_continuity
from medcycle.volume import Volume

__all__ = ["SOURCE_OF", "Synthesis", "require_direction", "synthesize"]

SOURCE_OF: dict[Modality, Modality] = {"ct": "mr", "mr": "ct"}
"""What a modality is made from."""


@dataclass(frozen=True)
class Synthesis:
    """A synthetic volume, and how far it can be trusted.

    Args:
        volume: float32 on the source's grid; HU for CT, arbitrary units for MR.
        body: booleans, where the source's body was found; outside of it the volume is `OUTSIDE`.
        intensity: the map that brought the source to [−1, 1].
        style: the style of the output, where one was given.
        uncertainty: if it was wanted, in the volume's units, 0 outside the body: the error to be expected (root mean
            square), or, without a calibration, the standard deviation over passes.
        calibration: what the one was made of the other by; None if that is not known of these passes.
        cycle_error: if that was wanted, and the method goes both ways, how far the source is from what comes back of
            it; in the source's units, 0 outside the body.
        passes: how many went into the volume.
        seams: see `seam_score`; None without windows.
        continuity: see `slice_continuity`.
        warnings: in words, what is odd about the source, or what it has that the scans trained on had not.
    """

    volume: Volume
    body: Volume
    intensity: IntensityMap
    style: tuple[float, ...] | None = None
    uncertainty: Volume | None = None
    calibration: Calibration | None = None
    cycle_error: Volume | None = None
    passes: int = 1
    seams: float | None = None
    continuity: float | None = None
    warnings: list[str] = field(default_factory=list)


def synthesize(
    volume: Volume,
    saved: SavedMethod | Sequence[SavedMethod],
    to: Modality,
    options: Options | None = None,
    *,
    style: tuple[float, ...] | None = None,
    device: torch.device | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Synthesis:
    """Translate one volume, slice by slice (2D) or by overlapping windows (3D).

    Args:
        volume: MR signal, or HU if `to` is `mr`; any orientation and spacing.
        saved: the trained method, or several whose results are fused.
        to: the modality to make.
        options: how; by default one pass a plane trained on.
        style: of the output, of a method that has styles; None for its own.
        device: what to compute on; None for the accelerator if there is one.
        progress: is called as images go through the networks with how much is done, 0 to 1, and a note.

    Raises:
        UsageError: if a method does not translate to that modality, or the options don't fit it.
        DataError: if no body is found in the volume, or what is made has voxels that are not numbers.
    """
    options = options or Options()
    models = [saved] if isinstance(saved, SavedMethod) else list(saved)
    for model in models:
        require_direction(model, to)
    if not models:
        raise UsageError("no trained method was given")
    grid, device = volume.grid, device or best_device()
    findings: _Findings | None = None
    with Fusion(grid.shape, options.fusion, spread=options.uncertainty) as fusion:
        for left, model in zip(range(len(models), 0, -1), models, strict=True):
            view = _View(volume, model, to, options, style, device)
            view.tell(progress, begun=1 - left / len(models), share=1 / len(models))
            if left == 1:
                del volume  # a large one is let go of, if the caller doesn't keep it
            findings = view.into(fusion, findings)
        made, deviation = fusion.volume(), fusion.deviation()
    assert findings is not None
    if not all(np.isfinite([part.min(), part.max()]).all() for part in (made, deviation) if part is not None):
        raise DataError("the network makes voxels that are not numbers; try --precision 32-true, or another checkpoint")
    outside, calibration = ~findings.body.array, _calibration(models, to, options)
    if deviation is not None:
        deviation = calibration(deviation) if calibration else deviation
        deviation[outside] = 0
    if findings.cycle_error:
        findings.cycle_error.array[outside] = 0
    made[outside] = OUTSIDE[to]
    return Synthesis(
        volume=Volume(made, grid),
        uncertainty=None if deviation is None else Volume(deviation, grid),
        calibration=calibration,
        passes=fusion.counted,
        style=style,
        **findings._asdict(),
    )


class _Findings(NamedTuple):
    """What is found out on the way of the first pass; as in `Synthesis`."""

    body: Volume
    intensity: IntensityMap
    cycle_error: Volume | None
    seams: float | None
    continuity: float | None
    warnings: list[str]


class _View:
    """A volume as a model sees it."""

    def __init__(
        self,
        volume: Volume,
        model: SavedMethod,
        to: Modality,
        options: Options,
        style: tuple[float, ...] | None,
        device: torch.device,
    ) -> None:
        self.grid, self.model, self.to, self.options = volume.grid, model, to, options
        self.device = device
        self.source = SOURCE_OF[to]
        self.config = config_for(model.config, options, volume.grid)
        self.prepared = prepare_volume(volume, self.source, self.config.data, model.intensity["mr"].corners[1])
        if not self.prepared.body.array.any():
            raise DataError("no body found; check that the volume shows a patient")
        self.passes = passes_for(self.config, options)
        self.all_passes = [*self.passes, *probes_for(self.config, options, self.source)]
        self.method = model.method.to(device).eval()
        self.style = style
        self._seen: Callable[[Tensor], None] = lambda _images: None

    def tell(self, progress: Callable[[float, str], None] | None, begun: float, share: float) -> None:
        """Tell whoever wants to know how much of a share of the work is done, after what is done already."""
        if progress is None:
            return
        total = voxels_through(self.prepared.body.array, self.config, self.all_passes, self.options.windows)
        through = 0

        def seen(images: Tensor) -> None:
            nonlocal through
            through += images.numel() // images.shape[1]
            progress(begun + share * min(1.0, through / total), "")

        self._seen = seen

    def into(self, fusion: Fusion, findings: _Findings | None) -> _Findings:
        """Put the results of all passes into a fusion. What is found of the first one, unless that is known already."""
        for one in self.all_passes:
            made = self.translated(one)
            if findings is None:
                cycle_error = self.cycle_error(made) if self.options.uncertainty else None
                self.to_units(made)
                findings = self.findings(made, cycle_error)
            else:
                self.to_units(made)
            if one is self.all_passes[-1]:
                self.forget()
            fusion.add(self.on_source(made), counts=one in self.passes)
        assert findings is not None
        return findings

    def translated(self, one: Pass, image: Floats | None = None, *, back: bool = False) -> Floats:
        """The volume, or with `back` an image of the other modality, after one pass; in [−1, 1]."""
        precision = self.options.precision or best_precision(self.device.type)
        with autocast_on(self.device, precision):
            return translate_array(
                self.prepared.image.array if image is None else image,
                self.prepared.body.array,
                self.config,
                partial(self._predict, reverse=(self.to == "mr") != back, style=None if back else self.style),
                device=self.device,
                windows=self.options.windows,
                passes=[one],
            )

    def to_units(self, made: Floats) -> None:
        """[−1, 1] to HU, or to arbitrary units of MR, in place."""
        for slab, _ in slabs(self.prepared.image.grid):
            made[slab] = self.model.intensity[self.to].inverse(made[slab])

    def forget(self) -> None:
        """Let go of the source's values, when all passes are done."""
        nothing = np.broadcast_to(np.float32(0), self.prepared.image.grid.shape)
        self.prepared = replace(self.prepared, image=self.prepared.image.with_array(nothing))

    def on_source(self, values: Floats, outside: float | None = None) -> Floats:
        """Values on the source's grid."""
        background = OUTSIDE[self.to] if outside is None else outside
        made = self.prepared.image.with_array(values)
        return resample_to(made, self.grid, background=background, interpolation="bspline").array

    def findings(self, values: Floats, cycle_error: Volume | None) -> _Findings:
        """What can be said of the first result, in units."""
        shown = self.prepared.body.array
        borders = window_borders(shown, self.config, self.options.windows)
        return _Findings(
            body=resample_mask(self.prepared.body, self.grid),
            intensity=self.prepared.intensity,
            cycle_error=cycle_error,
            seams=seam_score(values, shown, borders),
            continuity=slice_continuity(values, self.prepared.image.array, shown),
            warnings=self._warnings(),
        )

    def cycle_error(self, made: Floats) -> Volume | None:
        """How far the source is from what the method makes of a result, in the source's units; None if it can't."""
        if not self.model.method.two_way:
            return None
        there_and_back = self.translated(self.passes[0], made, back=True)
        inverse = self.prepared.intensity.inverse
        error = np.abs(inverse(there_and_back) - inverse(self.prepared.image.array))
        return Volume(self.on_source(error, outside=0.0), self.grid)

    def _warnings(self) -> list[str]:
        trained, found = self.model.config.data.plane, [self.prepared.remark] * bool(self.prepared.remark)
        if self.config.data.plane != trained:
            found.append(f"slices of all planes are translated by a network that was trained on {trained} ones")
        seen = self.model.profiles.get(self.source)
        known = Profiles(self.source, seen) if seen else None
        if known is None and self.model.profiles.get(self.to):  # bodies, at least
            known = Profiles(self.to, self.model.profiles[self.to], bodies_alone=True)
        if known:
            found += known.unlike(profile_of(self.grid, self.prepared, self.config.data.plane))
        return found

    def _predict(self, images: Tensor, *, reverse: bool, style: tuple[float, ...] | None) -> Tensor:
        self._seen(images)
        if not style:
            return self.method.translate(images, reverse=reverse)
        repeated = images.new_tensor(style).expand(len(images), -1)
        return cast(Tensor, cast(Any, self.method).translate(images, reverse=reverse, style=repeated))


def _calibration(models: Sequence[SavedMethod], to: Modality, options: Options) -> Calibration | None:
    """That of the model, if the passes are those it was found with."""
    usual = Options(uncertainty=True, windows=options.windows, precision=options.precision)
    known = models[0].calibration
    if known is None or to != "ct" or len(models) > 1 or options != usual:
        return None
    return Calibration.of(known)


def require_direction(saved: SavedMethod, to: Modality) -> None:
    """Raise `UsageError` unless the method translates to that modality."""
    if to == "mr" and not saved.method.two_way:
        raise UsageError(f"method.name {saved.config.method.name} makes CT only; leave out --to mr")
