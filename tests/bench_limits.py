"""What limits and checks of foreign files, locks and syncing cost; part of `make bench`."""

from __future__ import annotations

import contextlib
import importlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcycle.cli.main import execute
from medcycle.config import load_config
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.io import write_nifti
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, save_method
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from tests.sizes import TINY

TURNS = 30
"""In each, a call is made both ways; fewer leave the median of `synthesize` uncertain by some 5 %."""

WITHOUT: dict[str, Callable[..., Any]] = {
    "medcycle.io.nifti.require_voxels": lambda *_: None,
    "medcycle.io.nifti.require_room": lambda *_: None,
    "medcycle.io.nifti.open_regular": lambda path: path.open("rb"),
    "medcycle.io.itk.require_voxels": lambda *_: None,
    "medcycle.io.itk.require_room": lambda *_: None,
    "medcycle.io.dicom.series.require_voxels": lambda *_: None,
    "medcycle.io.dicom.parsing.require_regular": lambda path: path.stat(),
    "medcycle.io.files.open_regular": lambda path: path.open("rb"),
    "medcycle.io.files._sync": lambda path: None,
    "medcycle.io.files.sync_one": lambda path: None,
    "medcycle.io.source.voxel_files": lambda path: (),
    "medcycle.synthesis.runner.locked": lambda *_, **__: contextlib.nullcontext(),
    "medcycle.methods.checkpoint.require_sound_archive": lambda path: None,
    "medcycle.methods.checkpoint.require_fitting_weights": lambda *_: None,
}
"""What there is instead of limits and checks."""


def limits() -> None:
    """`inspect` and `synthesize` with them and without, of a NIfTI file and a DICOM series."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid = head_grid(spacing=(2.0, 2.0, 2.5))
        write_nifti(HeadPhantom.random(0).mr(grid), folder / "mr" / "file.nii.gz")
        write_series(HeadPhantom.random(1).mr(grid), folder / "mr" / "series", modality="MR")
        config = load_config("demo", [*TINY, "data.spacing=[2, 2, null]"])  # small, so that what is read counts
        torch.manual_seed(0)
        maps = {"ct": HounsfieldWindow(-1024, 2000), "mr": MrPercentile(0, 1000)}
        save_method(SavedMethod(build_method(config), config, maps, 1), folder / "model.pt")
        calls = {
            "inspect": ["inspect", str(folder / "mr"), "--workers", "1"],
            "inspect --headers": ["inspect", str(folder / "mr"), "--workers", "1", "--headers"],
            "synthesize": ["synthesize", str(folder / "model.pt"), str(folder / "mr"), str(folder / "out")],
        }
        for title, call in calls.items():
            _beside(title, {"without": _called(call, folder, WITHOUT), "with": _called(call, folder, {})})


def _beside(title: str, ways: dict[str, Callable[[], object]]) -> None:
    """How much longer it takes with limits: the median over turns, in each of which both are taken side by side.

    By the clock and of the processor; the quartiles tell how much the machine makes of it.
    """
    clocks = {"clock": time.perf_counter, "processor": time.process_time}
    found: dict[str, list[float]] = {clock: [] for clock in clocks}
    for turn in range(TURNS + 1):
        taken = {}
        for way in sorted(ways, reverse=bool(turn % 2)):
            before = {clock: read() for clock, read in clocks.items()}
            ways[way]()
            taken |= {(way, clock): read() - before[clock] for clock, read in clocks.items()}
        for clock in clocks if turn else ():  # the first one warms up
            found[clock].append(taken["with", clock] / taken["without", clock] - 1)
    for clock, more in found.items():
        low, median, high = np.percentile(more, (25, 50, 75))
        print(f"{title}, {clock}: {median:+.1%} with limits (quartiles {low:+.1%} and {high:+.1%}, {len(more)} turns)")


def _called(call: list[str], folder: Path, instead: dict[str, Callable[..., Any]]) -> Callable[[], object]:
    def work() -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            for place, by in instead.items():
                module, _, name = place.rpartition(".")
                patch.setattr(importlib.import_module(module), name, by)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                assert execute(call) == 0

    return work


if __name__ == "__main__":
    limits()
