"""What a DICOM node is told: who it is, whom it listens to, where it sends, and how much it takes."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from medcycle.errors import UsageError
from medcycle.io.dicom.site import Site

__all__ = ["LOOPBACK", "Allowed", "Limits", "NodeSettings", "Peer", "require_title"]

LONGEST_TITLE = 16
"""Characters of an AE title (PS3.5, 6.2)."""

TITLE = re.compile(r"[!-\[\]-~]+( +[!-\[\]-~]+)*")
"""Printable ASCII but for the backslash; spaces inside."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

GIB, MIB = 2**30, 2**20


def require_title(title: str, option: str) -> str:
    """Return an AE title. Raises `UsageError`, naming the option, if it is none."""
    if len(title) > LONGEST_TITLE or not TITLE.fullmatch(title):
        raise UsageError(f"{option} {title!r}: not an AE title; give 1 to {LONGEST_TITLE} letters, digits or signs")
    return title


@dataclass(frozen=True)
class Peer:
    """Where results are sent.

    Args:
        title: its AE title.
        host: name or IP address.
        port: its DICOM port.
    """

    title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Peer:
        """From `AE@HOST:PORT`, an IPv6 address in brackets. Raises `UsageError`.

        >>> Peer.parse("PACS@192.0.2.7:104")
        Peer(title='PACS', host='192.0.2.7', port=104)
        """
        found = re.fullmatch(r"([^@]+)@(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", text)
        if not found or not 0 < int(found[3]) < 2**16:
            raise UsageError(f"--send-to {text!r}: give AE@HOST:PORT, such as PACS@192.0.2.7:104")
        return cls(require_title(found[1], "--send-to"), found[2].strip("[]"), int(found[3]))


@dataclass(frozen=True)
class Allowed:
    """A sender that is listened to.

    Args:
        title: its AE title.
        network: its IP address, or the network that it is in.
    """

    title: str
    network: Network

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """From `AE@ADDRESS`, an IP address or a network such as `192.0.2.0/24`. Raises `UsageError`."""
        title, at, address = text.rpartition("@")
        try:
            return cls(require_title(title, "--allow") if at else title, ipaddress.ip_network(address))
        except ValueError as error:
            raise UsageError(f"--allow {text!r}: give AE@ADDRESS, such as SCANNER@192.0.2.8") from error


@dataclass(frozen=True)
class Limits:
    """How much a node takes.

    Args:
        spool_bytes: of all instances and results that wait; more instances are refused as out of resources.
        instance_bytes: of one instance, and of all that one association has sent and that is not stored yet.
        instances: of one series, with its structure sets.
        series: that are not complete.
        associations: at a time.
        pdu_bytes: of a protocol data unit that is asked for.
        silence: seconds after which a silent association is ended, as is a message that takes ten times as long.
        return_seconds: how long a series waits for a sender that broke off, or for an instance that was refused.
        restart_seconds: how long a series waits for a sender that was cut off when the node itself ended; then it is
            taken for whole, since the sender may have been told of success for all of it.
        attempts: to synthesise a series that fails for another reason than what it holds.
        deaths: of the program while it synthesises a series, after which the series is refused.
        pause: seconds before a failed sending is tried again; doubled each time, up to `longest_pause`.
        longest_pause: seconds.
    """

    spool_bytes: int = 20 * GIB
    instance_bytes: int = 512 * MIB
    instances: int = 5000
    series: int = 500
    associations: int = 8
    pdu_bytes: int = 2**17
    silence: float = 60.0
    return_seconds: float = 3600.0
    restart_seconds: float = 600.0
    attempts: int = 3
    deaths: int = 10
    pause: float = 5.0
    longest_pause: float = 600.0


@dataclass(frozen=True)
class NodeSettings:
    """How a node runs.

    Args:
        spool: folder for what has arrived and waits; new, empty, or of an earlier run.
        send_to: where synthetic CT go.
        title: AE title of the node.
        port: to listen on; 0 for any that is free.
        bind: IP address to listen on.
        allowed: senders that are listened to; without any, those on this machine, whatever their AE title.
        quiet_time: seconds without another instance after which a series is complete.
        structures: whether RT structure sets are taken, and carried over to the synthetic CT.
        keep: whether received and synthetic files stay in the spool once they are sent.
        resample_irregular: rebuild series with gaps or uneven slice spacing instead of refusing them.
        site: what the planning system wants of the CT series.
        limits: how much is taken.

    Raises:
        UsageError: if the AE title or the address is none, or the quiet time is negative.
    """

    spool: Path
    send_to: Peer
    title: str = "MEDCYCLE"
    port: int = 11112
    bind: str = "127.0.0.1"
    allowed: tuple[Allowed, ...] = ()
    quiet_time: float = 30.0
    structures: bool = True
    keep: bool = False
    resample_irregular: bool = False
    site: Site | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        require_title(self.title, "--ae-title")
        if not self.quiet_time >= 0:
            raise UsageError(f"--quiet-time {self.quiet_time:g}: give a number of seconds, 0 or more")
        try:
            ipaddress.ip_address(self.bind)
        except ValueError as error:
            raise UsageError(f"--bind {self.bind}: give an IP address of this machine, such as 127.0.0.1") from error

    def admits_address(self, address: str) -> bool:
        """Whether anyone at an IP address is listened to."""
        return any(_is_in(address, network) for network in [one.network for one in self.allowed] or LOOPBACK)

    def admits(self, title: str, address: str) -> bool:
        """Whether a sender with that AE title is listened to from that IP address."""
        if not self.allowed:
            return self.admits_address(address)
        return any(one.title == title.strip() and _is_in(address, one.network) for one in self.allowed)


def _is_in(address: str, network: Network) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found) in network
