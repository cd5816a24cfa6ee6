"""Two folders of scans into a prepared store."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from medcycle.body import Modality
from medcycle.cohort.cohort import Cohort, cohort_key, preparation_of
from medcycle.cohort.histogram_standard import learn_standard
from medcycle.cohort.one_case import Task, mark_unfinished, prepare_one
from medcycle.cohort.split import describe_split, read_split_file, split_store
from medcycle.cohort.vetting import compare_regions
from medcycle.config import DataConfig
from medcycle.dataset.store import (
    UNFINISHED,
    Store,
    StoredCase,
    read_index,
    remove_other_versions,
)
from medcycle.errors import CaseFailed, DataError, MedcycleError, UsageError, WorkerLost, WrongModality
from medcycle.io.files import write_text
from medcycle.io.locks import locked
from medcycle.parallel import KILLED, parallel_map
from medcycle.processors import available_processors
from medcycle.progress import ProgressLine, remark

__all__ = [
    "prepare_cohort",
    "prepare_each",
    "require_place",
    "require_settings",
    "store_as_it_is",
    "tasks_of",
]

log = logging.getLogger(__name__)

VOLUMES_A_PROCESS = 8
"""Fewer are prepared before another process has started."""


def prepare_cohort(
    cohort: Cohort,
    root: Path,
    config: DataConfig,
    *,
    workers: int | None = None,
    on_failed: Callable[[CaseFailed], None] | None = None,
) -> Store:
    """Vet and prepare every volume into the store `root`.

    Volumes that the store has already, of the same files and settings, are kept; those that are no longer among the
    scans are left out of the store. What can't be used is refused by name in a warning; the rest is prepared. An
    interrupted preparation goes on where it stopped. What failed for lack of memory or by a disk, and not of what it
    is, is tried again by the next one.

    Args:
        cohort: the scans.
        root: a new or empty folder, a store, or an unfinished one.
        config: how to prepare.
        workers: processes; None for as many as there are processors, if the cohort is large enough for them.
        on_failed: called with each error that is not of what a volume holds.

    Raises:
        UsageError: if `root` holds anything but a store of the same settings, or an unfinished one.
        DataError: if no volume of a modality can be used.
    """
    if config.split_file:
        read_split_file(Path(config.split_file))  # found wrong now, not after the work
    key = cohort_key(cohort, config)
    if store := store_as_it_is(root, key, config):
        _record_split(store, config)
        remark(f"{root}: prepared by an earlier call, from the same scans with the same settings; it is kept")
        return store
    workers = _enough(len(cohort)) if workers is None else workers
    if config.mr_normalisation == "nyul" and not cohort.mr:
        raise UsageError("data.mr_normalisation: nyul learns its scale from MR; give --mr, or choose percentile")
    with locked(root, wait=True), _room(root):
        if store := store_as_it_is(root, key, config):  # which another process has made meanwhile
            return store
        standard = learn_standard(cohort.mr, root, config, workers) if config.mr_normalisation == "nyul" else None
        cases, failed = _prepare_all(tasks_of(cohort, root, config, standard), workers)
        store = Store.finish(root, f"{key} in part" if failed else key, preparation_of(config), cases)
        remove_other_versions(store)
        _record_split(store, config)
    if not config.pictures and (warning := compare_regions(store)):
        log.warning("%s", warning)
    if on_failed:
        for error in failed:
            on_failed(error)
    return store


def store_as_it_is(root: Path, key: str, config: DataConfig) -> Store | None:
    """The finished store at `root` if it was made of the same files; None if there is work to do."""
    if not (root / "store.json").is_file():
        return None
    index = read_index(root)
    require_settings(root, index["data"], config)
    finished = index["key"] == key and not (root / UNFINISHED).is_file()
    return Store.open(root) if finished else None


def _record_split(store: Store, config: DataConfig) -> None:
    """Write the split that the settings give to `split.json`, for people to read; training makes it again."""
    try:
        text = json.dumps(describe_split(*split_store(store, config)), indent=1)
    except MedcycleError as error:
        log.warning("no split yet: %s", error)
        return
    path = store.root / "split.json"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def tasks_of(cohort: Cohort, root: Path, config: DataConfig, standard: tuple[float, ...] | None = None) -> list[Task]:
    """A task for each volume."""
    return [Task(source, kind, root, config, standard) for kind, sources in cohort.both().items() for source in sources]


def _enough(volumes: int) -> int:
    """Processes that pay: each takes some seconds to start."""
    return max(1, min(available_processors(), volumes // VOLUMES_A_PROCESS))


@contextmanager
def _room(root: Path) -> Iterator[None]:
    """A folder for a store: a new or empty one, which is left as it was if nothing can be used, or one to go on with.

    A new one is marked as unfinished; a finished one is when its first case changes.
    """
    require_place(root)
    existed, fresh = root.exists(), _is_free(root)
    for torn in root.glob("*/.partial-*"):
        shutil.rmtree(torn)
    if not (root / "store.json").is_file():
        mark_unfinished(root)
    if any(root.glob("*/*/")):
        remark(f"{root}: begun earlier; scans that are prepared and have not changed are kept")
    try:
        yield
    except WorkerLost:
        raise  # what is prepared is sound, and the next run goes on with it
    except DataError:
        if fresh:
            shutil.rmtree(root, ignore_errors=True)
            if existed:
                root.mkdir()
        raise


def require_place(root: Path) -> None:
    """Raise `UsageError` unless a store can be made at `root`, or gone on with."""
    # a folder of scans may hold `mr` and `ct` just as a store does: only the mark tells them apart
    if not _is_free(root) and not (root / UNFINISHED).is_file() and not (root / "store.json").is_file():
        raise UsageError(f"{root}: not empty and not a store; give another folder")


def _is_free(root: Path) -> bool:
    return not root.exists() or (root.is_dir() and not any(root.iterdir()))


def require_settings(root: Path, prepared_with: Mapping[str, object], config: DataConfig) -> None:
    """Raise `UsageError`, naming what differs, if a store was prepared with other settings than the configuration's."""
    wanted = preparation_of(config)
    differing = [
        f"data.{name} is {prepared_with.get(name)}, not {value}"
        for name, value in wanted.items()
        if prepared_with.get(name) != value
    ]
    if differing:
        raise UsageError(f"{root}: the store has other settings ({'; '.join(differing)}); prepare a new one")


def _prepare_all(
    tasks: Sequence[Task], workers: int | None
) -> tuple[dict[Modality, list[StoredCase]], list[CaseFailed]]:
    """All that could be used, sorted by name, and what failed; what could not be used is refused in a warning."""
    cases, refused = prepare_each(tasks, workers)
    wanted = {task.modality for task in tasks}
    for modality, reasons in refused.items():
        if modality in wanted and not any(case.record.modality == modality for case in cases):
            kind = WrongModality if all(isinstance(error, WrongModality) for error in reasons) else DataError
            named = tasks[0].config.source if modality == "mr" else modality
            raise kind(f"no {named.upper()} can be used; {len(reasons)} refused, the first: {reasons[0]}")
        for reason in reasons:
            log.warning("refused: %s", reason)
    single = _without_duplicates(sorted(cases, key=lambda case: case.record.name))
    failed = [error for errors in refused.values() for error in errors if isinstance(error, CaseFailed)]
    return {kind: [case for case in single if case.record.modality == kind] for kind in refused}, failed


def prepare_each(
    tasks: Sequence[Task], workers: int | None
) -> tuple[list[StoredCase], dict[Modality, list[DataError]]]:
    """Prepare volumes one by one, and return those that could be used and why others could not."""
    cases: list[StoredCase] = []
    refused: dict[Modality, list[DataError]] = {"mr": [], "ct": []}
    workers = _enough(len(tasks)) if workers is None else workers
    with ProgressLine("preparing", len(tasks)) as progress:
        for task, made in parallel_map(prepare_one, tasks, workers, killed=_killed):
            if isinstance(made, DataError):
                refused[task.modality].append(made)
            else:
                cases.append(made)
            progress.advance(f"{task.modality} {task.source.name}")
    return cases, refused


def _killed(task: Task) -> CaseFailed:
    return CaseFailed(f"{task.source.path}: {KILLED}")


def _without_duplicates(cases: Sequence[StoredCase]) -> list[StoredCase]:
    first: dict[str, StoredCase] = {}
    for case in cases:
        known = first.setdefault(case.record.voxels, case)
        if known is not case:
            record = case.record
            log.warning("left out: %s %s is a duplicate of %s", record.modality.upper(), record.name, known.record.name)
    return list(first.values())
