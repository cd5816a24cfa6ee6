"""CT and CBCT that are made from those of a store, kept in a folder of it for other runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np

from medcycle.body import Modality
from medcycle.dataset.preparation import Prepared
from medcycle.dataset.store import StoredCase, read_case, write_case
from medcycle.errors import DataError
from medcycle.volume import Array, Grid, Volume

__all__ = ["keep", "kept", "key_of", "place_for", "prepared_of"]


def key_of(*made_of: object) -> str:
    """16 characters that stand for what a case is made of, as plain values; their names may be longer."""
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


def prepared_of(case: StoredCase) -> Prepared:
    """A stored case in memory, float32."""
    image: Array = np.asarray(case.image, dtype=np.float32)
    grid = Grid(image.shape, np.array(case.record.affine))
    return Prepared(Volume(image, grid), Volume(np.asarray(case.body), grid), case.intensity)


def kept(root: Path, modality: Modality, name: str, key: str) -> StoredCase | None:
    """A case whose files can all be opened; one whose files can't is removed, to be made again."""
    if not (folder := root / modality / name).exists():
        return None
    with suppress(DataError):
        case = read_case(root, modality, name, key)
        if case and case.image.shape == case.body.shape:
            return case
    shutil.rmtree(folder, ignore_errors=True)
    return None


def keep(root: Path, modality: Modality, prepared: Prepared, *, name: str, key: str, told: str) -> StoredCase:
    """Write a case, and open it.

    Args:
        root: the folder.
        modality: of the case.
        prepared: the case.
        name: of the case.
        key: what stands for all that it is made of.
        told: its patient: what it is made of, in words.

    Raises:
        OSError: if it can't be written, and no other run has written it meanwhile.
        DataError: if it can't be read back.
    """
    known_as = {"name": name, "patient": told, "sha256": key, "voxels": key, "key": key}
    try:
        write_case(root, prepared, modality=modality, profile=None, **known_as)
    except OSError:
        if made_meanwhile := kept(root, modality, name, key):  # by another run, which reads it by now
            return made_meanwhile
        raise
    if case := kept(root, modality, name, key):
        return case
    raise DataError(f"{root / modality / name} can't be read back; is there room on the disk?")


def place_for(roots: tuple[Path, Path], modality: Modality) -> Path:
    """The first folder that can be written to, or the last."""
    return next((root for root in roots if _may_write(root / modality)), roots[-1])


def _may_write(folder: Path) -> bool:
    """Whether something can be made in a folder that need not be there yet."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
