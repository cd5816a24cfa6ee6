"""Attacks on the program by what it reads, and by what happens meanwhile: `python -m tests.attack`.

A kind of attacks is a module with functions that yield `Attack`s, and one parametrised test of them. An attack lays
files into an empty folder; what is done with them then has to end soon, within some memory, by one of medcycle's own
errors or well, and leave nothing behind.
"""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.errors import MedcycleError
from medcycle.io import discover
from medcycle.words import told_in_a_line, warn_plainly

SECONDS = 20  # most end in a tenth of one; the first of a kind imports torch
MEGABYTES = 400

LONGEST_OUTPUT = 20_000
"""Characters that one attack may have printed."""

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Attack:
    """One attack.

    Args:
        name: of the attack, unique in its kind.
        lay: puts it into an empty folder.
        call: of the program, with IN for that folder and OUT for one that is absent; empty to read all volumes in it.
        harmless: whether something may be read of it.
        names: what has to be told: the part that is wrong.
        status: the exit status that there has to be; None for any of 0, 1 and 2.
        slow: whether it is left out of the quick tests, as one of many alike.
    """

    name: str
    lay: Callable[[Path], None]
    call: tuple[str, ...] = ()
    harmless: bool = False
    names: str = ""
    status: int | None = None
    slow: bool = False


def files(**content: bytes) -> Callable[[Path], None]:
    """Lays files of these names, with `__` for the dot."""

    def lay(folder: Path) -> None:
        for name, data in content.items():
            (folder / name.replace("__", ".")).write_bytes(data)

    return lay


class TookTooLongError(Exception):
    """An attack that did not end in time."""


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Ends the block with an error if it takes longer, be it asleep in a call of the system."""

    def ring(*_: object) -> None:
        raise TookTooLongError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def within_memory(megabytes: int) -> Iterator[None]:
    """Fails if the block takes more, where the system keeps count (Linux)."""
    refs, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not refs.exists():
        yield
        return
    refs.write_text("5")  # the peak begins at what is used now
    before = _kilobytes(status, "VmRSS")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = 1024 * _kilobytes(status, "VmSize") + 2**32  # so that what fails takes nothing else down
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    taken = (_kilobytes(status, "VmHWM") - before) / 1024
    assert taken < megabytes, f"{taken:.0f} MB taken"


def _kilobytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))


@dataclass(frozen=True)
class Stage:
    """Where a scenario is played.

    Args:
        folder: an empty one.
        patch: of what is changed in the program meanwhile.
        capfd: what it prints.
    """

    folder: Path
    patch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]

    def call(self, *words: object) -> tuple[int, str]:
        """The exit status of a call of the program, and what it printed, which is fit to be seen."""
        self.capfd.readouterr()
        with within(4 * SECONDS):
            status = execute([str(word) for word in words])
        printed = "".join(self.capfd.readouterr())
        assert status in (0, 1, 2), (status, printed)
        assert "Traceback" not in printed, printed
        assert not CONTROLS.search(printed), repr(printed)
        assert not list(self.folder.rglob(".partial*")), "half-written"
        assert sum(line.startswith("error: ") for line in printed.splitlines()) == bool(status), printed
        return status, printed


@dataclass(frozen=True)
class Scenario:
    """An attack that is more than files: a disk that is full, a process that is killed.

    Args:
        name: unique in its kind.
        play: raises `AssertionError` if the program doesn't survive it.
        slow: whether it is left out of the quick tests.
    """

    name: str
    play: Callable[[Stage], None]
    slow: bool = False


def survives(attack: Attack, folder: Path, capfd) -> None:
    """Lay an attack, run into it, and check that nothing came of it."""
    given, output = folder / "in", folder / "out"
    given.mkdir()
    attack.lay(given)
    before = listing(folder)
    with within(SECONDS), within_memory(MEGABYTES):
        status = run(attack, given, output) if attack.call else read(given)
    printed = "".join(capfd.readouterr())
    assert status in ((0, 1, 2) if attack.status is None else (attack.status,)), (status, printed)
    assert attack.names in printed, printed
    assert status or attack.harmless, f"read or done: {printed}"
    assert "a bug in medcycle" not in printed, printed
    assert "Traceback" not in printed, printed
    assert not CONTROLS.search(printed), repr(printed)
    assert len(printed) < LONGEST_OUTPUT
    assert listing(folder) == before or (status == 0 and not list(folder.rglob(".partial*")))


def listing(folder: Path) -> list[str]:
    """All that is in a folder."""
    return sorted(str(path) for path in folder.rglob("*"))


def run(attack: Attack, given: Path, output: Path) -> int:
    """The program's exit status."""
    places = {"IN": str(given), "OUT": str(output)}
    words = [re.sub("^(IN|OUT)(?=/|$)", lambda match: places[match.group()], word) for word in attack.call]
    return execute(words)


def read(folder: Path) -> int:
    """Read all volumes of a folder; 0 if there were any that could be read, 1 if not."""
    warn_plainly()  # on what is standard error now
    status = 1
    try:
        for source in discover(folder):
            try:
                source.grid()
                source.read()
                status = 0
            except MedcycleError as error:
                sys.stderr.write(told_in_a_line(f"error: {error}\n"))
    except MedcycleError as error:
        sys.stderr.write(told_in_a_line(f"error: {error}\n"))
    return status
