"""Reading that ends: a network disk that is gone makes a program wait for ever, and can't be interrupted."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from medcycle.errors import UnreadableFile, UsageError

__all__ = ["SETTING", "longest_read", "within_time"]

T = TypeVar("T")

SETTING = "MEDCYCLE_READ_SECONDS"

LONGEST = 600.0
"""Seconds that one volume, or one header, may take: 2 GB over a slow network take a minute or two."""


@cache
def longest_read() -> float:
    """Seconds that a read may take, by `MEDCYCLE_READ_SECONDS` in the environment.

    Raises:
        UsageError: if that is no number above 0.
    """
    given = os.environ.get(SETTING, "")
    try:
        seconds = float(given or LONGEST)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise UsageError(f"{SETTING}={given}: not a number of seconds above 0; correct it, or leave it out")
    return seconds


def within_time(work: Callable[[], T], path: Path) -> T:
    """What `work` gives, which reads something at a path.

    It is done by another thread, of which each thread has one. A thread that doesn't end is left alone, and ends with
    the program.

    Raises:
        UnreadableFile: if it takes longer than `longest_read`.
    """
    if isinstance(threading.current_thread(), _Reader):  # which somebody waits for already
        return work()
    reader: _Reader = _own.__dict__.pop("reader", None) or _Reader()
    try:
        value, error = reader.do(work)
    except queue.Empty:
        raise UnreadableFile(
            f"{path}: reading took more than {longest_read():g} s; check the disk or the network, or raise {SETTING}"
        ) from None
    _own.reader = reader  # one that did not end, or was interrupted, is not asked again
    if error is not None:
        raise error
    made: T = value
    return made


_own = threading.local()


class _Reader(threading.Thread):
    """Does what it is given, one after the other, until whoever gave it is gone."""

    def __init__(self) -> None:
        super().__init__(name="reader", daemon=True)
        self._given: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self.start()

    def do(self, work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        """What work gives, or raises. Raises `queue.Empty` if that takes too long."""
        self._given.put(work)
        try:
            return self._made.get(timeout=longest_read())
        except BaseException:
            self._given.put(None)
            raise

    def run(self) -> None:
        """Take work until there is none any more."""
        while (work := self._given.get()) is not None:
            made: tuple[Any, BaseException | None]
            try:
                made = work(), None
            except BaseException as error:  # noqa: BLE001 - raised where it was asked for
                made = None, error
            self._made.put(made)
            del work, made
