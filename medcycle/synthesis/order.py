"""What is wanted of a run and some volumes, and each output of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch

from medcycle.body import Modality
from medcycle.errors import DataError
from medcycle.inference import Options
from medcycle.io.discover import Source
from medcycle.shards import Shard
from medcycle.synthesis.outputs import Outputs
from medcycle.synthesis.styles import Style

__all__ = ["Order", "Task", "is_file"]

LARGE = 2**25
"""Voxels of a volume beside which no other is held in memory, to be read ahead or written behind."""


@dataclass(frozen=True)
class Order:
    """What is wanted of a run and some volumes.

    Args:
        to: the modality to make.
        outputs: what is written of each.
        options: how they are translated.
        style: a seed, or a volume whose style is taken, for methods with styles; see `styles_for`.
        samples: how many outputs each volume has, in random styles; several go to folders CASE_1, CASE_2, ....
        ensemble: more runs or checkpoints, whose results are fused with those of the first.
        devices: what to compute on, a case on each at a time; none for the best there is.
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.
        ct_offset: what to take off CT that have something added to their HU.
        any_region: also translate volumes that show another region than the model was trained on.
        shard: the part of the volumes that is translated, while other processes do the others; None for all.
        held_out: only translate the volumes that the run was validated on and not trained on.
        replace: make outputs again that were made of other data or in another way, instead of refusing to.
        keep_going: volumes that are refused for what they hold are no error; all that fail are listed in a table in
            the output, see `write_failures`.
    """

    to: Modality = "ct"
    outputs: Outputs = field(default_factory=Outputs)
    options: Options = field(default_factory=Options)
    style: str | None = None
    samples: int = 1
    ensemble: tuple[Path, ...] = ()
    devices: tuple[torch.device, ...] = ()
    resample_irregular: bool = False
    ct_offset: float = 0.0
    any_region: bool = False
    shard: Shard | None = None
    held_out: bool = False
    replace: bool = False
    keep_going: bool = False


@dataclass(frozen=True)
class Task:
    """One output."""

    source: Source
    style: Style | None
    target: Path

    @property
    def is_file(self) -> bool:
        """Whether it is one file, and no folder."""
        return is_file(self.target)

    @property
    def is_large(self) -> bool:
        """Whether it should have the memory for itself."""
        try:
            return math.prod(self.source.grid().shape) > LARGE
        except DataError:  # which is told when it is read; or it is rebuilt then, to nobody knows what size
            return self.source.resample_irregular


def is_file(output: Path) -> bool:
    """Whether a path is meant for one volume, and not for a folder."""
    return output.name.endswith(".nii.gz")
