"""One scan or picture into the store."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcycle.body import Modality, values_of
from medcycle.cohort.cohort import case_key
from medcycle.cohort.vetting import read_trainable
from medcycle.config import DataConfig
from medcycle.dataset.pictures import prepared_picture
from medcycle.dataset.preparation import Prepared, prepare_volume
from medcycle.dataset.profile import Profile, profile_of
from medcycle.dataset.store import UNFINISHED, StoredCase, read_case, write_case
from medcycle.errors import DataError
from medcycle.io.discover import Source
from medcycle.io.files import write_text
from medcycle.io.pictures import read_picture
from medcycle.isolation import isolated
from medcycle.volume import Volume

__all__ = ["Task", "mark_unfinished", "prepare_one"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One volume to prepare.

    Args:
        source: the volume.
        modality: of it.
        root: of the store.
        config: how to prepare.
        standard: the scale of the MR, if they are brought to one.
    """

    source: Source
    modality: Modality
    root: Path
    config: DataConfig
    standard: tuple[float, ...] | None


def mark_unfinished(root: Path) -> None:
    """Say that a folder holds a store that is not finished."""
    if not (root / UNFINISHED).is_file():
        write_text(root / UNFINISHED, "An interrupted preparation: the next one goes on with this folder.\n")


def prepare_one(task: Task) -> StoredCase | DataError:
    """Prepare one volume into its store, unless it is there; or why it can't be used."""
    source, modality = task.source, task.modality
    try:
        with isolated(source.path):
            key = case_key(source, task.config, task.standard)
            if known := read_case(task.root, modality, source.name, key):
                return known
            if task.config.pictures:
                prepared = prepared_picture(read_picture(source.path), modality)
                volume, profile = prepared.image, None
            else:
                volume, prepared, profile = _prepared(task)
            identity = {"patient": source.patient, "sha256": source.sha256(), "voxels": _voxels(volume), "key": key}
        mark_unfinished(task.root)
        with isolated(source.path, but=OSError):  # of the store's disk, which is the same for all
            write_case(task.root, prepared, name=source.name, modality=modality, profile=profile, **identity)
    except DataError as error:
        return error
    written = read_case(task.root, modality, source.name, key)
    if written is None:
        raise DataError(f"{task.root}: {source.name} can't be read back; check that no other process is writing there")
    return written


def _prepared(task: Task) -> tuple[Volume, Prepared, Profile]:
    """A scan, vetted and prepared."""
    source, modality = task.source, task.modality
    volume = read_trainable(source, values_of(modality, task.config.source))
    prepared = prepare_volume(volume, modality, task.config, task.standard)
    if not prepared.body.array.any():
        raise DataError(f"{source.path}: no body found; check that it shows a patient")
    if prepared.remark:
        log.warning("%s: %s", source.path, prepared.remark)
    return volume, prepared, profile_of(volume.grid, prepared, task.config.plane, modality)


def _voxels(volume: Volume) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(volume.array.T).data)
    digest.update(volume.grid.affine.round(3).tobytes())
    return digest.hexdigest()
