"""Two folders of scans into a prepared store."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcycle.body import Modality
from medcycle.config import DataConfig
from medcycle.data.prepare import prepare_volume
from medcycle.data.split import describe_split, split_store
from medcycle.data.standard import learn_standard
from medcycle.data.store import STORE_VERSION, CaseRecord, Store, read_record, write_case
from medcycle.data.vetting import compare_regions, read_trainable
from medcycle.errors import DataError, EmptyFolder, UsageError, WrongModality
from medcycle.io.discover import Source, discover
from medcycle.io.files import require_exists, write_text
from medcycle.parallel import parallel_map
from medcycle.progress import ProgressLine
from medcycle.volume import Volume

__all__ = ["cohort_key", "find_cohort", "prepare_cohort", "store_for_training"]

log = logging.getLogger(__name__)

Cohort = dict[Modality, list[Source]]

UNFINISHED = "unfinished-store.txt"
"""Marks a folder that medcycle made and may remove."""

VOLUMES_A_PROCESS = 8
"""Fewer are prepared before another process has started."""

PREPARATION_KEYS = {
    *("plane", "spacing", "hu_window", "soft_tissue", "soft_tissue_share"),
    *("mr_normalisation", "mr_percentile", "bias_correction"),
}
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
    cases = [(modality, _case_key(source, config, None)) for modality, sources in cohort.items() for source in sources]
    return _digest([STORE_VERSION, _preparation(config), cases])


def prepare_cohort(cohort: Cohort, root: Path, config: DataConfig, *, workers: int | None = None) -> Store:
    """Vet and prepare every volume into the store `root`.

    Volumes that the store has already, of the same files and settings, are kept; those that are no longer among the
    scans are left out of the store. What can't be used is refused by name in a warning; the rest is prepared. An
    interrupted preparation goes on where it stopped.

    Args:
        cohort: the scans.
        root: a new or empty folder, a store, or an unfinished one.
        config: how to prepare.
        workers: processes; None for as many as there are processors, if the cohort is large enough for them.

    Raises:
        UsageError: if `root` holds anything but a store of the same settings, or an unfinished one.
        DataError: if no volume of a modality can be used.
    """
    key = cohort_key(cohort, config)
    if (root / "store.json").is_file():
        store = Store.open(root)
        if store.key == key:
            _record_split(store, config)
            return store
        if store.data != _preparation(config):
            raise UsageError(f"{root}: a store of other settings; delete it, or give another folder")
    else:
        _make_room(root)
    volumes = sum(map(len, cohort.values()))
    workers = _enough(volumes) if workers is None else workers
    standard = learn_standard(cohort["mr"], root, config, workers) if config.mr_normalisation == "nyul" else None
    tasks = [_Task(source, kind, root, config, standard) for kind, sources in cohort.items() for source in sources]
    records = _prepare_all(tasks, workers)
    names: dict[Modality, list[str]] = {kind: [r.name for r in records if r.modality == kind] for kind in cohort}
    store = Store.finish(root, key, _preparation(config), names)
    (root / UNFINISHED).unlink(missing_ok=True)
    _record_split(store, config)
    if warning := compare_regions(store):
        log.warning("%s", warning)
    return store


def _record_split(store: Store, config: DataConfig) -> None:
    """Write the split that the settings give to `split.json`, for people to read; training makes it again."""
    text = json.dumps(describe_split(*split_store(store, config)), indent=1)
    path = store.root / "split.json"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


@dataclass(frozen=True)
class _Task:
    """One volume to prepare."""

    source: Source
    modality: Modality
    root: Path
    config: DataConfig
    standard: tuple[float, ...] | None


def _enough(volumes: int) -> int:
    """Processes that pay: each takes some seconds to start."""
    return max(1, min(os.cpu_count() or 1, volumes // VOLUMES_A_PROCESS))


def _make_room(root: Path) -> None:
    """An empty folder with the mark of an unfinished store, or an unfinished one."""
    if root.exists() and (root.is_file() or any(root.iterdir())):
        # a folder of scans may hold `mr` and `ct` just as a store does: only the mark tells them apart
        if not (root / UNFINISHED).is_file():
            raise UsageError(f"{root}: not empty and not a store; give another folder")
        for torn in root.glob("*/.partial-*"):
            shutil.rmtree(torn)
    write_text(root / UNFINISHED, "An interrupted preparation: the next one goes on with this folder.\n")


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

    A store made of folders lies beside the run, in `medcycle-store-KEY`, where KEY stands for the folders and the
    settings: all runs in one folder share it, and scans that come later are added to it.

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
    place = _digest([str(mr.resolve()), str(ct.resolve()), resample_irregular, _preparation(config)])
    return prepare_cohort(cohort, run.resolve().parent / f"medcycle-store-{place}", config)


def _prepare_all(tasks: Sequence[_Task], workers: int) -> list[CaseRecord]:
    """The records of all that could be used, sorted by name; what could not is refused in a warning."""
    records: list[CaseRecord] = []
    refused: dict[Modality, list[DataError]] = {"mr": [], "ct": []}
    with ProgressLine("preparing", len(tasks)) as progress:
        for task, made in parallel_map(_prepare_one, tasks, workers):
            if isinstance(made, DataError):
                refused[task.modality].append(made)
            else:
                records.append(made)
            progress.advance(f"{task.modality} {task.source.name}")
    for modality, reasons in refused.items():
        if not any(record.modality == modality for record in records):
            if not (tasks[0].root / "store.json").is_file():
                shutil.rmtree(tasks[0].root, ignore_errors=True)
            kind = WrongModality if all(isinstance(error, WrongModality) for error in reasons) else DataError
            raise kind(f"no {modality.upper()} can be used; {len(reasons)} refused, the first: {reasons[0]}")
        for reason in reasons:
            log.warning("refused: %s", reason)
    return _without_duplicates(sorted(records, key=lambda record: record.name))


def _prepare_one(task: _Task) -> CaseRecord | DataError:
    source, modality = task.source, task.modality
    key = _case_key(source, task.config, task.standard)
    record = read_record(task.root, modality, source.name)
    if record and record.key == key:
        return record
    try:
        volume = read_trainable(source, modality)
        prepared = prepare_volume(volume, modality, task.config, task.standard)
        if not prepared.body.array.any():
            raise DataError(f"{source.path}: no body found; check that it shows a patient")
    except DataError as error:
        return error
    identity = {"patient": source.patient, "sha256": _sha256(source), "voxels": _voxels(volume), "key": key}
    write_case(task.root, prepared, name=source.name, modality=modality, **identity)
    record = read_record(task.root, modality, source.name)
    if record is None:
        raise DataError(f"{task.root}: {source.name} can't be read back; is another preparation writing there?")
    return record


def _without_duplicates(records: Sequence[CaseRecord]) -> list[CaseRecord]:
    first: dict[str, CaseRecord] = {}
    for record in records:
        known = first.setdefault(record.voxels, record)
        if known is not record:
            log.warning("left out: %s %s has the voxels of %s", record.modality.upper(), record.name, known.name)
    return list(first.values())


def _voxels(volume: Volume) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(volume.array.T).data)
    digest.update(volume.grid.affine.round(3).tobytes())
    return digest.hexdigest()


def _case_key(source: Source, config: DataConfig, standard: tuple[float, ...] | None) -> str:
    files = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in source.files]
    return _digest([STORE_VERSION, _preparation(config), standard, source.name, source.resample_irregular, files])


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _sha256(source: Source) -> str:
    digest = hashlib.sha256()
    for file in source.files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _preparation(config: DataConfig) -> dict[str, object]:
    return {name: value for name, value in config.model_dump(mode="json").items() if name in PREPARATION_KEYS}
