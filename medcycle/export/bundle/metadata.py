"""What a bundle says of itself: `metadata.json`, by MONAI's schema."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import monai
import numpy as np
import torch

from medcycle import __version__
from medcycle.body import OUTSIDE, Modality, values_of
from medcycle.export.wrapper import Sizes
from medcycle.methods.checkpoint import SavedMethod, facts_of, made_from
from medcycle.modality import SOURCE_OF
from medcycle.models import Description

__all__ = ["USE", "metadata_of"]

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"

USE = "For research only: not for diagnosis or treatment."

PACKAGES = {"fire": "0.4", "nibabel": "5", "pytorch-ignite": "0.4.11", "scikit-image": "0.25", "scipy": "1.14"} | {
    "SimpleITK": "2.4"
}
"""What a bundle needs beside MONAI and PyTorch; versions, for those that are not installed here."""

FORMATS: dict[Modality, str] = {"ct": "hounsfield", "mr": "magnitude"}

NOT_STATED = "not stated by those who trained the model"


def metadata_of(
    saved: SavedMethod, to: Modality, sizes: Sizes, *, checkpoint: dict[str, str], shipped: Description | None
) -> dict[str, Any]:
    """Plain values for JSON.

    Args:
        saved: the trained method.
        to: what its exported direction makes.
        sizes: what the network takes.
        checkpoint: its name and hash.
        shipped: what is known of the model beside its checkpoint, if it has a description.
    """
    names, source = {"ct": "CT", "mr": "MR", "cbct": "CBCT"}, made_from(saved, to)
    made = {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"written by medcycle {__version__}"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {name: _installed(name, least) for name, least in PACKAGES.items()},
        "task": f"Synthetic {names[to]} from {names[source]}",
        "description": f"{shipped.summary if shipped else facts_of(saved).text + '.'} {USE}",
        "authors": "the authors of medcycle" if shipped else NOT_STATED,
        "copyright": f"Weights: {shipped.licence if shipped else NOT_STATED}. Scripts: medcycle's, Apache-2.0.",
        "data_source": _sources(shipped),
        "data_type": "nibabel",
        "modality": names[source],
        "intended_use": USE,
        "image_classes": f"one channel: {names[source]}, any orientation and spacing",
        "pred_classes": f"one channel: synthetic {names[to]}, {'HU' if to == 'ct' else 'arbitrary units'}",
        "eval_metrics": _figures(shipped),
        "references": ["https://docs.monai.io/en/latest/mb_specification.html"],
        "network_data_format": _data_format(saved, to, sizes),
        "made_by": {
            "medcycle": __version__,
            "method": saved.config.method.name,
            "network": saved.config.network.name,
            "step": saved.step,
            "learned": facts_of(saved).text,
            "checkpoint": checkpoint,
        },
    }
    if shipped:
        made["training_data"] = [one.model_dump() for one in shipped.training_data]
        made["limits"] = shipped.limits
    return made


def _installed(name: str, least: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return least


def _sources(shipped: Description | None) -> str:
    if shipped is None:
        return NOT_STATED
    return "; ".join(f"{one.name} ({one.licence}), {one.source}" for one in shipped.training_data)


def _figures(shipped: Description | None) -> dict[str, dict[str, float]]:
    """Scores, by what they were found on."""
    scores = {
        one.on: {"mae_hu": one.mae_hu, "bone_dice": one.bone_dice} for one in (shipped.figures if shipped else ())
    }
    return {
        on: {name: round(value, 4) for name, value in row.items() if value is not None} for on, row in scores.items()
    }


def _data_format(saved: SavedMethod, to: Modality, sizes: Sizes) -> dict[str, Any]:
    """What the network takes and gives, and what comes after the last step."""
    source = values_of(SOURCE_OF[to], saved.config.data.source)
    shape = list(sizes.fixed or [f"{sizes.multiple}*n"] * sizes.dims)
    network = {"type": "image", "num_channels": sizes.channels, "spatial_shape": shape, "dtype": "float32"} | {
        "value_range": [-1, 1],
        "is_patch_data": True,
    }
    real = saved.intensity[to].corners[0]
    whole = network | {"num_channels": 1, "spatial_shape": ["*"] * 3, "is_patch_data": False}
    limits = [min(real[0], OUTSIDE[to]), real[-1]]
    return {
        "inputs": {"image": _told(network, source, sizes.channels)},
        "outputs": {"pred": _told(network, to, sizes.channels)},
        "post_processed_outputs": {"pred": _told(whole | {"value_range": limits}, to, 1)},
    }


def _told(tensor: dict[str, Any], modality: Modality, channels: int) -> dict[str, Any]:
    name = modality.upper()
    beside = [f"{name}, slice {step:+d}" if step else name for step in range(-(channels // 2), channels // 2 + 1)]
    named = {str(channel): words for channel, words in enumerate(beside)}
    return tensor | {"format": FORMATS[modality], "modality": name, "channel_def": named}
