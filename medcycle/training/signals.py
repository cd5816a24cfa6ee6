"""Stopping on request: the step under way is finished and saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["SIGNALS", "StopRequest", "outlast_first_signal"]

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
"""Ctrl-C, the end of a batch job, and the word that Slurm can be asked to send before it (not on Windows)."""


def outlast_first_signal(_worker: int) -> None:
    """Let a process that reads for another one go on when a signal is sent to all: the other one ends it.

    The second SIGTERM ends it, should the other one be gone.
    """
    for number in SIGNALS:
        signal.signal(number, _default_from_now_on if number == signal.SIGTERM else signal.SIG_IGN)


def _default_from_now_on(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


class StopRequest:
    """Within its block, the first of `SIGNALS` is noted in `name`; a second one interrupts at once."""

    def __init__(self) -> None:
        self.name = ""
        self._earlier: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
