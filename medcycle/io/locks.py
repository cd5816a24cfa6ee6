"""Locks on what one process at a time may write to, with who holds them."""

from __future__ import annotations

import errno
import getpass
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medcycle.errors import InUse

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["holder_of", "is_kept", "keep", "lock_file_of", "locked", "require_unlocked"]

log = logging.getLogger(__name__)

EVERY = 0.5
"""Seconds between two tries for a lock that is waited for."""

UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""How file systems without locks say so."""

KEEPERS = ".readers.lock"
"""A file in a folder, locked by all who read it for long."""

_held: set[Path] = set()
_kept: dict[Path, int] = {}
_guard = threading.Lock()


def lock_file_of(path: Path) -> Path:
    """The file that stands for the lock on a file or folder: hidden, beside it."""
    place = path.absolute()
    return place.with_name(f".{place.name}.lock")


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock on a file or folder, which need not be there yet, while the block runs.

    The operating system takes the lock (POSIX record locks), so that it ends with its process, however that ends: a
    lock file that a killed process left behind is taken over. The file says who holds the lock, where and since when.
    Where a file system has no locks, or its folder may not be written to, a warning says so and the block runs without.

    Args:
        path: what is written to.
        wait: wait for the other one to end instead of raising an error.

    Raises:
        InUse: if another process, or another thread of this one, holds the lock.
        OSError: if the lock file can't be made for another reason.
    """
    file = lock_file_of(path)
    _hold_here(file, path, wait=wait)
    try:
        stream = _taken(file, path, wait=wait)
        try:
            yield
        finally:
            if stream is not None:
                with suppress(OSError):
                    file.unlink()  # before the lock ends, so that nobody else's is removed
                os.close(stream)
    finally:
        with _guard:
            _held.discard(file)


def require_unlocked(path: Path) -> None:
    """Raise `InUse` if a process holds the lock on a path by now."""
    if lock_file_of(path).exists():
        with suppress(PermissionError), locked(path):
            pass


def holder_of(path: Path) -> str:
    """Who holds the lock on a path, in words, as far as its lock file tells."""
    try:
        told = json.loads(lock_file_of(path).read_text(encoding="utf-8"))
        return f"process {int(told['process'])} of {told['user']} on {told['host']}, since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def keep(folder: Path) -> None:
    """Say, until this process ends, that it reads what is in a folder; without a word where that can't be said."""
    file = folder.absolute() / KEEPERS
    with _guard:
        if fcntl is None or file in _kept:
            return
        with suppress(OSError):
            stream = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            _kept[file] = stream
            fcntl.lockf(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_kept(folder: Path) -> bool:
    """Whether a process has said by `keep` that it reads a folder; also where that can't be known."""
    file = folder.absolute() / KEEPERS
    with _guard:
        if fcntl is None or file in _kept:
            return True
        if not file.exists():
            return False
        try:
            stream = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return True
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(stream)
        return False


def _hold_here(file: Path, path: Path, *, wait: bool) -> None:
    """Keep other threads of this process out, which record locks don't."""
    told = False
    while True:
        with _guard:
            if file not in _held:
                _held.add(file)
                return
        if not wait:
            raise InUse(f"{path}: in use by this process already; wait for it to end, or give another folder")
        if not told:
            log.warning("%s: in use by another thread of this process; waiting for it to end", path)
        told = True
        time.sleep(EVERY)


def _taken(file: Path, path: Path, *, wait: bool) -> int | None:
    """A descriptor whose lock is held; None where there are no locks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        try:
            return _tried(file)
        except BlockingIOError as error:
            holder = holder_of(path)
            if not wait:
                raise InUse(f"{path}: in use by {holder}; wait for it to end, or give another folder") from error
            if not told:
                log.warning("%s: in use by %s; waiting for it to end", path, holder)
            told = True
            time.sleep(EVERY)
        except PermissionError:
            log.warning("%s: can't create a lock beside it; make sure that no other process writes there", path)
            return None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            log.warning("%s: this file system has no locks; make sure that no other process writes there", path)
            return None


def _tried(file: Path) -> int | None:
    """One try for a lock. Raises `BlockingIOError` if another process has it."""
    if fcntl is None:
        return None
    while True:
        stream = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_there(stream, file):
                _sign(stream, file)
                return stream
        except OSError as error:
            os.close(stream)
            if error.errno == errno.EACCES:  # which POSIX allows instead
                raise BlockingIOError(*error.args) from error
            raise
        os.close(stream)


def _is_still_there(stream: int, file: Path) -> bool:
    """Whether a locked file has its name yet: the one who held it before may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(stream), file.stat())
    except FileNotFoundError:
        return False


def _sign(stream: int, file: Path) -> None:
    """Write who holds the lock; without room for it, the lock file goes."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # of a user without a name, as in containers
        user = f"user {os.getuid()}"
    told = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "user": user,
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": Path(sys.argv[0]).name,
    }
    try:
        os.ftruncate(stream, 0)
        os.pwrite(stream, json.dumps(told).encode(), 0)
    except OSError as error:
        with suppress(OSError):
            file.unlink()
        raise OSError(error.errno, error.strerror, str(file)) from error
