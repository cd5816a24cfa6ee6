"""The store that a training takes: the one given, or one made of folders of scans."""

from __future__ import annotations

from pathlib import Path

from medcycle.cohort.catalogue import prepare_cohort, require_settings
from medcycle.cohort.cohort import Cohort, find_cohort, place_key
from medcycle.config import DataConfig
from medcycle.dataset.store import Store
from medcycle.errors import UsageError

__all__ = ["open_scans", "store_for_training"]


def open_scans(
    store: Path | None,
    mr: Path | None,
    ct: Path | None,
    *,
    resample_irregular: bool,
    ct_offset: float = 0.0,
    pictures: bool = False,
) -> Store | Cohort:
    """What is to be trained on: a store, or the scans of two folders, or of one of CT; or pictures.

    Raises:
        UsageError: if neither a store nor a folder of CT is given, or both are, or a path is missing.
        EmptyFolder: if a folder holds no volume.
    """
    if store is not None:
        if mr is not None or ct is not None:
            raise UsageError("--store can't be combined with --mr and --ct; give one or the other")
        return Store.open(store)
    if ct is None:
        raise UsageError("no data to train on; give --mr and --ct, or --ct alone, or --store")
    return find_cohort(mr, ct, resample_irregular=resample_irregular, ct_offset=ct_offset, pictures=pictures)


def store_for_training(config: DataConfig, scans: Store | Cohort, run: Path) -> Store:
    """The store given, or one made of the scans.

    A store made of folders lies beside the run, in `medcycle-store-KEY`, where KEY stands for the folders and the
    settings: all runs in one folder share it, and scans that come later are added to it.

    Raises:
        UsageError: if the store was prepared with other settings.
        DataError: if no volume of a modality can be used.
    """
    if isinstance(scans, Cohort):
        return prepare_cohort(scans, run.resolve().parent / f"medcycle-store-{place_key(scans, config)}", config)
    require_settings(scans.root, scans.data, config)
    return scans
