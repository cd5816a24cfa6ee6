"""Trained models as two files that other software can read: a description in JSON, and weights in safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from medcycle import __version__
from medcycle.errors import BadCheckpoint
from medcycle.io.files import atomic_path, sha256_of, write_text
from medcycle.models import Description, card_of, require_unaltered
from medcycle.models.description import Weights

__all__ = ["CARD", "copy_model", "half", "read_model", "write_model"]

CARD = "MODEL_CARD.md"


def read_model(path: Path) -> dict[str, Any]:
    """What a checkpoint would hold, of a model's description and the weights beside it; no code is run.

    Weights are float32, whatever they are in the file.

    Raises:
        BadCheckpoint: if a file is damaged, altered or missing.
    """
    described = Description.read(path)
    weights = require_unaltered(path, described)
    try:
        tensors = safetensors.torch.load_file(weights)
    except SafetensorError as error:
        raise BadCheckpoint(f"{weights}: not a safetensors file ({error})") from error
    return described.model | {"method": {name: _whole(tensor) for name, tensor in tensors.items()}}


def write_model(
    folder: Path, state: dict[str, Any], *, as_half: bool, difference_hu: tuple[float, float], **about: Any
) -> Path:
    """Write a model's two files and its card.

    Args:
        folder: where to.
        state: what `read_model` is to give back: plain values, and tensors as `method`.
        as_half: write float16 weights.
        difference_hu: what that changes, as `Weights` has it.
        about: the rest of `Description`.

    Returns:
        The description.

    Raises:
        ValidationError: if something is missing in `about`.
        OSError: if they can't be written.
    """
    weights = folder / f"{about['name']}.safetensors"
    tensors = {name: (half(tensor) if as_half else tensor).contiguous() for name, tensor in state["method"].items()}
    with atomic_path(weights) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors))
    kept = Weights(
        file=weights.name,
        sha256=sha256_of(weights),
        dtype="float16" if as_half else "float32",
        difference_hu=difference_hu,
    )
    plain = {name: value for name, value in state.items() if name != "method"}
    described = Description.sealed(medcycle=__version__, model=plain, weights=kept, **about)
    path = folder / f"{described.name}.json"
    write_text(path, described.model_dump_json(indent=1) + "\n")
    write_text(folder / CARD, card_of(described))
    return path


def copy_model(path: Path, folder: Path) -> list[Path]:
    """Copy a model's two files, with its card.

    Returns:
        What was written.

    Raises:
        BadCheckpoint: if the model is damaged or altered.
        OSError: if they can't be written.
    """
    described = Description.read(path)
    weights = require_unaltered(path, described)
    written = [folder / weights.name, folder / path.name, folder / CARD]
    for source, target in zip((weights, path), written, strict=False):
        with atomic_path(target) as temporary:
            temporary.write_bytes(source.read_bytes())
    write_text(written[-1], card_of(described))
    return written


def _whole(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def half(tensor: Tensor) -> Tensor:
    """As it is written: real numbers in float16."""
    return tensor.half() if tensor.is_floating_point() else tensor
