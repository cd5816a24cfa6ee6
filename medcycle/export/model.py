"""A checkpoint into a file that other runtimes take, with all that is needed to use it beside it."""

from __future__ import annotations

import json
from pathlib import Path

from medcycle.body import Modality
from medcycle.errors import UsageError
from medcycle.export.description import describe
from medcycle.export.formats import EXTENSIONS, ModelFormat, require_packages, write_checked
from medcycle.export.wrapper import sizes_of, translation_of
from medcycle.inference import require_direction
from medcycle.io.files import atomic_path, require_absent, require_writable, sha256_of
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, load_method
from medcycle.methods.munit import Munit

__all__ = ["description_of", "export_model"]


def description_of(model: Path) -> Path:
    """Where the description of an exported model is."""
    return model.with_name(f"{model.name}.json")


def export_model(
    run_or_checkpoint: Path,
    output: Path,
    *,
    to: Modality = "ct",
    model_format: ModelFormat = "onnx",
    style_input: bool = False,
) -> float:
    """Write one direction of a trained method, and its description; both, or neither.

    Args:
        run_or_checkpoint: a run's folder or a checkpoint.
        output: the model's file, `.onnx` or `.pt2`; the description gets its name and `.json`.
        to: the modality that it makes.
        model_format: what to write.
        style_input: give the style of the output beside the image, of a method with styles.

    Returns:
        The largest difference from the trained network in [−1, 1], on random images.

    Raises:
        UsageError: if a file is there already, named wrongly or can't be written, the method lacks the direction or
            styles, or a package is missing.
        BadCheckpoint: if the checkpoint can't be used.
        ExportFailed: if the network can't be exported, or gives other values then.
    """
    description_path = description_of(output)
    if output.suffix != EXTENSIONS[model_format]:
        raise UsageError(
            f"{output}: --format {model_format} writes {EXTENSIONS[model_format]} files; give the output that suffix"
        )
    for path in (output, description_path):
        require_absent(path)
    require_writable(output)
    require_packages(model_format)
    checkpoint = checkpoint_of(run_or_checkpoint, to=to)
    saved = load_method(checkpoint)
    require_direction(saved, to)
    if style_input:
        _require_styles(saved)
    sizes = sizes_of(saved, to, style_input=style_input)
    identity = {"file": checkpoint.name, "sha256": sha256_of(checkpoint)}
    told = describe(saved, to, sizes, file=output.name, model_format=model_format, checkpoint=identity)
    text = json.dumps(told, indent=1)
    with atomic_path(output) as model, atomic_path(description_path) as description:
        difference = write_checked(translation_of(saved, to, sizes), sizes, model, model_format, text)
        description.write_text(text, encoding="utf-8")
    return difference


def _require_styles(saved: SavedMethod) -> None:
    if not isinstance(saved.method, Munit):
        raise UsageError(f"method.name {saved.config.method.name} has no styles; leave out --style-input")
