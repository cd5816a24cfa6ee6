"""Styles of methods that make several outputs of one input."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch

from medcycle.cohort.vetting import vet
from medcycle.dataset.preparation import prepare_volume
from medcycle.dataset.stacks import neighbours
from medcycle.errors import DataError, UsageError
from medcycle.inference.image_predictor import Style
from medcycle.io.discover import discover
from medcycle.methods.checkpoint import SavedMethod
from medcycle.methods.munit import Munit

__all__ = ["Style", "styles_for"]


def styles_for(saved: SavedMethod, to: Literal["ct", "mr"], given: str | None, samples: int) -> list[Style | None]:
    """The styles of the outputs that are asked for.

    Args:
        saved: the trained method.
        to: the modality that is made.
        given: a seed, or the path of a volume of that modality whose style is taken; None for the method's own.
        samples: how many outputs an input has. Several have random styles, drawn with the seed given, or 0.

    Returns:
        Their styles; None alone for the one output of a method without styles, or in the middle of all.

    Raises:
        UsageError: if the method has no styles, or a volume and several samples are asked for.
        DataError: if the volume can't be used.
    """
    if given is None and samples == 1:
        return [None]
    method = saved.method
    if not isinstance(method, Munit):
        name = saved.config.method.name
        raise UsageError(f"method.name {name} makes only one output per input; leave out --style and --samples")
    seed = 0 if given is None else _seed(given)
    if seed is None:
        if samples > 1:
            raise UsageError("--style FILE is one style; leave out --samples")
        return [_style_of(Path(cast(str, given)), saved, method, to)]
    drawn = torch.randn(samples, method.styles, generator=torch.Generator().manual_seed(seed))
    return [tuple(style.tolist()) for style in drawn]


def _seed(given: str) -> int | None:
    return int(given) if given.isdecimal() else None


def _style_of(path: Path, saved: SavedMethod, method: Munit, to: Literal["ct", "mr"]) -> Style:
    """The mean style of a volume's slices, or of a volume as a whole in 3D."""
    sources = discover(path)
    if len(sources) != 1:
        raise UsageError(f"{path}: --style needs a seed or one volume; there are {len(sources)}")
    volume = sources[0].read()
    vet(sources[0], volume, to)
    prepared = prepare_volume(volume, to, saved.config.data, saved.intensity["mr"].corners[1])
    shown = np.flatnonzero(prepared.body.array.any(axis=(0, 1)))
    if not len(shown):
        raise DataError(f"{path}: no body found to take the style from")
    image = torch.from_numpy(np.ascontiguousarray(prepared.image.array))
    images = [image[None, None]]
    if saved.config.network.spatial_dims == 2:
        beside = [neighbours(int(number), saved.config.data.slices, image.shape[2]) for number in shown]
        images = [image[:, :, numbers].movedim(2, 0)[None] for numbers in beside]
    device = next(method.parameters()).device
    with torch.inference_mode():
        styles = torch.cat([method.eval().style_of(one.to(device), reverse=to == "mr") for one in images])
    return tuple(styles.mean(0).tolist())
