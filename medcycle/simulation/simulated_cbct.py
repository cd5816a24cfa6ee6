"""Registered pairs of CBCT and CT, made from CT alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medcycle.body import Modality, find_body
from medcycle.dataset.preparation import Prepared
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import DataError
from medcycle.io.files import remove_torn
from medcycle.progress import ProgressLine, is_first_process
from medcycle.simulation.cbct import simulate_cbct
from medcycle.simulation.keeping import keep, kept, key_of, place_for, prepared_of
from medcycle.volume import Volume
from medcycle.words import about

__all__ = ["with_simulated_cbct"]

FOLDER = "simulated-cbct"
"""In the store."""

VERSION = 1
"""Of how they are made; kept ones of another are made again."""


@dataclass(frozen=True)
class _Task:
    """One pair to make.

    Args:
        roots: folders where it may be, or be written to.
        ct: the CT.
        number: which of its CBCT.
    """

    roots: tuple[Path, Path]
    ct: StoredCase
    number: int

    @property
    def key(self) -> str:
        return key_of(VERSION, self.ct.record.key, self.number)

    @property
    def name(self) -> str:
        return f"cbct-{self.key}"

    def known(self) -> tuple[StoredCase, StoredCase] | None:
        """The pair, if it was made before."""
        for root in self.roots:
            cbct, ct = (kept(root, kind, self.name, self.key) for kind in ("mr", "ct"))
            if cbct and ct:
                return cbct, ct
        return None


def with_simulated_cbct(store: Store, count: int, run: Path) -> Store:
    """A store with so many registered pairs of simulated CBCT and CT more, of all CT in turn.

    They are kept for other runs. How long the new ones will take is said after the first.

    Args:
        store: the cases to train on, and none that are held out.
        count: how many pairs.
        run: a folder for them if nothing may be written to the store's.

    Raises:
        DataError: if a pair can't be made.
    """
    if not count:
        return store
    roots = store.root / FOLDER, run / FOLDER
    if is_first_process():
        remove_torn(roots[0] / "ct")
        remove_torn(roots[0] / "mr")
    tasks = [_Task(roots, store.ct[number % len(store.ct)], number // len(store.ct)) for number in range(count)]
    known = {task.name: pair for task in tasks if (pair := task.known())}
    new = [task for task in tasks if task.name not in known]
    with ProgressLine("simulating CBCT", len(new), quiet=not new) as progress:
        for task in new:
            begun = time.monotonic()
            known[task.name] = _made(task)
            if not progress.done and len(new) > 1:
                length = about(len(new) * (time.monotonic() - begun))
                progress.say(f"preparing: simulating {len(new)} CBCT, {length}, before training's minutes begin")
            progress.advance(task.ct.record.name)
    cbct, ct = zip(*(known[task.name] for task in tasks), strict=True)
    return replace(store, mr=(*store.mr, *cbct), ct=(*store.ct, *ct))


def _made(task: _Task) -> tuple[StoredCase, StoredCase]:
    """Make a pair and write it. Raises `DataError` if it can't be made."""
    root, ct = place_for(task.roots, "ct"), prepared_of(task.ct)
    hounsfield = ct.image.with_array(ct.intensity.inverse(ct.image.array))
    pair = simulate_cbct(hounsfield, seed=int(task.key[:8], 16))
    body = find_body(pair.cbct, "ct").mask
    if not body.array.any():
        raise DataError(f"{task.ct.folder}: no body is found in a simulated CBCT of it; leave the CT out")

    def written(kind: Modality, volume: Volume, inside: Volume) -> StoredCase:
        told = f"{task.ct.record.name} as CBCT {task.number + 1}"
        return keep(root, kind, _prepared(volume, inside, ct), name=task.name, key=task.key, told=told)

    return written("mr", pair.cbct, body), written("ct", pair.ct, ct.body)


def _prepared(volume: Volume, body: Volume, ct: Prepared) -> Prepared:
    """A volume on the CT's scale, −1 outside the body."""
    mapped = ct.intensity.forward(volume.array)
    return Prepared(volume.with_array(np.where(body.array, mapped, np.float32(-1))), body, ct.intensity)
