"""What has become of each series, on disk: a node that is killed goes on from here.

A job is one arrival of a series. Its states are

    received → complete → synthesised → sent
                  ↓
   refused, incomplete or repeated

and every change is on the disk (SQLite, synchronous) before anyone is told of it. The journal names nobody: series and
instances are hashes of their UIDs.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medcycle.errors import DataError

__all__ = ["ENDED", "Arrived", "Job", "Journal", "State"]

State = Literal["received", "complete", "synthesised", "sent", "refused", "incomplete", "repeated"]

Sending = Literal["at work", "ended", "broke off", "cut off"]
"""What a job's senders are at: cut off are those whose association the node's own end has ended."""

ENDED: tuple[State, ...] = ("sent", "refused", "incomplete", "repeated")

VERSION = 1

HISTORY = 2000
"""Jobs that have ended, of which it is remembered what they held: 60 bytes for each instance."""

SCHEMA = """
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, series TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'received',
  revision INTEGER NOT NULL DEFAULT 0, sender TEXT NOT NULL DEFAULT 'at work', attempts INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '', content TEXT NOT NULL DEFAULT '', clean INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX of_series ON jobs (series);
CREATE INDEX in_state ON jobs (state);
CREATE UNIQUE INDEX one_at_a_time ON jobs (series) WHERE state IN ('received', 'complete');
CREATE TABLE instances (
  job INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
  number INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (job, name)
);
CREATE TABLE outputs (
  job INTEGER NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0,
  number INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE (job, file)
);
"""


@dataclass(frozen=True)
class Arrived:
    """An instance that has arrived.

    Args:
        series: hash of the study's and the series' UID; of a structure set, of the series that it was drawn on.
        name: hash of its SOPInstanceUID, and the name of its file.
        kind: what it is.
        digest: hash of its data set, or an empty string if it was refused.
        size: bytes on disk.
    """

    series: str
    name: str
    kind: Literal["image", "structures"]
    digest: str
    size: int


@dataclass(frozen=True)
class Job:
    """One arrival of a series.

    Args:
        number: by which the log names it.
        series: hash of the study's and the series' UID.
        state: how far it has come.
        revision: how often its content has changed.
        sender: what its senders are at.
        attempts: to synthesise it.
        reason: why it was refused, or an empty string.
    """

    number: int
    series: str
    state: State
    revision: int
    sender: Sending
    attempts: int
    reason: str


COLUMNS = "number, series, state, revision, sender, attempts, reason"


class Journal:
    """The journal in a file, which several threads may use.

    Args:
        path: of the file; made if it is not there.

    Raises:
        DataError: if the file is not a journal of this version, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        with ExitStack() as unless_opened:
            try:
                self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
                unless_opened.callback(self._db.close)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                (version,) = self._db.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    self._db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            except sqlite3.Error as error:
                raise DataError(f"{path}: not a journal, or damaged ({error}); give another --spool") from error
            if version not in (0, VERSION):
                raise DataError(f"{path}: a journal of another version of medcycle; give another --spool")
            unless_opened.pop_all()

    def close(self) -> None:
        """Close the file; nothing can be asked or said any more."""
        with self._lock:
            self._db.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All that the block changes, or nothing; other threads wait."""
        with self._lock:
            if self._db.in_transaction:  # a part of another change of this thread
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _count(self, query: str, *values: object) -> int:
        return int(self._rows(query, *values)[0][0])

    def jobs(self, *states: State) -> list[Job]:
        """The jobs in any of these states, the earliest first."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT {COLUMNS} FROM jobs WHERE state IN ({marks}) ORDER BY number"
        return [_job(row) for row in self._rows(query, *states)]

    def job(self, number: int) -> Job:
        """One job, as it is now."""
        return _job(self._rows(f"SELECT {COLUMNS} FROM jobs WHERE number = ?", number)[0])

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return dict(self._rows("SELECT state, count(*) FROM jobs GROUP BY state"))

    def arriving(self, series: str) -> Job | None:
        """The job that another instance of a series belongs to, if there is one: its result is not fixed yet."""
        rows = self._rows(f"SELECT {COLUMNS} FROM jobs WHERE series = ? AND state IN ('received', 'complete')", series)
        return _job(rows[0]) if rows else None

    def begin(self, series: str) -> Job:
        """A new job for a series."""
        with self.change() as db:
            return self.job(int(db.execute("INSERT INTO jobs (series) VALUES (?)", (series,)).lastrowid or 0))

    def instances(self, number: int) -> list[Arrived]:
        """What has arrived of a job, in that order; what was refused and has not come again has no digest."""
        series = self.job(number).series
        rows = self._rows("SELECT name, kind, digest, size FROM instances WHERE job = ? ORDER BY number", number)
        return [Arrived(series, *row) for row in rows]

    def held(self, number: int) -> int:
        """How many instances a job has."""
        return self._count("SELECT count(*) FROM instances WHERE job = ?", number)

    def digest_of(self, number: int, name: str) -> str | None:
        """The digest of one instance of a job; empty if it was refused, None if it has not come."""
        rows = self._rows("SELECT digest FROM instances WHERE job = ? AND name = ?", number, name)
        return rows[0][0] if rows else None

    def arriving_count(self) -> int:
        """How many jobs can still get instances."""
        return self._count("SELECT count(*) FROM jobs WHERE state IN ('received', 'complete')")

    def receive(self, number: int, item: Arrived) -> None:
        """Put an instance into a job, in the place of an earlier one of that name: the job's content has changed."""
        with self.change() as db:
            db.execute("DELETE FROM instances WHERE job = ? AND name = ?", (number, item.name))
            db.execute(
                "INSERT INTO instances (job, name, kind, digest, size) VALUES (?, ?, ?, ?, ?)",
                (number, item.name, item.kind, item.digest, item.size),
            )
            db.execute(
                "UPDATE jobs SET state = 'received', sender = 'at work', attempts = 0, revision = revision + 1 "
                "WHERE number = ?",
                (number,),
            )

    def reopen(self, number: int) -> None:
        """Say that a sender is at a job that is not complete, though it has brought nothing new."""
        with self.change() as db:
            db.execute("UPDATE jobs SET sender = 'at work' WHERE number = ? AND state = 'received'", (number,))

    def release(self, numbers: Sequence[int]) -> None:
        """Say that the senders of these jobs have ended well."""
        with self.change() as db:
            db.executemany("UPDATE jobs SET sender = 'ended' WHERE number = ?", [(number,) for number in numbers])

    def break_off(self, numbers: Sequence[int]) -> None:
        """Say that a sender of these jobs has ended, and not well."""
        query = "UPDATE jobs SET sender = 'broke off' WHERE number = ? AND sender = 'at work'"
        with self.change() as db:
            db.executemany(query, [(number,) for number in numbers])

    def cut_off(self) -> None:
        """Say that an earlier node has ended, and with it the associations of all senders that were at work."""
        with self.change() as db:
            db.execute("UPDATE jobs SET sender = 'cut off' WHERE sender = 'at work'")

    def advance(self, job: Job, state: State, *, reason: str = "") -> bool:
        """Take a job on to another state, unless its content has changed meanwhile; whether it was taken on."""
        with self.change() as db:
            changed = db.execute(
                "UPDATE jobs SET state = ?, reason = ? WHERE number = ? AND revision = ? AND state = ?",
                (state, reason, job.number, job.revision, job.state),
            ).rowcount
            if changed and state in ENDED:
                content = " ".join(f"{one.name}:{one.digest}" for one in self.instances(job.number))
                db.execute("UPDATE jobs SET content = ? WHERE number = ?", (content, job.number))
            return changed == 1

    def attempt(self, job: Job, change: int = 1) -> int:
        """Count an attempt, or take one back; how many there have been, this one included."""
        with self.change() as db:
            db.execute("UPDATE jobs SET attempts = attempts + ? WHERE number = ?", (change, job.number))
            return self.job(job.number).attempts

    def synthesised(self, job: Job, outputs: Mapping[str, int]) -> bool:
        """Fix what is to be sent of a job, by file with its bytes, unless its content has changed meanwhile."""
        with self.change() as db:
            if not self.advance(job, "synthesised"):
                return False
            rows = [(job.number, file, size) for file, size in outputs.items()]
            db.executemany("INSERT INTO outputs (job, file, size) VALUES (?, ?, ?)", rows)
            return True

    def unsent(self, number: int) -> list[str]:
        """The files of a job that the receiver has not confirmed."""
        rows = self._rows("SELECT file FROM outputs WHERE job = ? AND sent = 0 ORDER BY number", number)
        return [file for (file,) in rows]

    def confirm(self, number: int, file: str) -> None:
        """Say that the receiver has stored a file."""
        with self.change() as db:
            db.execute("UPDATE outputs SET sent = 1 WHERE job = ? AND file = ?", (number, file))

    def earlier(self, series: str) -> tuple[Job, dict[str, str]] | None:
        """The latest job of a series that was made, or was not complete, and its instances' digests by name."""
        query = f"SELECT {COLUMNS}, content FROM jobs WHERE series = ?"
        query += " AND state IN ('synthesised', 'sent', 'incomplete') ORDER BY number DESC LIMIT 1"
        for *row, content in self._rows(query, series):
            job, known = _job(row), dict(pair.split(":") for pair in content.split())
            return job, known or {item.name: item.digest for item in self.instances(job.number)}
        return None

    def uncleaned(self) -> list[int]:
        """Jobs that have ended, and whose files may still be there."""
        marks = ", ".join("?" * len(ENDED))
        query = f"SELECT number FROM jobs WHERE clean = 0 AND state IN ({marks})"
        return [number for (number,) in self._rows(query, *ENDED)]

    def cleaned(self, number: int, *, kept: bool) -> None:
        """Say that the files of a job are gone, or are to stay; forget the oldest jobs."""
        with self.change() as db:
            db.execute("UPDATE jobs SET clean = 1 WHERE number = ?", (number,))
            if not kept:
                db.execute("DELETE FROM instances WHERE job = ?", (number,))
                db.execute("DELETE FROM outputs WHERE job = ?", (number,))
                db.execute("DELETE FROM jobs WHERE clean = 1 AND number <= ?", (number - HISTORY,))


def _job(row: Any) -> Job:
    return Job(*row)
