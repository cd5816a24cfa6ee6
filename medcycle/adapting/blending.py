"""Weights between those of a model and those that it was trained to on a few pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from medcycle.dataset.store import StoredCase
from medcycle.errors import DataError
from medcycle.inference import ImagePredictor, Options
from medcycle.methods.checkpoint import SavedMethod

__all__ = ["Blend", "blended", "share_for"]

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far the weights may go from those of the model to the trained ones: the mean of both predicts better than either
where pairs are few (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models")."""

UNCHECKED = 0.5
"""How far they go where nothing is held out that could tell."""

Pair = tuple[StoredCase, StoredCase]


class Blend(NamedTuple):
    """A model between two.

    Args:
        model: the one.
        share: how far its weights went from the first to the second, 0 to 1.
        before: mean absolute error of the first on the pairs held out, HU; None without any.
        after: of the blend.
    """

    model: SavedMethod
    share: float
    before: float | None
    after: float | None


def blended(
    start: SavedMethod, trained: SavedMethod, trained_on: int, held_out: Sequence[Pair], device: torch.device
) -> Blend:
    """The best model between two, by pairs that neither was trained on.

    Where the first is the best, it is returned as it is. Else the blend keeps the calibration of the first, and what it
    was trained on is added to that of the first.

    Args:
        start: the model that was adapted.
        trained: the one it was trained to.
        trained_on: how many pairs that was.
        held_out: further pairs.
        device: what the networks compute on.

    Raises:
        DataError: if the bodies of a pair don't overlap.
    """
    method, config = trained.method.to(device), trained.config
    generator = method.generators["target"]
    last = {name: value.clone() for name, value in generator.state_dict().items()}
    ends = (start.method.generators["target"].to(device).state_dict(), last)
    predictor = ImagePredictor(method, config.geometry, trained.intensity, "ct", Options(), device)
    errors: dict[float, list[float]] = {}
    for share in SHARES if held_out else ():
        _put(generator, ends, share)
        errors[share] = [_error(predictor, *pair) for pair in held_out]
    share = share_for(errors) if errors else UNCHECKED
    before, after = (float(np.mean(errors[one])) if errors else None for one in (0.0, share))
    start.method.cpu()
    if not share:
        return Blend(start, share, before, after)
    _put(generator, ends, share)
    learned: dict[str, Any] = dict(start.learned)
    for kind in ("mr", "ct"):
        learned[kind] = (learned.get(kind) or 0) + trained_on
    if after is not None:
        learned |= {"score": after, "kind": "mae", "constant": _constant(predictor, held_out)}
    profiles = {
        kind: [*start.profiles.get(kind, ()), *trained.profiles.get(kind, ())]
        for kind in {*start.profiles, *trained.profiles}
    }
    made = replace(
        trained,
        method=method.cpu(),
        step=start.step + trained.step,
        profiles=profiles,
        calibration=start.calibration,
        learned=learned,
    )
    return Blend(made, share, before, after)


def share_for(errors: Mapping[float, Sequence[float]]) -> float:
    """The share with the lowest mean error of those that make no patient's error larger than it was at 0."""
    fair = [share for share, each in errors.items() if np.all(np.array(each) <= np.array(errors[0.0]))]
    return min(fair, key=lambda share: float(np.mean(errors[share])))


def _put(generator: nn.Module, ends: Sequence[Mapping[str, Tensor]], share: float) -> None:
    """Give a generator weights between two ends; what is no real number is the first one's."""
    first, last = ends
    generator.load_state_dict(
        {
            name: torch.lerp(value, last[name], share) if value.is_floating_point() else value
            for name, value in first.items()
        }
    )


def _error(predictor: ImagePredictor, mr: StoredCase, ct: StoredCase) -> float:
    """Mean absolute error in the body, HU."""
    body = np.asarray(mr.body)
    inside = body & np.asarray(ct.body)
    if not inside.any():
        raise DataError(f"{mr.record.name}: the bodies in MR and CT don't overlap; check the registration")
    made = predictor.to_units(predictor.translate(np.asarray(mr.image, np.float32), body))
    real = ct.intensity.inverse(np.asarray(ct.image, np.float32))
    return float(np.abs(made - real)[inside].mean())


def _constant(predictor: ImagePredictor, pairs: Sequence[Pair]) -> float:
    """The error of one CT number for all of the body, HU."""
    found = []
    for _, ct in pairs:
        real = predictor.intensity.inverse(np.asarray(ct.image, np.float32))[np.asarray(ct.body)]
        found.append(float(np.abs(real - real.mean()).mean()))
    return float(np.mean(found))
