"""Independent work over processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from medcycle.errors import WorkerLost
from medcycle.words import warn_plainly

__all__ = ["parallel_map"]

T = TypeVar("T")
R = TypeVar("R")

WORTH_IT = 4
"""Pieces of work a process must have for its start to pay."""


def parallel_map(
    work: Callable[[T], R], items: Sequence[T], workers: int = 1, *, together: int = 1
) -> Iterator[tuple[T, R]]:
    """Each item with what `work` makes of it, in the items' order, as it is ready.

    Args:
        work: a function at the top level of a module.
        items: what to work on; pickled, as the results are, if there are several workers.
        workers: processes; with 1, or few items, all is done in this one. A script that asks for more needs the usual
            `if __name__ == "__main__":`.
        together: items that go to a process at once.

    Raises:
        WorkerLost: if a process was ended from outside.
    """
    if workers <= 1 or len(items) < WORTH_IT * together:
        for item in items:
            yield item, work(item)
        return
    # not forked: threads of this process, as OpenMP's, would be missing in a copy of it
    context = multiprocessing.get_context("spawn")
    warns = bool(logging.getLogger("medcycle").handlers)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(warns,)) as pool:
        try:
            yield from zip(items, pool.map(work, items, chunksize=together), strict=True)
        except BrokenProcessPool as error:
            raise WorkerLost(
                "a process was ended from outside, perhaps for lack of memory; what is finished is kept, try again "
                "with fewer --workers"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(warns: bool) -> None:
    """In a worker: warn as the process does that started it, and end with it."""
    if warns:
        warn_plainly()
    _end_with_parent()


def _end_with_parent() -> None:
    """In a worker: exit when the process that started it is gone, which a killed one can't ask for."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
