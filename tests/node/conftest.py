"""pynetdicom leaves a connection that the other end has closed first to the garbage collector, which warns of it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="session")
def connections_are_closed() -> Iterator[None]:
    transport = pytest.importorskip("pynetdicom.transport", reason="pynetdicom comes with the dev extra")
    shut = transport.AssociationSocket._shutdown_socket

    def shut_and_closed(connection: Any) -> None:
        held = connection.socket
        shut(connection)
        with suppress(OSError, AttributeError):
            held.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport.AssociationSocket, "_shutdown_socket", shut_and_closed)
        yield
