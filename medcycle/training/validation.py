"""How good a method is in the course of its training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from medcycle.body import OUTSIDE, Modality
from medcycle.config import Config
from medcycle.dataset.stacks import neighbours
from medcycle.dataset.store import Store
from medcycle.evaluation.reference_free import bright_voids, distribution_distance, separability, variety
from medcycle.inference import CLASSES, Calibration, ImagePredictor, Options, classes_of, smoothed
from medcycle.intensity import IntensityMap
from medcycle.losses.structure import mind
from medcycle.methods.base import Method
from medcycle.training.scans import Floats, Part, Scans, piece_of, scans_of, simulated_mr_of
from medcycle.volume import Array

__all__ = ["Validation", "Validator"]

AT_ONCE = 8
"""Images that are judged together."""

BRIGHT_WEIGHT = 100.0
"""What the score gets for voids all of which are bright."""

INVERTED = 0.5
"""Part of the voids that are bright, above which the contrast is taken to be inverted."""

ALIKE = 0.3
"""How much synthetic slices differ, relative to real ones, below which they are taken to be all the same."""

TOLD_APART = 0.99
"""Separability above which a discriminator has won."""

BESIDE_TRANSLATION = 1.3
"""times the translations' time is that of a validation: descriptors, judgements and simulated MR come on top."""

OPTIONS = Options(uncertainty=True, precision="32-true")
"""As calibrations are for; the precision is that of the training, which validation is run in."""


class Validation(NamedTuple):
    """What was found.

    Args:
        score: `mae` or else `unpaired` of the terms; lower is better. Scores of one run can be compared.
        terms: by name, see `Validator`.
        alarms: what has gone wrong, in words.
        constant: the score of one CT number for all of the body, the mean of each, HU; None if that is not known. All
            of its voxels being soft tissue, it has no bright voids.
    """

    score: float
    terms: dict[str, float]
    alarms: list[str]
    constant: float | None = None

    @property
    def kind(self) -> Literal["mae", "unpaired"]:
        """Which of the terms is the score."""
        return "mae" if "mae" in self.terms else "unpaired"


class Validator:
    """Translates whole volumes and says how well that went.

    The terms, for those that there is something to find them from:

    - `mae`: mean absolute error of CT from registered MR, HU; the score where there are any that are held out.
    - `simulated_mr`: mean absolute error of the CT from simulated MR made of CT, HU.
    - `bright_voids`: the part of the air and the dense bone in synthetic CT that is bright in the MR.
    - `distribution`: distance of the CT numbers in synthetic bodies from those in real ones, HU.
    - `cycle`: mean absolute error of CT that went to MR and back, HU.
    - `structure`: mean absolute difference of the MIND descriptors of MR and synthetic CT, 0 to 1.
    - `variety`: how much slices of synthetic CT differ from each other, relative to those of real CT.
    - `separability`: how well the discriminator tells real from synthetic CT, 0.5 where not at all.
    - `unpaired`: `simulated_mr` and 100 HU times `bright_voids`, which is the error of no CT; the score where there are
      no registered pairs. The others don't count: of a CycleGAN that paints bone where fat is, they get better while it
      gets worse.

    Args:
        config: all settings.
        train: what is trained on.
        held_out: what is not; where it has nothing of a modality, cases that are trained on are taken.
        intensity: the maps that made the values of CT and MR.
        device: what networks are on.

    Attributes:
        told: is given how many translations of a validation and its calibration are done, and of how many.
    """

    def __init__(
        self, config: Config, train: Store, held_out: Store, intensity: Mapping[str, IntensityMap], device: torch.device
    ) -> None:
        self.config = config
        self.train = train
        self.held_out = held_out
        self.intensity = intensity
        self.device = device
        self.told: Callable[[int, int], None] = lambda _done, _total: None
        self._share = 1.0
        self._pace = 0.0
        self._done = 0

    def take(self, share: float) -> None:
        """Take so large a part of the slices or volumes from now on, 0 to 1, but never nothing of one."""
        if share != self._share:
            self._share = share
            for name in ("_scans", "_simulated_mr"):
                self.__dict__.pop(name, None)

    def find_pace(self, method: Method) -> None:
        """Find out how long translations take, from a small part of a volume.

        It is translated twice, the first time to have what is made once, as memory.
        """
        piece, training, taken = piece_of(self._scans.ct[0], self.config.geometry), method.training, 0.0
        predictor = self._predictor(method)
        method.eval()
        try:
            for _ in range(2):
                begun = time.monotonic()
                predictor.translate(piece.image, piece.body)
                taken = time.monotonic() - begun
        finally:
            method.train(training)
        self._pace = BESIDE_TRANSLATION * taken / predictor.translator.voxels(piece.body)

    def seconds(self, method: Method) -> float:
        """How long a validation with its calibration is going to take, once `find_pace` has been called; 0 before."""
        judged, calibrated = self._work(method)
        predictor = self._predictor(method)
        voxels = sum(predictor.translator.voxels(part.body) for part in judged)
        return self._pace * (voxels + sum(predictor.voxels(part.body) for part in calibrated))

    def _work(self, method: Method) -> tuple[list[Part], list[Part]]:
        """What a validation translates, and what its calibration translates by all passes."""
        mr, ct, registered = self._scans
        judged = [*mr, *ct, *(2 * ct if method.two_way else ())]  # with the simulated MR, which are as large as the CT
        return judged, mr if registered else ct

    def _predictor(self, method: Method, to: Modality = "ct") -> ImagePredictor:
        return ImagePredictor(method, self.config.geometry, self.intensity, to, OPTIONS, self.device)

    def __call__(self, method: Method) -> Validation:
        """Translate, and compare. The method is left in the mode it was in."""
        training = method.training
        method.eval()
        self._done = 0
        try:
            terms = self._terms(method)
        finally:
            method.train(training)
        terms["unpaired"] = terms["simulated_mr"] + BRIGHT_WEIGHT * terms.get("bright_voids", 0.0)
        return Validation(terms.get("mae", terms["unpaired"]), terms, _alarms(terms), self._constant())

    def calibration(self, method: Method) -> Calibration:
        """What errors go with how far passes through the generator are apart, where the truth is known.

        That is on registered MR where there are any, and else on simulated MR of CT, whose outline is the CT's: errors
        at the outline are not known then. The method is in evaluation mode afterwards.
        """
        method.eval()
        given = self._scans.mr if self._scans.registered else self._simulated_mr
        found = [self._deviation_and_error(part, ct, method) for part, ct in zip(given, self._scans.ct, strict=True)]
        scans = np.repeat(np.arange(len(found)), [len(errors) for _, errors, _ in found])
        deviations, errors, kinds = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Calibration.fit_classes(deviations, errors, kinds, scans)

    def _deviation_and_error(self, part: Part, ct: Part, method: Method) -> tuple[Floats, Floats, Array]:
        predictor = self._predictor(method)
        hounsfield, deviation = predictor.estimate(part.image, part.body)
        assert deviation is not None
        self._tell(method, len(predictor.passes) + len(predictor.probes))
        kinds = classes_of(hounsfield, part.depth)
        known = kinds >= (0 if self._scans.registered else CLASSES.index("air"))
        if not known.any():  # of a body that is thinner than its skin
            known = part.body
        made, real = np.where(part.body, hounsfield, OUTSIDE["ct"]), self.intensity["ct"].inverse(ct.image)
        return smoothed(deviation)[known], (made - real)[known].astype(np.float32), kinds[known]

    def _terms(self, method: Method) -> dict[str, float]:
        scans = self._scans
        made = [self._translated(mr, method) for mr in scans.mr]
        terms = {"mae": self._mean_error(made)} if scans.registered else {}
        terms["simulated_mr"] = self._mean_error([self._translated(part, method) for part in self._simulated_mr])
        if method.two_way:
            terms["cycle"] = self._mean_error([self._there_and_back(ct, method) for ct in scans.ct])
        return terms | self._of_mr(made, method) if made else terms

    def _of_mr(self, made: list[Floats], method: Method) -> dict[str, float]:
        """What is found from the CT that is made of MR."""
        mr, ct, _ = self._scans
        hounsfield = np.concatenate([self._in_body(image, part) for image, part in zip(made, mr, strict=True)])
        real = np.concatenate([self._in_body(part.image, part) for part in ct])
        signal = np.concatenate([part.image[part.body] for part in mr])
        terms = {
            "bright_voids": bright_voids(signal, hounsfield),
            "distribution": distribution_distance(hounsfield, real),
            "structure": float(np.mean([_structure(image, part) for image, part in zip(made, mr, strict=True)])),
            "variety": _varieties([part._replace(image=image) for image, part in zip(made, mr, strict=True)])
            / max(_varieties(ct), 1e-6),
        }
        if "target" in method.discriminators and self.config.method.name != "pix2pix":  # which judges couples
            synthetic = [part._replace(image=image) for image, part in zip(made, mr, strict=True)]
            judged = [
                torch.cat([self._judged(part, method) for part in parts]).cpu().numpy() for parts in (ct, synthetic)
            ]
            terms["separability"] = separability(*judged)
        return terms

    def _judged(self, part: Part, method: Method) -> Tensor:
        """The discriminator's judgement of every patch of CT."""
        images = torch.from_numpy(part.image)[None, None]
        if self.config.network.spatial_dims == 2:
            count, shown = part.image.shape[2], np.flatnonzero(part.body.any(axis=(0, 1)))
            beside = [neighbours(int(position), self.config.data.slices, count) for position in shown]
            images = torch.stack([images[0, 0, :, :, list(numbers)].movedim(2, 0) for numbers in beside])
        judge = method.discriminators["target"]
        with torch.no_grad():
            logits = [judge(part.to(self.device)) for part in torch.split(images, AT_ONCE)]
        return torch.cat([part.float().flatten() for part in logits])

    def _translated(self, part: Part, method: Method, to: Modality = "ct") -> Floats:
        predictor = self._predictor(method, to)
        made = predictor.translate(part.image, part.body)
        self._tell(method, len(predictor.passes))
        return made

    def _tell(self, method: Method, passes: int) -> None:
        """So many passes more are done."""
        self._done += passes
        judged, calibrated = self._work(method)
        predictor = self._predictor(method)
        own, all_of_them = len(predictor.passes), len(predictor.passes) + len(predictor.probes)
        self.told(self._done, own * len(judged) + all_of_them * len(calibrated))

    def _there_and_back(self, ct: Part, method: Method) -> Floats:
        return self._translated(ct._replace(image=self._translated(ct, method, "mr")), method)

    def _mean_error(self, made: list[Floats]) -> float:
        """The mean absolute error of synthetic CT, one for each of the real ones, HU."""
        both = zip(made, self._scans.ct, strict=True)
        return float(np.mean([np.abs(self._in_body(a, ct) - self._in_body(ct.image, ct)).mean() for a, ct in both]))

    def _constant(self) -> float:
        """The mean absolute error of the mean CT number in each body, HU."""
        real = [self._in_body(ct.image, ct) for ct in self._scans.ct]
        return float(np.mean([np.abs(one - one.mean()).mean() for one in real]))

    def _in_body(self, image: Array, part: Part) -> Floats:
        """The CT numbers that an image has in a part's body."""
        return self.intensity["ct"].inverse(image)[part.body]

    @cached_property
    def _scans(self) -> Scans:
        return scans_of(self.config, self.train, self.held_out, self._share)

    @cached_property
    def _simulated_mr(self) -> list[Part]:
        return simulated_mr_of(self._scans.ct, self.config, self.intensity)


def _structure(made: Floats, mr: Part) -> float:
    """Mean absolute difference of the MIND descriptors of slices, in the body."""
    one, other = (mind(torch.from_numpy(image).movedim(2, 0)[:, None]) for image in (made, mr.image))
    inside = torch.from_numpy(mr.body).movedim(2, 0)[:, None].expand_as(one)
    return float((one - other).abs()[inside].mean())


def _varieties(parts: list[Part]) -> float:
    return float(np.mean([variety(part.shown(), part.body[:, :, part.body.any(axis=(0, 1))]) for part in parts]))


def _alarms(terms: Mapping[str, float]) -> list[str]:
    """What the terms say has gone wrong."""
    alarms = []
    if terms.get("bright_voids", 0) > INVERTED:
        alarms.append("contrast inversion: air and bone are drawn where the MR is bright")
    if terms.get("variety", 1) < ALIKE:
        alarms.append("mode collapse: all slices of synthetic CT look alike")
    if terms.get("separability", 0) > TOLD_APART:
        alarms.append("discriminator winning: it tells all synthetic CT from real ones, and teaches nothing any more")
    return alarms
