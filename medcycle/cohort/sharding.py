"""A cohort prepared by several processes at once, each of which has a part of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

from medcycle.cohort.catalogue import (
    prepare_cohort,
    prepare_each,
    require_place,
    require_settings,
    store_as_it_is,
    tasks_of,
)
from medcycle.cohort.cohort import Cohort, cohort_key
from medcycle.cohort.one_case import mark_unfinished
from medcycle.config import DataConfig
from medcycle.dataset.store import Store, read_index
from medcycle.errors import CaseFailed, UsageError
from medcycle.io.files import write_text
from medcycle.io.locks import locked
from medcycle.shards import Shard

__all__ = ["prepare_shard"]

log = logging.getLogger(__name__)


def prepare_shard(
    cohort: Cohort,
    root: Path,
    config: DataConfig,
    shard: Shard,
    *,
    workers: int | None = None,
    on_failed: Callable[[CaseFailed], None] | None = None,
) -> Store | None:
    """Prepare one part of a cohort in the store at `root`, while others prepare the others.

    Whoever is done last finishes the store, which is the same as one process would make.

    Args:
        cohort: all scans, of all shards.
        root: as of `prepare_cohort`, the same for all shards.
        config: how to prepare.
        shard: which part.
        workers: processes; None for as many as there are processors, if the shard is large enough for them.
        on_failed: called with each error that is not of what a volume holds, by the last one.

    Returns:
        The store, or None as long as other shards aren't done.

    Raises:
        UsageError: if the settings can't be shared out, or `root` holds anything else.
        InUse: if another process has the same shard.
        DataError: if it is the last one, and no volume of a modality can be used.
    """
    if config.mr_normalisation == "nyul":
        raise UsageError("data.mr_normalisation: nyul learns its scale from all MR; prepare without --shard")
    key = cohort_key(cohort, config)
    if store := store_as_it_is(root, key, config):
        return store
    require_place(root)
    root.mkdir(parents=True, exist_ok=True)
    if (root / "store.json").is_file():
        require_settings(root, read_index(root)["data"], config)
    else:
        mark_unfinished(root)
    with locked(shard.place_in(root)):
        tasks = shard.part((task.source.name, task) for task in tasks_of(cohort, root, config))
        _, refused = prepare_each(tasks, workers)
        for error in (error for errors in refused.values() for error in errors):
            log.warning("refused: %s", error)
        write_text(shard.marker_in(root), json.dumps(key))
    if not all(_is_done(marker, key) for marker in shard.all_markers_in(root)):
        return None
    return prepare_cohort(cohort, root, config, workers=workers, on_failed=on_failed)


def _is_done(marker: Path, key: str) -> bool:
    try:
        return bool(json.loads(marker.read_text(encoding="utf-8")) == key)
    except (OSError, ValueError):
        return False
