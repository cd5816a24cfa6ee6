"""The calibration of the model `head`: on scans that it was not trained on, and on new simulated MR of those it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import medcycle as mc
from medcycle.dataset.preparation import prepare_volume
from medcycle.inference.calibrating import Errors, calibration_of, errors_on
from medcycle.io import read_volume
from medcycle.methods.checkpoint import SavedMethod
from medcycle.phantom import HeadPhantom, MrProtocol, head_grid
from medcycle.resample import respace
from medcycle.simulation import ContrastRandomizer, Effects
from medcycle.training.scans import OF_ANATOMY

log = logging.getLogger(__name__)

GENERATED = range(5001, 5005)
"""Seeds of the generated heads, one a contrast: neither trained nor scored on."""

SIMULATED = 2
"""MR simulated of each CT."""

SPACING = (1.5, 1.5, 5.0)
"""mm; thick slices, so that there is time for many scans."""

NOISE = 0.01
"""Standard deviation of the noise outside the body, of the brightest signal."""


def calibrated(saved: SavedMethod, ct: Sequence[Path], contrasts: Sequence[MrProtocol]) -> SavedMethod:
    """A model with expected errors by class of voxels.

    Tissues are calibrated on generated heads and on simulated MR of the CT, in contrasts that were not trained on; the
    outline on generated heads alone, since a simulated MR ends where its CT does.

    Args:
        saved: the model.
        ct: the scans it was trained on.
        contrasts: of the generated heads, one of each.
    """
    return replace(saved, calibration=calibration_of(_errors(saved, ct, contrasts)).to_dict())


def _errors(saved: SavedMethod, ct: Sequence[Path], contrasts: Sequence[MrProtocol]) -> Iterator[Errors]:
    grid = head_grid(spacing=SPACING)
    for seed, contrast in zip(GENERATED, contrasts, strict=True):
        head = HeadPhantom.random(seed)
        yield errors_on(saved, head.mr(grid, contrast), head.ct(grid))
    for number, path in enumerate(ct):
        coarse = respace(read_volume(path).to_ras(), SPACING)
        for turn in range(SIMULATED):
            mr = simulated_mr(coarse, saved, seed=SIMULATED * number + turn + 1)
            yield errors_on(saved, mr, coarse, outline=False)


def simulated_mr(ct: mc.Volume, saved: SavedMethod, seed: int) -> mc.Volume:
    """A simulated MR of a CT in its own anatomy, as a scanner would give it: signal, and noise around the body."""
    prepared = prepare_volume(ct, "ct", saved.config.data)
    still = Effects.of(saved.config.randomize, **dict.fromkeys(OF_ANATOMY, 0))
    maps, random = saved.intensity, torch.Generator().manual_seed(seed)
    randomizer = ContrastRandomizer(maps["ct"], still, maps["mr"], saved.config.data.mr_percentile)
    image, body = (torch.from_numpy(one.array)[None, None] for one in (prepared.image, prepared.body))
    made = randomizer(image, body, random).source[0, 0].numpy()
    signal = np.where(prepared.body.array, np.maximum(maps["mr"].inverse(made), 0), 0)
    level = NOISE * float(np.percentile(signal[prepared.body.array], 99.5))
    real, imaginary = level * np.random.default_rng(seed).standard_normal((2, *signal.shape))
    return prepared.image.with_array(np.hypot(signal + real, imaginary).astype(np.float32))
