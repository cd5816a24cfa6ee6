"""Ports for servers that tests start."""

import socket

__all__ = ["free_ports"]


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens to."""
    sockets = [socket.socket() for _ in range(count)]
    for item in sockets:
        item.bind(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports
