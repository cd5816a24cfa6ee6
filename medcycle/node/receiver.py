"""Receives instances: each is on the disk, and in the journal, before its sender is told of success."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode_file_meta
from pynetdicom.events import Event

from medcycle.node.arrival import (
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    SUCCESS,
    Rejected,
    digest_of,
    hash_of,
    series_and_kind,
)
from medcycle.node.entity import receiving_entity
from medcycle.node.journal import Arrived, Job, Journal
from medcycle.node.server import BoundedServer, BoundedSocket, goes_on, wait_no_longer
from medcycle.node.settings import NodeSettings
from medcycle.node.spool import Spool, SpoolFull

__all__ = ["TOO_MANY", "Receiver"]

NOT_RECOGNISED = (1, 1, 3)
"""Rejected for good, by the service user: the calling AE title is not recognised (PS3.8, 9.3.4)."""

TOO_MANY_SENDERS = (2, 3, 2)
"""Rejected for now, by the presentation layer: the local limit is exceeded (PS3.8, 9.3.4)."""

ENDS_WITHIN = 1.0
"""Seconds that an association has to end by itself when the node stops."""

MOST_TOLD = 100
"""Senders that the log names in a minute as refused."""

TOO_MANY = "more"
"""Stands for all instances of a series that has too many."""


@dataclass
class _Session:
    """What one association has brought.

    Args:
        jobs: that it has put instances into.
        latest: the last of them.
        refused: names of instances that were refused before it had put any into a job.
    """

    jobs: set[int] = field(default_factory=set)
    latest: int | None = None
    refused: list[str] = field(default_factory=list)


class Receiver:
    """The receiving end of a node.

    Args:
        settings: of the node.
        journal: where what has arrived is written down.
        spool: where it is put.
        say: called with a line for the log.
    """

    def __init__(self, settings: NodeSettings, journal: Journal, spool: Spool, say: Callable[[str], None]) -> None:
        self.settings, self.journal, self.spool, self.say = settings, journal, spool, say
        self._lock = threading.RLock()
        self._sessions: dict[Association, _Session] = {}
        self._admitted: list[Association] = []
        self._last: dict[int, float] = {}
        self._told: dict[str, float] = {}
        self._server: BoundedServer | None = None
        self._entity = receiving_entity(settings)

    @property
    def port(self) -> int:
        """The port that is listened to."""
        assert self._server is not None
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen, in threads of its own. Raises `OSError` if the port is taken."""
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_REQUESTED, self._require_listed),
            (evt.EVT_CONN_CLOSE, wait_no_longer),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_RELEASED, self._released),
        ]
        address = (self.settings.bind, self.settings.port)
        made = self._entity.make_server(address, evt_handlers=handlers, server_class=BoundedServer)
        server = cast(BoundedServer, made)
        server.settings, server.refused = self.settings, self._tell_refused
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.1,), name="AcceptorServer", daemon=True).start()

    def stop(self) -> None:
        """Listen no more; associations are aborted, so that their senders know that they have not ended well."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        for association in server.active_associations:
            if association.is_established:
                association.abort(block=False)
        end = time.monotonic() + ENDS_WITHIN
        while server.active_associations and time.monotonic() < end:
            time.sleep(0.01)
        for association in server.active_associations:  # which wait for their senders, or have not begun
            if association.dul.socket and (connection := association.dul.socket.socket):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def has_settled(self, job: Job) -> bool:
        """Whether nobody is sending to a job any more, and its quiet time is over.

        An association that has brought nothing for long, and doesn't end, is nobody.
        """
        waited = self.waited(job)
        with self._lock:
            busy = any(job.number in own.jobs for own in self._living())
        return waited >= (self.settings.limits.return_seconds if busy else self.settings.quiet_time)

    def _living(self) -> list[_Session]:
        """The sessions of associations that have not ended; of those that have without a word, it is written down."""
        living = {one: own for one, own in self._sessions.items() if one.is_alive()}
        gone = [self._sessions[one] for one in self._sessions.keys() - living.keys()]
        if self._server is not None:  # and it is not this node that ends
            self.journal.break_off(sorted({number for own in gone for number in own.jobs}))
        self._sessions = living
        return list(living.values())

    def waited(self, job: Job) -> float:
        """Seconds since the last instance of a job, or since this node started."""
        with self._lock:
            return time.monotonic() - self._last.setdefault(job.number, time.monotonic())

    def forget(self, number: int) -> None:
        """A job gets no more instances."""
        with self._lock:
            self._last.pop(number, None)

    def _require_listed(self, event: Event) -> None:
        """Reject an association whose AE title is not listed with its address, or that is one too many."""
        association = event.assoc
        request = association.requestor.primitive
        title, address = request.calling_ae_title if request else "", association.requestor.address or ""
        if not self.settings.admits(title, address):
            self._tell_refused("its AE title is not listed in --allow with its address", address)
            self._reject(association, NOT_RECOGNISED)
        elif not self._admit(association):
            self._tell_refused("too many associations", address)
            self._reject(association, TOO_MANY_SENDERS)

    def _admit(self, association: Association) -> bool:
        """Whether there is room for one more; connections that haven't asked for an association take none."""
        with self._lock:
            self._living()
            self._admitted = [one for one in self._admitted if goes_on(one)]
            if len(self._admitted) >= self.settings.limits.associations:
                return False
            self._admitted.append(association)
            return True

    @staticmethod
    def _reject(association: Association, reason: tuple[int, int, int]) -> None:
        association.acse.send_reject(*reason)
        association.kill()

    def _tell_refused(self, reason: str, address: str) -> None:
        """Say that a sender was refused, once a minute for each address and reason."""
        with self._lock:
            now = time.monotonic()
            self._told = {key: at for key, at in self._told.items() if now - at < 60}
            new = f"{address} {reason}" not in self._told and len(self._told) < MOST_TOLD
            if new:
                self._told[f"{address} {reason}"] = now
        if new:
            self.say(f"a sender at {address} was refused: {reason}")

    def _echo(self, event: Event) -> int:
        _dealt_with(event, 0)
        return SUCCESS

    def _released(self, event: Event) -> None:
        """An association has ended well, and so have its jobs but for those that others are at."""
        with self._lock:
            own = self._sessions.pop(event.assoc, None)
            if own is None:
                return
            others = {number for one in self._living() for number in one.jobs}
            self.journal.release(sorted(own.jobs - others))

    def _store(self, event: Event) -> Dataset:
        """Take an instance, or say why not; never raises."""
        request = cast(C_STORE, event.request)
        name = hash_of(str(request.AffectedSOPInstanceUID))
        content = request.DataSet.getbuffer() if request.DataSet else memoryview(b"")
        try:
            self._take(event, request, content)
            status, reason = SUCCESS, ""
        except Rejected as error:
            status, reason = error.status, error.reason
        except SpoolFull:
            status, reason = OUT_OF_RESOURCES, "no room in the spool"
        except (OSError, sqlite3.Error, MemoryError):
            status, reason = OUT_OF_RESOURCES, "the disk fails or is full, or memory is"
        except Exception as error:  # noqa: BLE001 - whatever a data set does to the parser, the node goes on
            status, reason = CANNOT_UNDERSTAND, f"not understood ({type(error).__name__})"
        finally:
            _dealt_with(event, content.nbytes)
        if reason:
            self._note_refused(event.assoc, name, reason)
        answer = Dataset()
        answer.Status = status
        if reason:
            answer.ErrorComment = reason[:64]
        return answer

    def _take(self, event: Event, request: C_STORE, content: memoryview) -> None:
        head = b"\0" * 128 + b"DICM" + encode_file_meta(event.file_meta)
        sop_class, instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        with self.spool.new_file([head, content]) as path:
            series, kind = series_and_kind(path, sop_class, instance)
            item = Arrived(series, hash_of(instance), kind, digest_of(content), len(head) + content.nbytes)
            with self._lock:
                self._put(path, item, event.assoc)

    def _put(self, path: Path, item: Arrived, association: Association) -> None:
        """Put an instance into the job of its series, on the disk and in the journal."""
        job = self.journal.arriving(item.series)
        if job is None:
            if self.journal.arriving_count() >= self.settings.limits.series:
                raise Rejected(OUT_OF_RESOURCES, "too many series that are not complete")
            job = self.journal.begin(item.series)
            self.say(f"job {job.number}: a series begins")
        known = self.journal.digest_of(job.number, item.name)
        own = self._sessions.setdefault(association, _Session())
        own.jobs.add(job.number)
        own.latest = job.number
        if known is None and self.journal.held(job.number) >= self.settings.limits.instances:
            raise Rejected(OUT_OF_RESOURCES, f"more than {self.settings.limits.instances} instances")
        if known == item.digest:
            self.journal.reopen(job.number)
        else:
            self.spool.move(path, job.number, f"in/{item.name}.dcm")
            self.journal.receive(job.number, item)
        for name in own.refused:
            self._lack(job.number, name)
        own.refused.clear()
        self._last[job.number] = time.monotonic()

    def _note_refused(self, association: Association, name: str, reason: str) -> None:
        """A series that an instance was refused of is not whole until it has come, so that it isn't cut silently."""
        with self._lock:
            own = self._sessions.setdefault(association, _Session())
            job = own.latest
            if job is None:
                own.refused = [*own.refused, name][-self.settings.limits.instances :]
                self.say(f"an instance was refused: {reason}")
                return
            self.say(f"job {job}: an instance was refused: {reason}")
            try:
                self._lack(job, name)
            except (OSError, sqlite3.Error):
                own.jobs.discard(job)  # which then has no sender that ends well

    def _lack(self, number: int, name: str) -> None:
        job = self.journal.job(number)
        if self.journal.held(number) >= self.settings.limits.instances:
            name = TOO_MANY
        if job.state in ("received", "complete") and self.journal.digest_of(number, name) is None:
            self.journal.receive(number, Arrived(job.series, name, "image", "", 0))


def _dealt_with(event: Event, size: int) -> None:
    """Say that a message has been dealt with."""
    connection = event.assoc.dul.socket
    if connection and isinstance(connection.socket, BoundedSocket):
        connection.socket.deal_with(size if event.assoc.dimse.msg_queue.qsize() else None)
