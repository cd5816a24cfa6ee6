"""The prepared store: one memory-mapped array a volume, and JSON beside it.

    STORE/store.json                 what it was made from and how
    STORE/split.json                 the patients to train and to validate on
    STORE/standard.json              with `mr_normalisation: nyul`, where the landmarks of MR go
    STORE/mr/NAME@KEY/...            a later version of a case, whose source has changed
    STORE/mr/NAME/image.npy          float16 in [−1, 1], −1 outside the body, [i, j, k] in Fortran order; k: slices
    STORE/mr/NAME/body.npy           booleans
    STORE/mr/NAME/case.json          `CaseRecord`
    STORE/ct/...                     the same
    STORE/deformed/ct/...              the same of CT in the shape of others, which trainings have made
    STORE/deformed/failed/NAME.txt     why one can't be made

Fortran order keeps every slice in one piece of the file. A case is written once and never changed, since trainings may
be reading it; `store.json` says which version of each belongs to the store.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medcycle.body import Modality
from medcycle.dataset.air_and_bone import air_and_bone_by_slice
from medcycle.dataset.preparation import Prepared
from medcycle.dataset.profile import Profile
from medcycle.errors import DataError, UnreadableFile, UsageError
from medcycle.intensity import IntensityMap, map_from_dict
from medcycle.io.files import atomic_path, write_text
from medcycle.io.locks import is_kept, require_unlocked
from medcycle.io.opening import read_json, require_regular
from medcycle.volume import Array

__all__ = [
    "STORE_VERSION",
    "UNFINISHED",
    "CaseRecord",
    "Store",
    "StoredCase",
    "read_case",
    "read_index",
    "remove_other_versions",
    "write_case",
]

STORE_VERSION = 3

UNFINISHED = "unfinished-store.txt"
"""Marks a folder that a preparation is working on; only such a one may be gone on with or removed."""


@dataclass(frozen=True)
class CaseRecord:
    """What is known of a prepared case.

    Args:
        name: the case.
        modality: `mr` or `ct`.
        patient: PatientID of a DICOM series, the subject of a BIDS name, or the case's name.
        sha256: hash of the source's files.
        voxels: hash of the source's voxels and where they are, whatever file they came in.
        key: digest of the source's files and the settings it was prepared with.
        shape: voxels of the prepared image.
        affine: its affine, RAS+ mm.
        intensity: the intensity map as plain values.
        body_fraction: for each slice, the fraction of it in the body.
        detail: for each slice of a CT, the fraction of it that is air within the body or bone; empty for MR.
        profile: what the scan is like, as `Profile.to_dict` has it; empty in older stores.
    """

    name: str
    modality: Modality
    patient: str
    sha256: str
    voxels: str
    key: str
    shape: list[int]
    affine: list[list[float]]
    intensity: dict[str, Any]
    body_fraction: list[float]
    detail: list[float]
    profile: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredCase:
    """A prepared case on disk; arrays are opened when first asked for, and only mapped into memory."""

    folder: Path
    record: CaseRecord

    @cached_property
    def image(self) -> Array:
        """Float16 in [−1, 1], indexed [i, j, k]; read-only. Raises `DataError` if the file is damaged."""
        return _open_array(self.folder / "image.npy", self.record.shape, np.float16)

    @cached_property
    def body(self) -> Array:
        """Booleans of the image's shape; read-only. Raises `DataError` if the file is damaged."""
        return _open_array(self.folder / "body.npy", self.record.shape, np.bool_)

    def require_whole(self) -> None:
        """Raise `DataError` if a file was cut since it was opened: a process that reads there is killed by its system.

        It can still be cut between this and the reading; it costs some microseconds, so that every patch can ask.
        """
        for name, array in (("image.npy", self.image), ("body.npy", self.body)):
            if isinstance(array, np.memmap) and array.offset + array.nbytes > _size(self.folder / name):
                raise DataError(f"{self.folder / name}: cut short while it was in use; delete the store, prepare again")

    @property
    def intensity(self) -> IntensityMap:
        """The map from real units to the image's values."""
        return map_from_dict(self.record.intensity)


@dataclass(frozen=True)
class Store:
    """A finished store.

    Args:
        root: its folder.
        key: a digest of the sources and the settings it was made from.
        data: the settings, as plain values of the configuration's `data` section.
        mr: the MR cases, sorted by name.
        ct: the CT cases, sorted by name.
    """

    root: Path
    key: str
    data: dict[str, Any]
    mr: tuple[StoredCase, ...]
    ct: tuple[StoredCase, ...]

    def both(self) -> dict[Modality, tuple[StoredCase, ...]]:
        """The cases by modality."""
        return {"mr": self.mr, "ct": self.ct}

    @property
    def contents(self) -> str:
        """How many cases there are, in words: `7 MR and 6 CT`."""
        return " and ".join(f"{len(cases)} {kind.upper()}" for kind, cases in self.both().items() if cases)

    @classmethod
    def open(cls, root: Path) -> Store:
        """Open a store for reading.

        Raises:
            UsageError: if there is none at `root`, or an unfinished one.
            DataError: if it is damaged or of another version.
        """
        values = read_index(root)
        if (root / UNFINISHED).is_file():
            require_unlocked(root)
            raise UsageError(f"{root}: its preparation was interrupted; call `medcycle prepare` again to finish it")
        try:
            mr, ct = (tuple(_open_case(root / kind / name) for name in values[kind]) for kind in ("mr", "ct"))
        except (OSError, ValueError, KeyError, TypeError, UnreadableFile) as error:
            raise _damaged(root, error) from error
        return cls(root, values["key"], values["data"], mr, ct)

    @staticmethod
    def finish(root: Path, key: str, data: dict[str, Any], cases: Mapping[Modality, Sequence[StoredCase]]) -> Store:
        """Write the index that makes a folder of cases a store, and open it."""
        folders = {kind: [case.folder.name for case in cases[kind]] for kind in ("mr", "ct")}
        index: dict[str, Any] = {"version": STORE_VERSION, "key": key, "data": data, **folders}
        write_text(root / "store.json", json.dumps(index, indent=1))
        (root / UNFINISHED).unlink(missing_ok=True)
        return Store.open(root)


def read_index(root: Path) -> dict[str, Any]:
    """What `store.json` says: `key`, `data` and the folders of `mr` and `ct`. Raises as `Store.open` does."""
    index = root / "store.json"
    if not index.is_file():
        raise UsageError(f"{root}: not a prepared store (no store.json); make one with `medcycle prepare`")
    try:
        values: dict[str, Any] = read_json(index)
        if values["version"] != STORE_VERSION:
            raise DataError(
                f"{root}: a store of version {values['version']}, not {STORE_VERSION}; delete it and prepare again"
            )
        return {name: values[name] for name in ("key", "data", "mr", "ct")}
    except (OSError, ValueError, KeyError, TypeError, UnreadableFile) as error:
        raise _damaged(root, error) from error


def _damaged(root: Path, error: Exception) -> DataError:
    return DataError(f"{root}: the store is damaged ({error}); delete it and prepare again")


def write_case(
    root: Path,
    prepared: Prepared,
    *,
    name: str,
    modality: Modality,
    profile: Profile | None = None,
    **identity: str,
) -> None:
    """Write one case below `root`, whole or not at all: into the folder NAME, or NAME@KEY if there is another NAME.

    Args:
        root: of the store.
        prepared: the case.
        name: of the case.
        modality: the folder above.
        profile: how it compares with others.
        identity: the `patient`, `sha256`, `voxels` and `key` of `CaseRecord`.

    Raises:
        OSError: if the folder can't be written, or this version of the case is there already.
    """
    body = prepared.body.array
    record = CaseRecord(
        name=name,
        modality=modality,
        **identity,
        shape=list(prepared.image.grid.shape),
        affine=prepared.image.grid.affine.tolist(),
        intensity=prepared.intensity.to_dict(),
        body_fraction=body.mean(axis=(0, 1)).round(4).tolist(),
        detail=air_and_bone_by_slice(prepared) if modality == "ct" else [],
        profile=profile.to_dict() if profile else {},
    )
    final, later = _versions(root, modality, name, record.key)
    with atomic_path(later if final.exists() else final) as folder:
        folder.mkdir(parents=True)
        np.save(folder / "image.npy", np.asfortranarray(prepared.image.array, dtype=np.float16))
        np.save(folder / "body.npy", np.asfortranarray(body))
        (folder / "case.json").write_text(json.dumps(asdict(record)), encoding="utf-8")


def _versions(root: Path, modality: Modality, name: str, key: str) -> tuple[Path, Path]:
    """The folders that a case may be in: of its first version, and of a later one."""
    folder = root / modality
    return folder / name, folder / f"{name}@{key}"


def read_case(root: Path, modality: Modality, name: str, key: str) -> StoredCase | None:
    """The version of a case that has a key, if it was written whole by this version of medcycle; else None."""
    for folder in _versions(root, modality, name, key):
        with suppress(OSError, ValueError, TypeError, UnreadableFile):
            case = _open_case(folder)
            if case.record.key == key:
                return case
    return None


def remove_other_versions(store: Store) -> None:
    """Remove folders of cases that the store no longer has, unless a process reads the store."""
    if is_kept(store.root):
        return
    for kind, cases in store.both().items():
        current = {case.folder.name for case in cases}
        for folder in (store.root / kind).glob("*"):
            if folder.name not in current and (folder / "case.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)


def _open_case(folder: Path) -> StoredCase:
    values = read_json(folder / "case.json")
    return StoredCase(folder, CaseRecord(**values))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _open_array(path: Path, shape: Sequence[int], kind: type[np.generic]) -> Array:
    """A stored array, mapped into memory; raises `DataError` if it is none of that shape and kind."""
    try:
        require_regular(path)
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        if list(array.shape) != list(shape) or array.dtype != kind:
            raise ValueError(f"{array.dtype} of {array.shape}, not {np.dtype(kind)} of {tuple(shape)}")
    except (OSError, ValueError, UnreadableFile) as error:
        raise DataError(f"{path}: the stored array is damaged ({error}); delete the store and prepare again") from error
    return array
