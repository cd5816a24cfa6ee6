"""Heads so small that any command is through with them in a second, and a method for them."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from medcycle.config import load_config
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.io import write_nifti
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, save_method
from medcycle.phantom import HeadPhantom, head_grid
from tests.sizes import TINY

CASES = ("c0", "c1", "c2")

SETTINGS = (*TINY, "data.spacing=[16, 16, null]", "data.patch_size=[32, 32]")

AS_OPTIONS = tuple(f"--set={one}" for one in SETTINGS)


@cache
def drawn() -> dict[str, bytes]:
    """An MR and a CT of three heads, by their places."""
    grid = head_grid((14, 16, 12), (16, 16, 18))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(CASES):
            head = HeadPhantom.random(number)
            for kind, volume in (("mr", head.mr(grid)), ("ct", head.ct(grid))):
                write_nifti(volume, Path(folder, "one.nii"))
                found[f"{kind}/{name}.nii"] = Path(folder, "one.nii").read_bytes()
    return found


def lay_scans(folder: Path) -> None:
    """Lay MR into `mr` and CT into `ct`."""
    for place, content in drawn().items():
        (folder / place).parent.mkdir(exist_ok=True, parents=True)
        (folder / place).write_bytes(content)


@cache
def model() -> bytes:
    """An untrained method as a checkpoint."""
    config = load_config("demo", SETTINGS)
    intensity = {"ct": HounsfieldWindow(-1024, 2000), "mr": MrPercentile(0, 1000)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.pt")
        save_method(SavedMethod(build_method(config), config, intensity, 1), path)
        return path.read_bytes()
