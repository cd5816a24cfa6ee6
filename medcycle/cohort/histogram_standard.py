"""The intensity scale that all MR of a cohort are brought to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from medcycle.cohort.vetting import read_trainable
from medcycle.config import DataConfig
from medcycle.dataset.preparation import mr_landmarks
from medcycle.errors import DataError
from medcycle.intensity import MrLandmarks
from medcycle.io.discover import Source
from medcycle.io.files import write_text
from medcycle.io.opening import read_json
from medcycle.isolation import isolated
from medcycle.parallel import parallel_map
from medcycle.progress import ProgressLine

__all__ = ["learn_standard"]


def learn_standard(sources: Sequence[Source], root: Path, config: DataConfig, workers: int) -> tuple[float, ...] | None:
    """Where the landmarks of MR go, learned once for a store and kept in its `standard.json`.

    Args:
        sources: all MR. What can't be used is passed over here; preparation says why.
        root: the store's folder.
        config: spacing and intensity settings.
        workers: processes.

    Returns:
        What `prepare_volume` takes as `standard`; None if no MR can be used.

    Raises:
        DataError: if the file is damaged.
    """
    path = root / "standard.json"
    if path.is_file() and (root / "store.json").is_file():  # of an unfinished store it may be of other settings
        return _read(path)
    with ProgressLine("learning the MR scale", len(sources)) as progress:
        cohort = []
        for source, landmarks in parallel_map(partial(_landmarks, config=config), sources, workers, killed=_none):
            cohort += [landmarks] if landmarks else []
            progress.advance(source.name)
    if not cohort:
        return None
    standard = MrLandmarks.standard_of(cohort)
    write_text(path, json.dumps(standard))
    return standard


def _none(source: Source) -> None:
    """What is known of an MR whose process was killed."""


def _landmarks(source: Source, config: DataConfig) -> tuple[float, ...] | None:
    try:
        with isolated(source.path):
            return mr_landmarks(read_trainable(source, "mr"), config)
    except DataError:
        return None


def _read(path: Path) -> tuple[float, ...]:
    try:
        standard = tuple(float(value) for value in read_json(path))
        MrLandmarks(standard, standard)  # checks them
    except (OSError, ValueError, TypeError, DataError) as error:
        raise DataError(f"{path}: damaged ({error}); delete it and prepare again") from error
    return standard
