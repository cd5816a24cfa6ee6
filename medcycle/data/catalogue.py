"""Two folders of scans into a prepared store."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from medcycle.body import Modality
from medcycle.config import DataConfig
from medcycle.data.prepare import prepare_volume
from medcycle.data.store import STORE_VERSION, Store, write_case
from medcycle.data.vetting import require_trainable, vet
from medcycle.errors import DataError, EmptyFolder, UsageError, WrongModality
from medcycle.io.discover import Source, discover
from medcycle.io.files import require_exists, write_text
from medcycle.progress import ProgressLine

__all__ = ["cohort_key", "find_cohort", "prepare_cohort", "store_for_training"]

log = logging.getLogger(__name__)

Cohort = dict[Modality, list[Source]]

UNFINISHED = "unfinished-store.txt"
"""Marks a folder that medcycle made and may remove."""

PREPARATION_KEYS = {"spacing", "hu_window", "soft_tissue", "soft_tissue_share", "mr_percentile"}
"""The settings that the stored arrays depend on; the rest only decide how they are sampled."""


def find_cohort(mr: Path, ct: Path, *, resample_irregular: bool = False) -> Cohort:
    """The volumes of both folders.

    Args:
        mr: a folder of MR.
        ct: a folder of CT.
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.

    Raises:
        UsageError: if a folder is not there, or both are the same.
        EmptyFolder: if one holds no volume.
    """
    if mr.resolve() == ct.resolve():
        raise UsageError(f"{mr}: given as both MR and CT; give a folder for each")
    cohort: Cohort = {}
    for modality, folder in (("mr", mr), ("ct", ct)):
        require_exists(folder, f"a folder of {modality.upper()} volumes")
        cohort[modality] = discover(folder, resample_irregular=resample_irregular)  # type: ignore[index]
        if not cohort[modality]:  # type: ignore[index]
            raise EmptyFolder(
                f"{folder}: no volumes (.nii, .nii.gz, .nrrd, .mha or DICOM series) for {modality.upper()}"
            )
    return cohort


def cohort_key(cohort: Cohort, config: DataConfig) -> str:
    """A digest of the files' paths, sizes and times and of the settings that preparation depends on."""
    files = [
        (
            modality,
            source.name,
            source.resample_irregular,
            str(file.resolve()),
            file.stat().st_size,
            file.stat().st_mtime_ns,
        )
        for modality, sources in cohort.items()
        for source in sources
        for file in source.files
    ]
    settings = _preparation(config)
    text = json.dumps([STORE_VERSION, settings, files])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def prepare_cohort(cohort: Cohort, root: Path, config: DataConfig) -> Store:
    """Vet and prepare every volume into the store `root`, or open the store if it was made from the same.

    What can't be used is refused by name in a warning; the rest is prepared.

    Raises:
        UsageError: if `root` holds anything but a store of the same scans and settings, or an unfinished one.
        DataError: if no volume of a modality can be used.
    """
    key = cohort_key(cohort, config)
    if (root / "store.json").is_file():
        store = Store.open(root)
        if store.key != key:
            raise UsageError(f"{root}: a store of other scans or settings; delete it, or give another folder")
        return store
    _make_room(root)
    names: dict[Modality, list[str]] = {}
    total = sum(len(sources) for sources in cohort.values())
    with ProgressLine("preparing", total) as progress:
        for modality, sources in cohort.items():
            names[modality] = _prepare_all(sources, modality, root, config, progress)
    store = Store.finish(root, key, _preparation(config), names)
    (root / UNFINISHED).unlink()
    return store


def _make_room(root: Path) -> None:
    """An empty folder with the mark of an unfinished store; what an interrupted preparation left is removed."""
    if root.exists() and (root.is_file() or any(root.iterdir())):
        # a folder of scans may hold `mr` and `ct` just as a store does: only the mark tells them apart
        if not (root / UNFINISHED).is_file():
            raise UsageError(f"{root}: not empty and not a store; give another folder")
        shutil.rmtree(root)
    write_text(root / UNFINISHED, "An interrupted preparation: the next one removes this folder's contents.\n")


def store_for_training(
    config: DataConfig,
    store: Path | None,
    mr: Path | None,
    ct: Path | None,
    run: Path,
    *,
    resample_irregular: bool = False,
) -> Store:
    """The store to train on: the one given, or one made of two folders.

    A store made of folders lies beside the run, in `medcycle-store-KEY`, where KEY is `cohort_key`: all runs in one
    folder share it as long as data and settings stay the same.

    Raises:
        UsageError: if neither a store nor both folders are given, or all are, or the store was prepared with other
            settings.
    """
    if store is not None:
        if mr is not None or ct is not None:
            raise UsageError("--store goes without --mr and --ct; give one or the others")
        opened = Store.open(store)
        if opened.data != _preparation(config):
            raise UsageError(
                f"{store}: prepared with {opened.data}, the configuration says {_preparation(config)}; prepare it again"
            )
        return opened
    if mr is None or ct is None:
        raise UsageError("no data to train on; give --mr and --ct, or --store")
    cohort = find_cohort(mr, ct, resample_irregular=resample_irregular)
    return prepare_cohort(cohort, run.resolve().parent / f"medcycle-store-{cohort_key(cohort, config)}", config)


def _prepare_all(
    sources: Sequence[Source], modality: Modality, root: Path, config: DataConfig, progress: ProgressLine
) -> list[str]:
    names: list[str] = []
    refused: list[DataError] = []
    for source in sources:
        try:
            _prepare_one(source, modality, root, config)
            names.append(source.name)
        except DataError as error:
            refused.append(error)
        progress.advance(f"{modality} {source.name}")
    if not names:
        shutil.rmtree(root, ignore_errors=True)
        kind = WrongModality if all(isinstance(error, WrongModality) for error in refused) else DataError
        raise kind(f"no {modality.upper()} can be used; {len(refused)} refused, the first: {refused[0]}")
    for reason in refused:
        log.warning("refused: %s", reason)
    return sorted(names)


def _prepare_one(source: Source, modality: Modality, root: Path, config: DataConfig) -> None:
    volume = source.read()
    vet(source, volume, modality)
    require_trainable(source.path, volume.grid)
    prepared = prepare_volume(volume, modality, config)
    if not prepared.body.array.any():
        raise DataError(f"{source.path}: no body found; check that it shows a patient")
    write_case(root, prepared, name=source.name, modality=modality, patient=source.patient, sha256=_sha256(source))


def _sha256(source: Source) -> str:
    digest = hashlib.sha256()
    for file in source.files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _preparation(config: DataConfig) -> dict[str, object]:
    return {name: value for name, value in config.model_dump(mode="json").items() if name in PREPARATION_KEYS}
