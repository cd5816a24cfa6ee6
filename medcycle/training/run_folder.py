"""A run's folder: whether it may be written to, and what a run that goes on has to find in it."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import monai
import torch

from medcycle import __version__
from medcycle.cohort.cohort import PREPARATION_KEYS
from medcycle.cohort.split import describe_split, part_of
from medcycle.config import Config, parse_stored
from medcycle.dataset.store import Store
from medcycle.errors import BadCheckpoint, UnreadableFile, UsageError
from medcycle.io.files import seen_from, write_text
from medcycle.io.opening import read_json
from medcycle.methods.checkpoint import LAST, MANIFEST, read_checkpoint, without_places

__all__ = [
    "cases_begun_on",
    "require_run_folder",
    "state_to_resume",
    "store_of_run",
    "voxels_of",
    "write_manifest",
]


UNCHANGING = {
    "network": None,
    "method": None,
    "data": (*PREPARATION_KEYS, "slices", "validation_fraction", "folds", "fold", "split_file"),
    "training": ("optimizer",),
}
"""Sections of the configuration, or keys of theirs, that stay as they are when a run is resumed."""


def require_run_folder(run: Path, *, resume: bool) -> None:
    """Raise `UsageError` if `run` holds a run and `resume` is off, or holds none and it is on, or is a file.

    A run that ended before its first checkpoint is none.
    """
    if run.is_file():
        raise UsageError(f"{run}: a file; give a folder for the run")
    if resume and not (run / LAST).is_file():
        raise UsageError(f"{run / LAST}: nothing to resume; leave out --resume")
    began = (run / MANIFEST).is_file() and not (run / LAST).is_file()  # and ended before its first checkpoint
    if not resume and run.is_dir() and any(run.iterdir()) and not began:
        if not (run / LAST).is_file():
            raise UsageError(f"{run}: not empty, and holds no run; give another --output")
        raise UsageError(f"{run}: holds a run; pass --resume to resume it, or give another --output")


def store_of_run(run: Path) -> Path:
    """The store that a run was begun on. Raises `UsageError` if there is no run, or its store is gone."""
    require_run_folder(run, resume=True)
    try:
        told = read_json(run / MANIFEST)
        root = run / str(told["store"]["path"])
    except (OSError, ValueError, KeyError, TypeError, UnreadableFile) as error:
        raise UsageError(f"{run / MANIFEST}: can't be read ({error}); give --store") from error
    if not root.is_dir():
        raise UsageError(f"{root}: the store of {run} is no longer there; give --store")
    return root


def state_to_resume(config: Config, run: Path) -> dict[str, Any]:
    """The last checkpoint of a run that goes on.

    Raises:
        UsageError: if a setting that has to stay is another now.
        BadCheckpoint: if the checkpoint is damaged.
    """
    state = read_checkpoint(run / LAST)
    init_from = without_places(parse_stored(state.get("config") or {}, where=str(run / LAST)))
    for section, names in UNCHANGING.items():
        saved, given = init_from[section], without_places(config)[section]
        changed = [f"{section}.{key}" for key in given if key in (names or given) and saved.get(key) != given[key]]
        if changed:
            raise UsageError(
                f"{run}: {', '.join(changed)} can't change when a run is resumed; give the same --method, --dims, "
                "--device, --from-scratch and --set as at its start, or start a new run"
            )
    return state


def cases_begun_on(state: dict[str, Any], store: Store, run: Path) -> tuple[Store, Store]:
    """The cases that the run was begun on and those it held out, whatever was added to the store since.

    Raises:
        UsageError: if one is gone or has other voxels.
    """
    now = voxels_of(store)
    trained_on, held_out = (_voxels_in(state, part, run) for part in ("trained_on", "held_out"))
    known = {kind: {*trained_on[kind], *held_out[kind]} for kind in now}
    if not trained_on["ct"] or any(known[kind] - set(now[kind]) for kind in now):
        there = {
            case.record.name
            for kind, cases in store.both().items()
            for case in cases
            if case.record.voxels in known[kind]
        }
        gone = ", ".join([name for name in _names_in(run) if name not in there][:5]) or "some"
        raise UsageError(
            f"{run}: started with other data ({gone} are missing or changed); restore them, or start a new run"
        )
    return _those(trained_on, store), _those(held_out, store)


def _names_in(run: Path) -> list[str]:
    """The cases that a run was begun on, as far as its manifest tells."""
    try:
        split = read_json(run / MANIFEST)["split"]
        return [str(case["name"]) for part in split.values() for cases in part.values() for case in cases]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UnreadableFile):
        return []


def _voxels_in(state: dict[str, Any], part: str, run: Path) -> dict[str, list[str]]:
    """The hashes that a checkpoint has of the cases of a part; older ones have them by name."""
    found = state.get(part, {"mr": {}, "ct": {}})
    try:
        return {
            kind: [str(one) for one in (found[kind].values() if isinstance(found[kind], dict) else found[kind])]
            for kind in ("mr", "ct")
        }
    except (KeyError, TypeError) as error:
        raise BadCheckpoint(f"{run / LAST}: {part} is damaged; start a new run") from error


def _those(hashes: dict[str, list[str]], store: Store) -> Store:
    chosen = [case for kind, cases in store.both().items() for case in cases if case.record.voxels in hashes[kind]]
    return part_of(store, {case.folder for case in chosen})


def voxels_of(store: Store) -> dict[str, list[str]]:
    """The hash of every case's voxels, by modality: what tells cases apart, and nobody who they are."""
    return {kind: [case.record.voxels for case in cases] for kind, cases in store.both().items()}


def _commit() -> str | None:
    """The git commit that the package runs from, `+` behind it if files have changed since; None if there is none."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        call = ["git", "-C", str(root), "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=+"]
        found = subprocess.run(call, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _hardware() -> dict[str, Any]:
    """Processor, threads, and the names of the GPUs."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "machine": platform.machine(),
        "processor": platform.processor(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
    }


def write_manifest(run: Path, store: Store, train: Store, validation: Store, init_from: Path | None = None) -> None:
    """Write what a run is trained with and on, and the checkpoint that it started from."""
    manifest = {
        "medcycle": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai": monai.__version__,
        "source": _commit(),
        "hardware": _hardware(),
        "init_from": seen_from(run, init_from) if init_from else None,
        "store": {"path": seen_from(run, store.root), "key": store.key},
        "split": describe_split(train, validation),
    }
    write_text(run / MANIFEST, json.dumps(manifest, indent=1))
