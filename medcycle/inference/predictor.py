"""From a volume to its synthetic counterpart: the one way that the command line, Python and validation take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from medcycle.body import OUTSIDE, Modality
from medcycle.config import Config
from medcycle.dataset.preparation import prepare_volume
from medcycle.dataset.profile import Profiles, profile_of, ranges_of_tissues
from medcycle.dataset.region import Region, region_of
from medcycle.errors import DataError, UsageError, WrongRegion
from medcycle.inference.device import best_device
from medcycle.inference.directions import require_direction
from medcycle.inference.fusion import Fusion
from medcycle.inference.image_predictor import ImagePredictor, Style
from medcycle.inference.options import Options, config_for
from medcycle.inference.passes import Pass
from medcycle.inference.quality import at_limit, seam_score, slice_continuity
from medcycle.inference.translator import Floats
from medcycle.inference.uncertainty import Calibration
from medcycle.intensity import IntensityMap
from medcycle.methods.checkpoint import SavedMethod, doubts_of, made_from
from medcycle.modality import SOURCE_OF
from medcycle.resample import Interpolation, resample_mask, resample_to
from medcycle.volume import Grid, Volume

__all__ = ["Prediction", "Predictor"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Prediction:
    """A synthetic volume, its uncertainty and its quality measures.

    Args:
        volume: float32 on the source's grid; HU for CT, arbitrary units for MR.
        body: boolean mask of the body in the source; outside it the volume is `OUTSIDE`.
        intensity: the map from the source's values to [−1, 1].
        style: the style of the output, if one was given.
        uncertainty: if requested, the expected error (root mean square), or without a calibration the standard
            deviation over passes; in the volume's units. 0 outside the body, but for a layer of 4 mm around it where
            the calibration has errors for the body's outline.
        calibration: the conversion of standard deviations to expected errors; None if there is none for these passes.
        cycle_error: if uncertainty was requested and the method has both directions, the absolute difference between
            the source and its cycle reconstruction; in the source's units, 0 outside the body.
        passes: the number of passes combined in the volume.
        seams: see `seam_score`; None without windows.
        continuity: see `slice_continuity`.
        warnings: in words, anything unusual about the source, and how it differs from the training scans.
        training_ct: lowest and highest share (%) and mean (HU) of air and bone in the training CT, by name; of the
            first model, empty if that doesn't know.
    """

    volume: Volume
    body: Volume
    intensity: IntensityMap
    style: Style | None = None
    uncertainty: Volume | None = None
    calibration: Calibration | None = None
    cycle_error: Volume | None = None
    passes: int = 1
    seams: float | None = None
    continuity: float | None = None
    warnings: list[str] = field(default_factory=list)
    training_ct: dict[str, list[float]] = field(default_factory=dict)


class Predictor:
    """Trained models that make synthetic volumes.

    Args:
        model: a trained model, or several whose results are averaged.
        options: how volumes are translated; by default one pass for each plane used in training.
        to: the modality to make.
        style: the style of the output, for models that have styles; None for the default.
        device: the device to compute on; None for a GPU if there is one.
        any_region: also translate volumes that show another region than the first model was trained on.

    Raises:
        UsageError: if a model can't make that modality, or no model is given.
    """

    def __init__(
        self,
        model: SavedMethod | Sequence[SavedMethod],
        options: Options | None = None,
        *,
        to: Modality = "ct",
        style: Style | None = None,
        device: torch.device | None = None,
        any_region: bool = False,
    ) -> None:
        self.any_region = any_region
        self.models = [model] if isinstance(model, SavedMethod) else list(model)
        if not self.models:
            raise UsageError("no trained model was given")
        for one in self.models:
            require_direction(one, to)
        if len({made_from(one, to) for one in self.models}) > 1:
            raise UsageError("the models translate MR and CBCT; give models of one of them")
        self.options, self.to, self.style = options or Options(), to, style
        self.device = device or best_device()
        for one in self.models:
            one.method.to(self.device).eval()
        self._doubts = doubts_of(self.models, to)

    def predict(self, volume: Volume, progress: Progress | None = None) -> Prediction:
        """Translate one volume, slice by slice (2D) or with a sliding window (3D).

        Passes are combined on the grid of the prepared volume, as in calibration. Only the results of models that
        prepare the volume differently are combined on the source's grid.

        Args:
            volume: the MR, or to make MR the CT in HU; any orientation and spacing.
            progress: called during the translation with the fraction done, 0 to 1, and a note.

        Raises:
            UsageError: if the options don't fit a model.
            WrongRegion: if it shows another region than the first model was trained on, unless `any_region`.
            DataError: if no body is found in the volume, or the result has NaN or infinite voxels.
        """
        grid, count = volume.grid, len(self.models)
        configs = [config_for(model.config, self.options, grid) for model in self.models]
        alike = len({(config.data.plane, config.data.spacing) for config in configs}) == 1
        found: _Findings | None = None
        with Fusion(self.options.fusion, spread=self.options.uncertainty) as fusion:
            for number, (model, config) in enumerate(zip(self.models, configs, strict=True)):
                view = _View(self, volume, model, config)
                view.require_region(any_region=self.any_region or number > 0)
                if number == count - 1:
                    del volume  # a large one is let go of, if the caller doesn't keep it
                view.tell(progress, begun=number / count, share=1 / count)
                found = view.into(fusion, None if alike else grid, found)
            del view  # and with it the prepared image
            made, deviation = fusion.volume(), fusion.deviation()
        assert found is not None
        if not all(np.isfinite([part.min(), part.max()]).all() for part in (made, deviation) if part is not None):
            raise DataError(
                "the network's output has NaN or infinite voxels; try --precision 32-true, or another checkpoint"
            )
        calibration = self._calibration()
        if deviation is not None and calibration:
            deviation = calibration.of_volume(made, deviation, found.body.array, found.body.grid)
        met_on, body = found.body.grid if alike else grid, resample_mask(found.body, grid)

        def in_body(
            values: Floats | None, on: Grid, outside: float, interpolation: Interpolation, *, around: bool = False
        ) -> Volume | None:
            if values is None:
                return None
            placed = resample_to(Volume(values, on), grid, background=outside, interpolation=interpolation)
            if not around:
                placed.array[~body.array] = outside
            return placed

        doubtful = calibration is not None and calibration.knows_outside
        highest = min(model.intensity[self.to].corners[0][-1] for model in self.models)
        return Prediction(
            volume=cast(Volume, in_body(made, met_on, OUTSIDE[self.to], "bspline")),
            body=body,
            intensity=found.intensity,
            style=self.style,
            uncertainty=in_body(deviation, met_on, 0.0, "linear", around=doubtful),
            calibration=calibration,
            cycle_error=in_body(found.cycle_error, found.body.grid, 0.0, "bspline"),
            passes=fusion.counted,
            seams=found.seams,
            continuity=found.continuity,
            warnings=[*self._doubts, *found.warnings, *(at_limit(made, met_on, highest) if self.to == "ct" else ())],
            training_ct=ranges_of_tissues(self.models[0].profiles.get("ct", ())),
        )

    def _calibration(self) -> Calibration | None:
        """What errors go with deviations over passes, if that is known of one model and these passes."""
        usual = Options(uncertainty=True, windows=self.options.windows, precision=self.options.precision)
        known = self.models[0].calibration
        if known is None or self.to != "ct" or len(self.models) > 1 or self.options != usual:
            return None
        return Calibration.of(known)


class _Findings(NamedTuple):
    """What is found of the first pass; as in `Prediction`, but for the grid, which is that of the prepared volume."""

    body: Volume
    intensity: IntensityMap
    cycle_error: Floats | None
    seams: float | None
    continuity: float | None
    warnings: list[str]


class _View:
    """A volume as a model sees it."""

    def __init__(self, predictor: Predictor, volume: Volume, model: SavedMethod, config: Config) -> None:
        self.grid, self.model, self.plane = volume.grid, model, config.data.plane
        self.source = SOURCE_OF[predictor.to]
        self.prepared = prepare_volume(volume, self.source, config.data, model.intensity["mr"].corners[1])
        if not self.prepared.body.array.any():
            raise DataError("no body found; check that the volume shows a patient")
        self.images = ImagePredictor(
            model.method,
            config.geometry,
            model.intensity,
            predictor.to,
            predictor.options,
            predictor.device,
            predictor.style,
            in_reverse=model.calibration is None or Calibration.of(model.calibration).by_class,
        )

    @cached_property
    def region(self) -> Region:
        """Whether the volume shows what the model was trained on."""
        profiles = self.model.profiles
        return region_of(self.prepared.body, self.plane, [*profiles.get("mr", ()), *profiles.get("ct", ())])

    def require_region(self, *, any_region: bool) -> None:
        """Raise `WrongRegion` unless it does, or any may be shown."""
        if self.region.problem and not any_region:
            raise WrongRegion(self.region.problem)

    def tell(self, progress: Progress | None, begun: float, share: float) -> None:
        """Tell whoever wants to know how much of a share of the work is done, after what is done already."""
        if progress is None:
            return
        total, through = self.images.voxels(self.prepared.body.array), 0

        def seen(images: Tensor) -> None:
            nonlocal through
            through += images.numel() // images.shape[1]
            progress(begun + share * min(1.0, through / total), "")

        self.images.seen = seen

    def into(self, fusion: Fusion, onto: Grid | None, found: _Findings | None) -> _Findings:
        """Put the results of all passes into a fusion, on another grid if it is given.

        Returns:
            What is found of the first one, unless that is known already.
        """
        for one in (*self.images.passes, *self.images.probes):
            made = self._translated(one)
            cycle_error = None if found else self._cycle_error(made)
            made = self.images.to_units(made)
            found = found or self._findings(made, cycle_error)
            if onto:
                placed, outside = self.prepared.image.with_array(made), OUTSIDE[self.images.to]
                made = resample_to(placed, onto, background=outside, interpolation="bspline").array
            fusion.add(made, counts=one in self.images.passes)
        assert found is not None
        return found

    def _translated(self, one: Pass, image: Floats | None = None, *, back: bool = False) -> Floats:
        given = self.prepared.image.array if image is None else image
        return self.images.translate(given, self.prepared.body.array, [one], back=back)

    def _findings(self, made: Floats, cycle_error: Floats | None) -> _Findings:
        """What can be said of the first result, in units."""
        body = self.prepared.body
        return _Findings(
            body=body,
            intensity=self.prepared.intensity,
            cycle_error=cycle_error,
            seams=seam_score(made, body.array, self.images.translator.borders(body.array)),
            continuity=slice_continuity(made, self.prepared.image.array, body.array),
            warnings=self._warnings(),
        )

    def _cycle_error(self, made: Floats) -> Floats | None:
        """How far the source is from what the method makes of a result, in the source's units; None if it can't."""
        if not (self.images.options.uncertainty and self.model.method.two_way):
            return None
        there_and_back = self._translated(self.images.passes[0], made, back=True)
        inverse = self.prepared.intensity.inverse
        return cast(Floats, np.abs(inverse(there_and_back) - inverse(self.prepared.image.array)))

    def _warnings(self) -> list[str]:
        trained, found = self.model.config.data.plane, [self.prepared.remark] * bool(self.prepared.remark)
        if self.plane != trained:
            found.append(f"slices of all planes are translated by a network trained on {trained} slices only")
        seen = self.model.profiles.get(self.source)
        known = Profiles(self.source, seen) if seen else None
        if known is None and (other := self.model.profiles.get(self.images.to)):
            known = Profiles(self.images.to, other, bodies_alone=True)  # bodies, at least
        if known:
            found += known.unlike(profile_of(self.grid, self.prepared, self.plane))
        return [*found, *([self.region.problem] if self.region.problem else []), *self.region.warnings]
