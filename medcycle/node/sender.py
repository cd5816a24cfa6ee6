"""Sends files by C-STORE."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RTStructureSetStorage
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from medcycle.io.dicom.frames import quiet_pydicom
from medcycle.node.settings import Peer

__all__ = ["Backoff", "Sent", "at_once", "send"]

WARNINGS = range(0xB000, 0xC000)
"""Statuses of what was stored with a change (PS3.4, B.2.3)."""

CONNECTS_WITHIN = 10.0
"""seconds"""

ANSWERS_WITHIN = 60.0
"""seconds"""


@dataclass(frozen=True)
class Sent:
    """How a sending went.

    Args:
        problem: why not all was sent, or an empty string.
        reached: whether the receiver could be talked to at all.
    """

    problem: str = ""
    reached: bool = True


@dataclass
class Backoff:
    """When to try again.

    Args:
        pause: seconds after the first failure; doubled after each.
        longest: seconds.
        failures: how many there were, one after the other.
        due: when to try again, by the clock that `failed` is given.
    """

    pause: float
    longest: float
    failures: int = 0
    due: float = 0.0

    def failed(self, now: float) -> float:
        """Count a failure; gives the seconds until the next try."""
        wait = min(self.pause * 2.0 ** min(self.failures, 30), self.longest)
        self.failures += 1
        self.due = now + wait
        return wait


def send(
    files: Sequence[Path],
    peer: Peer,
    title: str,
    *,
    confirm: Callable[[Path], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Sent:
    """Send CT images and structure sets, one after the other, in one association.

    Args:
        files: in this order.
        peer: where to.
        title: AE title of the sender.
        confirm: called with each file as soon as the receiver has stored it.
        stopped: whether to stop before the next file.

    Returns:
        How it went. Whatever the receiver does is no error.
    """
    entity = AE(title)
    entity.connection_timeout = CONNECTS_WITHIN
    entity.dimse_timeout = entity.network_timeout = ANSWERS_WITHIN
    for kind in (CTImageStorage, RTStructureSetStorage):
        for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            entity.add_requested_context(kind, syntax)
    try:
        handlers: list[evt.EventHandlerType] = [(evt.EVT_CONN_OPEN, at_once)]
        association = entity.associate(peer.host, peer.port, ae_title=peer.title, evt_handlers=handlers)
    except OSError as error:  # as of a name that is not known
        return Sent(f"can't be reached ({error.strerror or type(error).__name__})", reached=False)
    if not association.is_established:
        rejected = "rejects the association" if association.is_rejected else "can't be reached"
        return Sent(rejected, reached=False)
    try:
        return _all_of(files, association, confirm, stopped)
    finally:
        if association.is_established:
            association.release()


def at_once(event: Event) -> None:
    """Don't have small messages wait for the answer to the one before, 40 ms each."""
    connection = event.assoc.dul.socket
    if connection and connection.socket:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _all_of(
    files: Sequence[Path], association: Association, confirm: Callable[[Path], None], stopped: Callable[[], bool]
) -> Sent:
    for file in files:
        if stopped():
            return Sent("stopped")
        try:
            with quiet_pydicom():
                status = association.send_c_store(str(file)).get("Status")
        except ValueError:
            return Sent("doesn't take this kind of object")
        except RuntimeError:  # the association has ended
            status = None
        if status is None:
            return Sent("broke off")
        if status != 0 and status not in WARNINGS:
            return Sent(f"refuses with status 0x{status:04X}")
        confirm(file)
    return Sent()
