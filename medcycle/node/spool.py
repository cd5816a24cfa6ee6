"""The folder of a node: what has arrived and what is to be sent, in files that remote text never names.

spool/journal.sqlite    see `journal`
spool/arriving/         instances that are not whole yet
spool/jobs/12/in/       instances of job 12, named by hashes
spool/jobs/12/out-3/    its synthetic series, made of revision 3
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from medcycle.errors import UsageError
from medcycle.io.files import sync_one

__all__ = ["Spool", "SpoolFull", "size_of"]

JOURNAL = "journal.sqlite"

LEAST_FREE = 2**28
"""Bytes of the disk that are left to the journal, and to results."""


class SpoolFull(Exception):
    """There is no room for another instance."""


class Spool:
    """The folder, and how much of it is taken.

    Args:
        folder: new, empty, or of an earlier run.
        most: bytes that instances and results may take together.

    Raises:
        UsageError: if it holds anything else.
        OSError: if it can't be made.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self.journal = folder / JOURNAL
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: not a folder; give a new or empty one as --spool")
        if folder.is_dir() and not self.journal.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder}: neither empty nor a node's spool; give a new or empty folder as --spool")
        self._lock = threading.Lock()
        self._taken = 0
        for place in (folder, self.arriving, folder / "jobs"):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def arriving(self) -> Path:
        """Where instances are written before they belong to a job."""
        return self.folder / "arriving"

    def received(self, job: int) -> Path:
        """Where a job's instances are."""
        return self.folder / "jobs" / str(job) / "in"

    def made(self, job: int, revision: int) -> Path:
        """Where what is made of one revision of a job's content is."""
        return self.folder / "jobs" / str(job) / f"out-{revision}"

    def file(self, job: int, name: str) -> Path:
        """Where one of a job's instances is, or its output, by the name that the journal has."""
        return self.folder / "jobs" / str(job) / name

    def take(self, size: int, *, force: bool = False) -> None:
        """Count bytes as taken. Raises `SpoolFull` if there is no room for them, unless they are there already."""
        with self._lock:
            free = shutil.disk_usage(self.folder).free
            if not force and (self._taken + size > self.most or free < size + LEAST_FREE):
                raise SpoolFull
            self._taken += size

    def give_back(self, size: int) -> None:
        """Count bytes as free again."""
        with self._lock:
            self._taken -= size

    @contextmanager
    def new_file(self, parts: Sequence[bytes | memoryview]) -> Iterator[Path]:
        """A file of these bytes, on the disk; removed at the end of the block unless that has moved it.

        Raises:
            OSError: if it can't be written.
        """
        path = self.arriving / uuid.uuid4().hex
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                _written(stream, parts)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def move(self, path: Path, job: int, name: str) -> None:
        """Put a new file into a job, under its name, where it stays if the machine goes down.

        Raises:
            SpoolFull: if there is no room for it.
            OSError: if it can't be moved.
        """
        target, size = self.file(job, name), path.stat().st_size
        self.take(size)
        replaced = target.stat().st_size if target.exists() else 0
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, mode=0o700)
            sync_one(target.parent.parent)
            sync_one(self.folder / "jobs")
        path.replace(target)
        self.give_back(replaced)
        sync_one(target.parent)  # should this fail, the file is counted, and goes with its job

    def remove(self, job: int) -> None:
        """Remove all files of a job."""
        folder = self.folder / "jobs" / str(job)
        if folder.exists():
            size = size_of(folder)
            shutil.rmtree(folder)
            self.give_back(size)

    def remove_made(self, job: int, *, but: int | None = None) -> None:
        """Remove what was made of a job but for one revision, and what was not finished."""
        keep = "" if but is None else self.made(job, but).name
        for folder in (self.folder / "jobs" / str(job)).glob("*"):
            if folder.name not in ("in", keep):
                shutil.rmtree(folder)

    def tidy(self, jobs: Sequence[int]) -> None:
        """At the start: remove what belongs to none of these jobs, and count what is there."""
        shutil.rmtree(self.arriving)
        self.arriving.mkdir(mode=0o700)
        known = {str(number) for number in jobs}
        for folder in (self.folder / "jobs").iterdir():
            if folder.name not in known:
                shutil.rmtree(folder)
        self._taken = size_of(self.folder / "jobs")


def _written(stream: IO[bytes], parts: Sequence[bytes | memoryview]) -> None:
    for part in parts:
        stream.write(part)
    stream.flush()
    os.fsync(stream.fileno())


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; of what goes meanwhile, none."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
