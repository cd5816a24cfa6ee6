"""Prepared images to their synthetic counterparts: what validation judges, and what predictions are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from medcycle.body import Modality
from medcycle.inference.device import autocast_on, best_precision
from medcycle.inference.fusion import Fusion
from medcycle.inference.options import Options
from medcycle.inference.passes import Pass, probes_of, with_flips_and_shifts
from medcycle.inference.translator import Floats, Translator
from medcycle.intensity import IntensityMap
from medcycle.methods.base import Method
from medcycle.modality import SOURCE_OF
from medcycle.patch_geometry import PatchGeometry
from medcycle.volume import Array

__all__ = ["ImagePredictor", "Style"]

Style = tuple[float, ...]

SLAB = 16
"""Slices that are mapped to units at once: maps compute in float64."""


class ImagePredictor:
    """A method in one direction, for images that are prepared already.

    Args:
        method: the networks, on the device.
        geometry: that of the training.
        intensity: the maps between real units and [−1, 1] of `ct` and `mr`.
        to: the modality to make.
        options: how.
        device: what the networks compute on.
        style: of the output, of a method that has styles; None for its own.
        in_reverse: whether the probes have slices in reverse order among them.

    Attributes:
        passes: those whose mean or median is the result.
        probes: further ones, which tell how sure it is.
        seen: is given the images before each time they go through a network.
    """

    def __init__(
        self,
        method: Method,
        geometry: PatchGeometry,
        intensity: Mapping[str, IntensityMap],
        to: Modality,
        options: Options,
        device: torch.device,
        style: Style | None = None,
        *,
        in_reverse: bool = True,
    ) -> None:
        self.method, self.to, self.options, self.device, self.style = method, to, options, device, style
        self.translator = Translator(geometry, device, options.windows)
        self.intensity = intensity[to]
        self.passes = list(with_flips_and_shifts(geometry, flips=options.flips, shifts=options.shifts))
        more = probes_of(geometry, SOURCE_OF[to], in_reverse=in_reverse) if options.uncertainty else ()
        self.probes = [probe for probe in more if probe not in self.passes]
        self.seen: Callable[[Tensor], None] = lambda _images: None

    def translate(self, image: Floats, body: Array, passes: Sequence[Pass] = (), *, back: bool = False) -> Floats:
        """The mean over passes, all of the method's own if none are given.

        Args:
            image: values in [−1, 1], [i, j, k], slices along k.
            body: booleans of the same shape.
            passes: which.
            back: go the other way: the image is of the modality that is made.

        Returns:
            Values in [−1, 1] of the same shape.
        """

        def predict(images: Tensor) -> Tensor:
            self.seen(images)
            reverse = (self.to == "mr") != back
            if not self.style or back:
                return self.method.translate(images, reverse=reverse)
            repeated = images.new_tensor(self.style).expand(len(images), -1)
            return cast(Tensor, cast(Any, self.method).translate(images, reverse=reverse, style=repeated))

        with autocast_on(self.device, self.options.precision or best_precision(self.device.type)):
            return self.translator.translate(image, body, predict, passes or self.passes)

    def estimate(self, image: Floats, body: Array) -> tuple[Floats, Floats | None]:
        """The result of all passes, and how far they are apart.

        Args:
            image: as of `translate`.
            body: as well.

        Returns:
            The mean or median in units, and, if uncertainty is wanted, the standard deviation over passes and probes.
        """
        with Fusion(self.options.fusion, spread=self.options.uncertainty) as fusion:
            for one in (*self.passes, *self.probes):
                fusion.add(self.to_units(self.translate(image, body, [one])), counts=one in self.passes)
            return fusion.volume(), fusion.deviation()

    def to_units(self, made: Floats) -> Floats:
        """[−1, 1] to HU, or to arbitrary units of MR, in place."""
        for first in range(0, made.shape[2], SLAB):
            slab = made[:, :, first : first + SLAB]
            slab[:] = self.intensity.inverse(slab)
        return made

    def voxels(self, body: Array) -> int:
        """How many pixels or voxels go through the network in all passes."""
        return self.translator.voxels(body, [*self.passes, *self.probes])
