"""Which scans a run held out of its training."""

from __future__ import annotations

from pathlib import Path

from medcycle.body import Modality
from medcycle.errors import UsageError
from medcycle.io.opening import read_json
from medcycle.methods.checkpoint import MANIFEST

__all__ = ["held_out_names"]


def held_out_names(run: Path, modality: Modality) -> set[str]:
    """The names of the cases that a run was validated on.

    Args:
        run: its folder, or a checkpoint in it.
        modality: of the cases.

    Raises:
        UsageError: if `run` is neither, or its manifest can't be read or lists none.
    """
    path = (run.parents[1] if run.is_file() else run) / MANIFEST
    try:
        names = {str(one["name"]) for one in read_json(path)["split"]["validation"][modality]}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{path}: tells no held-out scans; give the folder of a run that `train` wrote") from error
    if not names:
        raise UsageError(f"{run}: held out no {modality.upper()}; train with data.validation_fraction or data.folds")
    return names
