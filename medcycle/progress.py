"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from medcycle.words import LONGEST_VALUE, duration, pace, shown

__all__ = ["ProgressLine", "is_first_process", "is_quiet", "quietly", "remark"]

SECONDS_BETWEEN_LINES = 15.0

PACE = "MEDCYCLE_PROGRESS_SECONDS"
"""The environment variable by which a program that reads the lines, as a window with a bar, asks for more of them."""

RECENT_SECONDS, RECENT_STEPS = 60.0, 5
"""What the rate is taken from: the last minute, and no fewer than so many steps. Steps of a resumed work that were done
already take no time, and say nothing of those to come."""

_quiet = threading.Event()
"""Of all threads of this process."""


def is_first_process() -> bool:
    """Whether this one speaks, of those that a launcher (torchrun, Slurm, Lightning) has started together."""
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    return not any(os.environ.get(name, "0") != "0" for name in names)


def is_quiet() -> bool:
    """Whether nothing is said but results, warnings and errors."""
    return _quiet.is_set()


@contextmanager
def quietly() -> Iterator[None]:
    """Say nothing in the block but results, warnings and errors."""
    was = is_quiet()
    _quiet.set()
    try:
        yield
    finally:
        if not was:
            _quiet.clear()


def remark(text: str) -> None:
    """Say a line besides the results, on standard error, such as what is kept of earlier work."""
    if is_first_process() and not is_quiet():
        print(shown(text), file=sys.stderr, flush=True)  # noqa: T201


class Rate:
    """How fast something grows of late."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, done: float) -> None:
        """That so much is done by now."""
        now = time.monotonic()
        self._seen.append((now, done))
        while len(self._seen) > RECENT_STEPS + 1 and now - self._seen[1][0] > RECENT_SECONDS:
            self._seen.popleft()

    @property
    def a_second(self) -> float:
        """0 as long as it can't be told, which takes a second."""
        if not self._seen:
            return 0.0
        (begin, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - begin) if end - begin >= 1 else 0.0


class ProgressLine:
    """How far one piece of work has come, on standard error: how much is done, how fast, and the time left.

    Args:
        title: what is being done.
        total: how many steps it takes; None if only the share that is done is known.
        quiet: say nothing, as for work that is done at once.
    """

    def __init__(self, title: str, total: int | None, *, quiet: bool = False) -> None:
        self.title = title
        self.total = total
        self.done = 0
        self._last_line = float("-inf")
        self._pause = _seconds_between_lines()
        self._whole = False
        self._rate = Rate()
        self._bar: Progress | None = None
        self._quiet = quiet or is_quiet() or not is_first_process()
        if sys.stderr.isatty() and not self._quiet:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn() if total else TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=Console(stderr=True),
            )

    def __enter__(self) -> Self:
        if self.total:
            self._rate.note(0)  # the first step is timed from here
        if self._bar:
            self._bar.start()
            self._bar.add_task(self.title, total=self.total or 1.0, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Say something besides, in a line of its own."""
        if self._bar:
            self._bar.console.print(shown(text), highlight=False, markup=False)
        elif not self._quiet:
            print(shown(text), file=sys.stderr, flush=True)  # noqa: T201

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Say that `steps` more are done, with a short note on the latest."""
        self.done += steps
        self._rate.note(self.done)
        rate = self._rate.a_second
        left = _left((self.total or 0) - self.done, rate)
        note = _joined(note, pace(rate) if rate > 0 and self.total != 1 else "", left)
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self.done, note=note)
        else:
            self._say(f"{self.done}/{self.total} {note}", last=self.done >= (self.total or 0))

    def reach(self, share: float, note: str = "") -> None:
        """Say that this part is done, 0 to 1, with a short note."""
        self._rate.note(share)
        note = _joined(note, _left(1 - share, self._rate.a_second))
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=min(share, 1.0), note=note)
        else:
            self._say(f"{100 * min(share, 1.0):.0f} % {note}", last=share >= 1 and not self._whole)
            self._whole |= share >= 1

    def _say(self, text: str, *, last: bool) -> None:
        if not self._quiet and (last or time.monotonic() - self._last_line > self._pause):
            self._last_line = time.monotonic()
            print(f"{self.title} {text}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201


def _left(rest: float, a_second: float) -> str:
    return f"{duration(max(1.0, round(rest / a_second)))} left" if rest > 0 and a_second > 0 else ""


def _joined(note: str, *more: str) -> str:
    return ", ".join(filter(None, (shown(note, LONGEST_VALUE), *more)))


def _seconds_between_lines() -> float:
    try:
        return max(0.0, float(os.environ[PACE]))
    except (KeyError, ValueError):
        return SECONDS_BETWEEN_LINES
