"""Independent work over processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from medcycle.errors import WorkerLost
from medcycle.words import warn_plainly

__all__ = ["KILLED", "parallel_map"]

T = TypeVar("T")
R = TypeVar("R")

WORTH_IT = 4
"""Pieces of work a process must have for its start to pay."""

KILLED = "the process that worked on it was killed, perhaps because memory ran out"
"""What `killed` may say of an item."""


def parallel_map(
    work: Callable[[T], R], items: Sequence[T], workers: int = 1, *, killed: Callable[[T], R], together: int = 1
) -> Iterator[tuple[T, R]]:
    """Each item with what `work` makes of it, in the items' order, as it is ready.

    When a process is killed, as the system does when memory runs out, what it may have been working on is tried again
    with nothing beside it. An item that kills its process again gets `killed(item)`, and the others go on.

    Args:
        work: a function at the top level of a module.
        items: what to work on; pickled, as the results are, if there are several workers.
        workers: processes; with 1, or few items, all is done in this one. A script that asks for more needs the usual
            `if __name__ == "__main__":`.
        killed: the result for an item whose process was killed each time.
        together: items that go to a process at once.

    Raises:
        WorkerLost: if no process stays alive to give a first result.
    """
    if workers <= 1 or len(items) < WORTH_IT * together:
        for item in items:
            yield item, work(item)
        return
    chunks = [items[start : start + together] for start in range(0, len(items), together)]
    made: dict[int, list[R]] = {}
    shown = 0
    while shown < len(chunks):
        for results in _until_killed(work, chunks, shown, made, workers):
            yield from zip(chunks[shown], results, strict=True)
            shown += 1
        # work begins in the order of the chunks: the first ones without a result are those that were being worked on
        lost = [number for number in range(shown, len(chunks)) if number not in made][:workers]
        alone = {number: _alone(work, chunks[number]) for number in lost}
        if lost and not (shown or made or any(result for results in alone.values() for result in results)):
            raise WorkerLost("no worker process stays alive; try again with --workers 1")
        for number, tried in alone.items():
            pairs = zip(chunks[number], tried, strict=True)
            made[number] = [result[0] if result else killed(item) for item, result in pairs]


def _until_killed(
    work: Callable[[T], R], chunks: Sequence[Sequence[T]], start: int, made: dict[int, list[R]], workers: int
) -> Iterator[list[R]]:
    """The results of the chunks from one on, until all are there or a process is killed; later ones go to `made`."""
    number, running = start, dict[int, Future[list[R]]]()
    with _pool(workers) as pool:
        try:
            for other in range(start, len(chunks)):
                if other not in made:
                    running[other] = pool.submit(_each, work, chunks[other])
            for number in range(start, len(chunks)):
                yield made.pop(number) if number in made else running[number].result()
        except BrokenProcessPool:
            later = (other for other in running if other >= number and _has_ended_well(running[other]))
            made |= {other: running[other].result() for other in later}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _pool(workers: int) -> ProcessPoolExecutor:
    # not forked: threads of this process, as OpenMP's, would be missing in a copy of it
    context = multiprocessing.get_context("spawn")
    warns = bool(logging.getLogger("medcycle").handlers)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(warns,))


def _each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [work(item) for item in items]


def _has_ended_well(future: Future[list[R]]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _alone(work: Callable[[T], R], items: Sequence[T]) -> list[tuple[R] | None]:
    """The result of each item, in processes that work one after the other; None for items that kill theirs."""
    with _pool(1) as pool:
        try:
            return [(result,) for result in pool.submit(_each, work, items).result()]
        except BrokenProcessPool:
            if len(items) == 1:
                return [None]
    middle = len(items) // 2
    return [*_alone(work, items[:middle]), *_alone(work, items[middle:])]


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
