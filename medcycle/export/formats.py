"""Networks in ONNX's and in PyTorch's format: writing, and running what was written."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from medcycle.errors import ExportFailed, UsageError
from medcycle.export.tracing import traced
from medcycle.export.wrapper import Sizes

__all__ = ["EXTENSIONS", "INPUTS", "OPSET", "OUTPUT", "TOLERANCE", "ModelFormat", "require_packages", "write_checked"]

ModelFormat = Literal["onnx", "torch-export"]

EXTENSIONS: dict[ModelFormat, str] = {"onnx": ".onnx", "torch-export": ".pt2"}

PACKAGES: dict[ModelFormat, tuple[str, ...]] = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torch-export": ()}

OPSET = 20
"""of ONNX."""

INPUTS, OUTPUT = ("image", "style"), "translation"
"""Names of what goes in, as far as it does, and of what comes out."""

DESCRIPTION = "medcycle.json"
"""What the description is called inside a model."""

TOLERANCE = 1e-3
"""An exported network's values in [−1, 1] differ from the original's by no more."""


def require_packages(model_format: ModelFormat) -> None:
    """Raise `UsageError` if a package is missing that writes or checks the format."""
    for name in PACKAGES[model_format]:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UsageError(
                f'--format {model_format} needs {name}, which can\'t be imported; pip install "medcycle[export]"'
            ) from error


def write_checked(network: nn.Module, sizes: Sizes, path: Path, model_format: ModelFormat, description: str) -> float:
    """Write a network, run what was written on random images, and compare.

    Args:
        network: on the CPU, in evaluation mode.
        sizes: of its inputs.
        path: the file, absent so far, with the format's extension.
        model_format: what to write.
        description: JSON that goes into the file.

    Returns:
        The largest difference from the network in [−1, 1].

    Raises:
        ExportFailed: if the network can't be traced, written or run, or gives other values then.
    """
    inputs = sizes.example(batch=1)
    with _quietly(), torch.no_grad():
        expected = network(*inputs)
        try:
            WRITERS[model_format](traced(network, sizes), path, description)
            made = RUNNERS[model_format](path, inputs)
        except Exception as error:  # of exporters and runtimes, which raise what they like
            reason = " ".join(str(error).split())[:200]
            raise ExportFailed(
                f"--format {model_format}: the network can't be exported ({reason}); try the other format"
            ) from error
    difference = float((made - expected).abs().max()) if made.shape == expected.shape else float("inf")
    if not difference <= TOLERANCE:
        raise ExportFailed(
            f"--format {model_format}: the exported model differs from the network by {difference:.2g} in [-1, 1], "
            f"more than {TOLERANCE:g}; try the other format"
        )
    return difference


def _write_onnx(program: torch.export.ExportedProgram, path: Path, description: str) -> None:
    names = INPUTS[: len(program.graph_signature.user_inputs)]
    made = torch.onnx.export(
        program, dynamo=True, verbose=False, input_names=names, output_names=[OUTPUT], opset_version=OPSET
    )
    model = cast(torch.onnx.ONNXProgram, made)
    model.model.metadata_props[DESCRIPTION] = description
    model.save(path, external_data=False)


def _run_onnx(path: Path, inputs: tuple[Tensor, ...]) -> Tensor:
    runtime: Any = importlib.import_module("onnxruntime")  # of an extra
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=False)}
    return torch.from_numpy(session.run([OUTPUT], given)[0])


def _write_torch(program: torch.export.ExportedProgram, path: Path, description: str) -> None:
    torch.export.save(program, path, extra_files={DESCRIPTION: description})


def _run_torch(path: Path, inputs: tuple[Tensor, ...]) -> Tensor:
    return cast(Tensor, torch.export.load(path).module()(*inputs))


WRITERS = {"onnx": _write_onnx, "torch-export": _write_torch}
RUNNERS = {"onnx": _run_onnx, "torch-export": _run_torch}


@contextmanager
def _quietly() -> Iterator[None]:
    """Exporters warn of their own ways, and of packages that they could use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)
