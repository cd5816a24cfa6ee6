"""A checkpoint into the folder of a MONAI Bundle."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from monai.data.torchscript_utils import save_net_with_metadata
from torch import Tensor, nn

from medcycle import __version__
from medcycle.body import Modality
from medcycle.errors import ExportFailed
from medcycle.export.bundle.configs import MODEL, inference_config
from medcycle.export.bundle.metadata import metadata_of
from medcycle.export.bundle.readme import readme_of
from medcycle.export.bundle.sources import write_scripts
from medcycle.export.formats import TOLERANCE
from medcycle.export.wrapper import Sizes, sizes_of, translation_of
from medcycle.inference import require_direction
from medcycle.io.files import atomic_path, require_absent, require_writable, sha256_of
from medcycle.methods.checkpoint import checkpoint_of, load_method
from medcycle.models import Description
from medcycle.models.description import SUFFIX

__all__ = ["export_bundle"]

ELSEWHERE = "try --format onnx or torch-export"


def export_bundle(run_or_checkpoint: Path, output: Path, *, to: Modality = "ct") -> float:
    """Write one direction of a trained method as a MONAI Bundle; all of it, or nothing.

    Args:
        run_or_checkpoint: a run's folder, a checkpoint or a shipped model.
        output: the bundle's folder, absent so far.
        to: the modality that it makes.

    Returns:
        The largest difference from the trained network in [−1, 1], on random images.

    Raises:
        UsageError: if there is something already or it can't be written, or the method lacks the direction.
        BadCheckpoint: if the checkpoint can't be used.
        ExportFailed: if the network can't be traced, or gives other values then.
    """
    require_absent(output)
    require_writable(output)
    checkpoint = checkpoint_of(run_or_checkpoint, to=to)
    saved = load_method(checkpoint)
    require_direction(saved, to)
    sizes = sizes_of(saved, to, style_input=False)
    if sizes.dims == 2:
        sizes = replace(sizes, fixed=None)  # frames about bodies have many sizes; what can't take them is told below
    shipped = Description.read(checkpoint) if checkpoint.suffix == SUFFIX else None
    identity = {"file": checkpoint.name, "sha256": sha256_of(checkpoint)}
    if shipped:
        identity |= {"weights": shipped.weights.file, "weights_sha256": shipped.weights.sha256}
    licence = _licence()
    metadata = metadata_of(saved, to, sizes, checkpoint=identity, shipped=shipped)
    inference = inference_config(saved, to, sizes)
    with atomic_path(output) as folder:
        for name in ("configs", "models", "docs"):
            (folder / name).mkdir(parents=True)
        difference = _write_checked(translation_of(saved, to, sizes), sizes, folder / MODEL, metadata, inference)
        _write_json(folder / "configs" / "metadata.json", metadata)
        _write_json(folder / "configs" / "inference.json", inference)
        write_scripts(folder / "scripts", __version__)
        (folder / "docs" / "README.md").write_text(readme_of(metadata, shipped), encoding="utf-8")
        (folder / "LICENSE").write_text(licence, encoding="utf-8")
    return difference


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _licence() -> str:
    """That of medcycle, whose modules are in the scripts."""
    with suppress(PackageNotFoundError):
        if text := distribution("medcycle").read_text("licenses/LICENSE"):
            return text
    raise ExportFailed("medcycle's licence, which a bundle has to hold, is not installed; pip install medcycle")


def _write_checked(
    network: nn.Module, sizes: Sizes, path: Path, metadata: dict[str, Any], inference: dict[str, Any]
) -> float:
    """Write a network as TorchScript, run what was written on images of other sizes and compare; as `export_bundle`."""
    # MONAI Label, MONAI Deploy and MONAI itself load TorchScript without a network's code, and no torch.export yet
    script: Any = torch.jit
    with _quietly(), torch.no_grad():
        try:
            traced = script.trace(network, sizes.example(batch=2, beyond=1), check_trace=False)
            extra = {"inference.json": json.dumps(inference).encode()}
            save_net_with_metadata(traced, str(path), meta_values=metadata, more_extra_files=extra)
            written = script.load(str(path))
            difference = max(_difference(written, network, sizes.example(batch, beyond=2 - batch)) for batch in (1, 2))
        except Exception as error:  # of tracers, which raise what they like
            reason = " ".join(str(error).split())[:200]
            raise ExportFailed(
                f"--format monai-bundle: the network can't be traced for all sizes ({reason}); {ELSEWHERE}"
            ) from error
    if not difference <= TOLERANCE:
        raise ExportFailed(
            f"--format monai-bundle: the traced network differs from the network by {difference:.2g} in [-1, 1], more "
            f"than {TOLERANCE:g}; {ELSEWHERE}"
        )
    return difference


def _difference(written: Any, network: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    made, expected = written(*inputs), network(*inputs)
    return float((made - expected).abs().max()) if made.shape == expected.shape else float("inf")


@contextmanager
def _quietly() -> Iterator[None]:
    """PyTorch warns that TorchScript goes out of use, and of sizes that become constants: the check shows these."""
    with warnings.catch_warnings(action="ignore"):
        yield
