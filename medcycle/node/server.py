"""pynetdicom's server with bounds of its own: who connects, how many, how much they send, how long it takes."""

from __future__ import annotations

import socket
import socketserver
import time
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.transport import ThreadedAssociationServer

from medcycle.node.entity import WAITING
from medcycle.node.settings import NodeSettings

__all__ = ["BoundedServer", "BoundedSocket", "goes_on", "wait_no_longer"]

SPARE = 2**20
"""Bytes that one association may have sent beside an instance: what announces it, and what frames its parts."""

LONGEST_MESSAGE = 10
"""Times the silence that ends an association."""


class BoundedSocket(socket.socket):
    """A connection that ends when too much has come of it that nobody has dealt with, or when that takes too long."""

    most: int = 0
    """bytes"""
    silence: float = 0.0
    """seconds"""
    _held: int = 0
    _since: float | None = None

    def recv(self, *given: Any) -> bytes:
        """Bytes, as the base class gives them. Raises `OSError` beyond the bounds."""
        self._since = self._since or time.monotonic()
        if time.monotonic() - self._since > LONGEST_MESSAGE * self.silence:
            raise TimeoutError("a message takes too long")
        received = super().recv(*given)
        self._held += len(received)
        if self._held > self.most:
            raise OSError("more than is taken at once")
        return received

    def deal_with(self, size: int | None = None) -> None:
        """Say that bytes have been dealt with: so many, or all of them."""
        self._held = 0 if size is None else max(0, self._held - size)
        self._since = None


class BoundedServer(ThreadedAssociationServer):
    """Hears only addresses that are listed, and no more connections than it can serve.

    Attributes:
        settings: of the node.
        refused: called with the reason when a connection is refused, and the address.
    """

    settings: NodeSettings
    refused: Callable[[str, str], None]
    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """The next connection, with its bounds."""
        client, address = super().get_request()
        bounded = BoundedSocket(client.family, client.type, client.proto, client.detach())
        bounded.settimeout(self.settings.limits.silence)
        bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bounded.most = self.settings.limits.instance_bytes + SPARE
        bounded.silence = self.settings.limits.silence
        return bounded, address

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - as the base class has it
        """Whether a connection is heard at all; it is closed without a word otherwise."""
        if not self.settings.admits_address(client_address[0]):
            self.refused("its address is not listed in --allow", client_address[0])
            return False
        if len(self.active_associations) >= self.settings.limits.associations + WAITING:
            self.refused("too many connections", client_address[0])
            return False
        return True

    def shutdown(self) -> None:
        """Accept no more connections, and let go of the port."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()


def goes_on(association: Association) -> bool:
    """Whether an association has neither ended nor been refused."""
    ended = association.is_released or association.is_aborted or association.is_rejected
    return association.is_alive() and not ended


def wait_no_longer(event: Event) -> None:
    """A connection that has closed before it asked for an association leaves its thread at once, not seconds later."""
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)  # type: ignore[arg-type]  # which stands for time that is up
