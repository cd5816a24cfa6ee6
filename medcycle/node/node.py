"""A DICOM node: MR series in, synthetic CT series out."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from medcycle.errors import UsageError
from medcycle.io.files import sync_one
from medcycle.io.locks import locked
from medcycle.node.hiding import quiet_libraries
from medcycle.node.journal import ENDED, Journal
from medcycle.node.making import Translator
from medcycle.node.receiver import Receiver
from medcycle.node.settings import NodeSettings
from medcycle.node.spool import Spool
from medcycle.node.work import Dispatch, Parts, Stopped, Workshop, summary

__all__ = ["Node", "threads_in_a_line"]

LONGEST_TICK = 0.5
"""Seconds between two looks at what there is to do."""

AFTER_AN_ERROR = 5.0
"""Seconds before a thread goes on that met an error of its own, as of a full disk."""

ENDS_WITHIN = 60.0
"""Seconds that threads have to end what they can't leave."""


class Node:
    """Receives, synthesises and sends until it is told to stop.

        with Node(settings, translator, say).running() as node:
            node.wait()

    Args:
        settings: how it runs.
        translator: what makes CT of MR; see `translator_of`.
        say: called with each line of the log, from several threads.
    """

    def __init__(self, settings: NodeSettings, translator: Translator, say: Callable[[str], None]) -> None:
        self.settings, self.translator = settings, translator
        self._say, self._saying = say, threading.Lock()
        self._stop = threading.Event()
        self._signalled = False
        self._receiver: Receiver | None = None

    @property
    def port(self) -> int:
        """The port that is listened to. Only while the node runs."""
        assert self._receiver is not None
        return self._receiver.port

    def say(self, text: str) -> None:
        """Put a line into the log; where that can't be written, the node goes on without."""
        with self._saying, suppress(OSError, ValueError):
            self._say(text)

    def stop(self) -> None:
        """Have it end: what is under way is left as it is, and goes on at the next start."""
        self._stop.set()

    def wait(self) -> None:
        """Until somebody calls `stop`, or a signal has come."""
        while not self._signalled and not self._stop.is_set():
            time.sleep(0.1)

    @contextmanager
    def running(self) -> Iterator[Node]:
        """The node at work while the block runs. It goes on with what an earlier one left in the spool.

        Raises:
            InUse: if another node has the spool.
            UsageError: if the spool is another folder, or the port can't be listened to.
            DataError: if the journal is damaged.
        """
        settings = self.settings
        spool = Spool(settings.spool, settings.limits.spool_bytes)
        with locked(settings.spool):
            journal = Journal(spool.journal)
            sync_one(settings.spool)
            try:
                parts = Parts(settings, journal, spool, self.say, self._stop)
                _go_on(parts)
                with quiet_libraries():
                    yield from self._at_work(parts)
                self.say(f"stopped: {summary(journal.counts())}")
            finally:
                journal.close()

    def _at_work(self, parts: Parts) -> Iterator[Node]:
        receiver = self._receiver = Receiver(self.settings, parts.journal, parts.spool, self.say)
        steps = [Workshop(parts, receiver, self.translator).step, Dispatch(parts).step]
        threads = [threading.Thread(target=self._repeat, args=(step,), daemon=True) for step in steps]
        try:
            receiver.start()
        except OSError as error:
            where = f"{self.settings.bind}:{self.settings.port}"
            raise UsageError(f"{where}: can't be listened to ({error.strerror}); give another --port") from error
        peer = self.settings.send_to
        self.say(
            f"{self.settings.title} listens on {self.settings.bind}:{receiver.port}, sends to {peer.title} at "
            f"{peer.host}:{peer.port}"
        )
        if not self.settings.allowed and not self.settings.admits_address(self.settings.bind):
            self.say("warning: nobody but this machine is heard; name senders with --allow")
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            receiver.stop()
            for thread in threads:
                thread.join(ENDS_WITHIN)

    def _repeat(self, step: Callable[[], bool]) -> None:
        """Take step after step until the end; an error of a step is told, and the next one tried later."""
        tick = min(LONGEST_TICK, max(0.02, self.settings.quiet_time / 4))
        while not self._stop.is_set():
            try:
                pause = 0.0 if step() else tick
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001 - a node goes on
                self.say(
                    f"error: {type(error).__name__} at {_place(error.__traceback__)}; goes on in {AFTER_AN_ERROR:.0f} s"
                )
                pause = AFTER_AN_ERROR
            self._stop.wait(pause)

    @contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Within the block, SIGTERM and SIGINT (Ctrl-C) stop the node."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._signalled = True  # and no more: what a signal interrupts may hold the event's lock

        earlier: dict[int, Any] = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


def _go_on(parts: Parts) -> None:
    """Clear away what an earlier node left unfinished, and say what there is to do."""
    journal, spool = parts.journal, parts.spool
    journal.cut_off()
    waiting = journal.jobs("received", "complete", "synthesised")
    kept = [job.number for job in journal.jobs(*ENDED)]
    spool.tidy([*kept, *(job.number for job in waiting)])
    for job in waiting:
        spool.remove_made(job.number, but=job.revision if job.state == "synthesised" else None)
    for number in journal.uncleaned():
        parts.clean(number)
    if waiting:
        parts.say(f"goes on: {summary(journal.counts())}")


@contextmanager
def threads_in_a_line(say: Callable[[str], None]) -> Iterator[None]:
    """Within the block, an error that ends a thread is a line of the log, and no traceback."""

    def tell(ended: threading.ExceptHookArgs) -> None:
        say(f"error: a thread ended by {ended.exc_type.__name__} at {_place(ended.exc_traceback)}")

    before, threading.excepthook = threading.excepthook, tell
    try:
        yield
    finally:
        threading.excepthook = before


def _place(trace: TracebackType | None) -> str:
    """The file and line that raised an error: where to look, without what the error quotes."""
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"
