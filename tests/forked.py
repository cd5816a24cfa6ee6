"""Processes that start in a moment: forked from one that has loaded what takes seconds to import."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from medcycle.cli.main import execute

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.forked", "medcycle.training.loop", "medcycle.synthesis.driver"])


class Forked:
    """A process of one thread that calls a function, and whose output goes to a file.

    Args:
        work: a function at the top level of a module, or what is left of one by `functools.partial`; what it returns is
            the exit status.
        given: its arguments.
        output: the file that gets all it prints.
    """

    def __init__(self, work: Callable[..., int | None], *given: object, output: Path) -> None:
        self.output = output
        output.touch()
        self.process: BaseProcess = PROCESSES.Process(target=_run, args=(work, given, output))
        self.process.start()

    @property
    def pid(self) -> int:
        """As the system numbers it."""
        assert self.process.pid
        return self.process.pid

    @property
    def printed(self) -> str:
        """So far."""
        return self.output.read_text()

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.is_alive()

    def ended(self, patience: float) -> int:
        """Its exit status, after so many seconds at most; minus a signal's number where that ended it."""
        self.process.join(patience)
        if self.process.exitcode is None:
            self.kill()
            raise TimeoutError(self.printed)
        return self.process.exitcode

    def kill(self) -> int:
        """At once, as the system does when memory runs out; its exit status."""
        self.process.kill()
        self.process.join()
        assert self.process.exitcode is not None
        return self.process.exitcode


def command(words: list[str]) -> int:
    """What `medcycle` does with these words."""
    sys.argv = ["medcycle", *words]
    return execute(words)


def in_a_session(work: Callable[..., int | None], *given: object) -> int | None:
    """A function, in a process that signals can be sent to with all it starts."""
    os.setsid()
    return work(*given)


def _run(work: Callable[..., int | None], given: tuple[object, ...], output: Path) -> None:
    stream = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    multiprocessing.set_start_method(None, force=True)  # of a fresh process, for processes that this one starts
    torch.set_num_threads(1)
    sys.exit(work(*given))
