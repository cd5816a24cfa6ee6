"""What an exported network needs without medcycle; docs/reference/exported-models.md describes every key."""

from __future__ import annotations

from typing import Any

import torch

from medcycle import __version__
from medcycle.body import CT_THRESHOLD, OTSU_RANGE, OUTSIDE, WORKING_SPACING, Modality, values_of
from medcycle.dataset.bias_field import ITERATIONS
from medcycle.dataset.bias_field import WORKING_SPACING as BIAS_SPACING
from medcycle.dataset.preparation import hounsfield_map
from medcycle.export.formats import INPUTS, OPSET, OUTPUT, TOLERANCE, ModelFormat
from medcycle.export.wrapper import Sizes
from medcycle.inference import Windows
from medcycle.inference.translator import neighbour_weights
from medcycle.intensity import IntensityMap, MrLandmarks, MrPercentile, MrZScore
from medcycle.methods.checkpoint import SavedMethod, made_from
from medcycle.modality import SOURCE_OF
from medcycle.patch_geometry import DOWNSAMPLING, PatchGeometry

__all__ = ["FORMAT", "describe"]

FORMAT = "medcycle export 1"

FILL = -1.0
"""What a network sees outside the body and beyond the volume."""

BLENDING = {"kind": "sin2", "formula": "the product over the axes of sin(pi * (n + 0.5) / size) ** 2, n from 0"}
"""How much a voxel of a window counts."""

PLACES = (
    "count = ceil((frame - size) / floor(size * (1 - overlap))); every ceil((frame - size) / count) voxels from the "
    "beginning of the frame, and a last one that ends where it does"
)

UNITS: dict[Modality, str] = {"ct": "HU", "mr": "arbitrary"}

BODY = {
    "ct": f"what is above {CT_THRESHOLD:g} HU",
    "mr": "what is brighter than noise and ghosts, by a threshold that depends on bright signal nearby and lies "
    f"between {OTSU_RANGE[0]:g} and {OTSU_RANGE[1]:g} of Otsu's (about it a rim that is fainter, but brighter than "
    "noise, as of skull and scalp where fat is suppressed)",
}

FITS: dict[str, dict[str, Any]] = {
    "percentile": {
        "rule": "percentile",
        "formula": "real = [min(0, min(s)), percentile(s, percentile)]",
    },
    "z-score": {
        "rule": "z-score",
        "formula": "real = [mean(s) - deviations * std(s), mean(s) + deviations * std(s)]",
        "deviations": MrZScore.SPREAD,
    },
    "nyul": {
        "rule": "nyul",
        "formula": "low = min(0, min(s)); high = percentile(s, percentile); "
        "inner = clip(percentile(s, inner_percentiles), low, high); "
        "real = [low, *inner, high] + linspace(0, 1e-4, len(inner) + 2) * (high - low)",
        "inner_percentiles": list(MrLandmarks.DECILES),
    },
}


def describe(
    saved: SavedMethod, to: Modality, sizes: Sizes, *, file: str, model_format: ModelFormat, checkpoint: dict[str, str]
) -> dict[str, Any]:
    """Plain values for JSON.

    Args:
        saved: the trained method.
        to: what its exported direction makes.
        sizes: what the network takes.
        file: the model's name.
        model_format: what it is written in.
        checkpoint: its name and hash.
    """
    config, source = saved.config, values_of(SOURCE_OF[to], saved.config.data.source)
    return {
        "format": FORMAT,
        "use": "research only: not for diagnosis or treatment",
        "from": made_from(saved, to),
        "to": to,
        "model": {
            "file": file,
            "format": model_format,
            "opset": OPSET if model_format == "onnx" else None,
            "torch": torch.__version__,
            "tolerance": TOLERANCE,
        },
        "made_by": {
            "medcycle": __version__,
            "method": config.method.name,
            "network": config.network.name,
            "step": saved.step,
            "checkpoint": checkpoint,
        },
        "inputs": _inputs(sizes),
        "output": {"name": OUTPUT, "type": "float32", "range": [-1, 1], "axes": _axes(sizes)}
        | {"channel_weights": neighbour_weights(sizes.channels).tolist()},
        "preparation": _preparation(config.geometry, source, bias_correction=config.data.bias_correction),
        "cutting": _cutting(config.geometry),
        "intensity": {"input": _input_map(saved, source), "output": _fixed_map(saved.intensity[to], to)},
        "outside": {"network": FILL, "result": OUTSIDE[to]},
    }


def _inputs(sizes: Sizes) -> list[dict[str, Any]]:
    image = {"name": INPUTS[0], "type": "float32", "range": [-1, 1], "axes": _axes(sizes)}
    if not sizes.styles:
        return [image]
    axes = [{"name": "batch", "size": None}, {"name": "style", "size": sizes.styles}]
    style = {"name": INPUTS[1], "type": "float32", "axes": axes, "default": 0, "prior": "unit Gaussian"}
    return [image, style]


def _axes(sizes: Sizes) -> list[dict[str, Any]]:
    spatial: list[dict[str, Any]] = [
        {"name": f"size{axis}", "size": sizes.fixed[axis]}
        if sizes.fixed
        else {"name": f"size{axis}", "size": None, "multiple_of": sizes.multiple, "at_least": sizes.least}
        for axis in range(sizes.dims)
    ]
    return [{"name": "batch", "size": None}, {"name": "channels", "size": sizes.channels}, *spatial]


def _preparation(geometry: PatchGeometry, source: Modality, *, bias_correction: bool) -> dict[str, Any]:
    return {
        "axes": geometry.axes,
        "spacing_mm": geometry.widths,
        "respacing": "linear; where an axis becomes coarser by a factor f, first a Gaussian of "
        "sqrt(f^2 - 1) / 2.355 voxels along it",
        "body": f"the patient without air around, couch and headrest: at {WORKING_SPACING:g} mm, {BODY[source]}, its "
        "largest connected part after an opening, ears and nose with it, gaps closed and cavities filled, so that air "
        "inside the body belongs to it",
        "receive_field": f"divide by the field that N4 finds in the body at {BIAS_SPACING:g} mm in at most "
        f"{', '.join(map(str, ITERATIONS))} iterations, of the signal with 1 % of its mean added; keep the mean"
        if source == "mr" and bias_correction
        else None,
    }


def _cutting(geometry: PatchGeometry) -> dict[str, Any]:
    flat = geometry.dims == 2
    return {
        "kind": "slices" if flat else "windows",
        "across": list(geometry.stacked_along) if flat else None,
        "neighbours": geometry.slices,
        "size": list(geometry.size),
        "frame_multiple_of": DOWNSAMPLING,
        "overlap": None if flat else Windows().overlap,
        "places": None if flat else PLACES,
        "blending": None if flat else BLENDING,
    }


def _input_map(saved: SavedMethod, source: Modality) -> dict[str, Any]:
    """As `prepare_volume` maps: CT by the configuration, every MR by its own signal."""
    data = saved.config.data
    if source == "ct":
        return _fixed_map(hounsfield_map(data), "ct")
    typical, mapped = saved.intensity["mr"].corners
    fit = FITS[data.mr_normalisation] | {
        "s": "the signal in the body of the volume, receive field removed if asked for"
    }
    if data.mr_normalisation != "z-score":
        fit |= {"percentile": data.mr_percentile}
    if data.mr_normalisation != "nyul":
        mapped = [MrPercentile.bottom, 1.0]
    return {"units": UNITS["mr"], "real": None, "mapped": mapped, "fit": fit, "typical_real": typical}


def _fixed_map(intensity: IntensityMap, modality: Modality) -> dict[str, Any]:
    real, mapped = intensity.corners
    return {"units": UNITS[modality], "real": real, "mapped": mapped, "fit": None, "parameters": intensity.to_dict()}
