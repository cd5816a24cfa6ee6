"""Writing that leaves nothing half-done under a final name."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medcycle.errors import UnreadableFile, UsageError
from medcycle.io.opening import kind_of, open_regular, require_regular

__all__ = [
    "GZIP",
    "PARTIAL",
    "atomic_path",
    "first_bytes",
    "remove_torn",
    "require_absent",
    "require_exists",
    "require_room",
    "require_writable",
    "seen_from",
    "sha256_of",
    "sync_one",
    "unopened",
    "write_text",
]

GZIP = b"\x1f\x8b"
"""How gzip files begin."""

PACKED = (".gz", ".nrrd", ".mha")
"""Files whose voxels may be compressed."""

PARTIAL = ".partial-"
"""How names begin of what is not whole yet."""

TORN_AFTER = 3600.0
"""Seconds after which what is not yet under its final name is of a process that was killed."""

LARGEST_RATIO = 1032
"""of deflate, which all of them use (zlib's technical notes)."""


NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)
"""What some network disks say to being synced."""

FULL = 2**16
"""Bytes that are left of a disk where there is no room for more."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path`, renamed to it when the block ends well and removed when it does not.

    The temporary name keeps the suffixes, so that writers that choose a format by name choose the same one. The block
    may make a file or a folder there; a folder replaces only an absent or empty one. All of it is on the disk before
    it gets its name, and so is the name when this ends: a machine that goes down leaves it whole or not at all.

    Raises:
        OSError: if it can't be written, with `path` as its `filename`.
    """
    temporary = path.with_name(f"{PARTIAL}{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        sync_one(path.parent)
    except BaseException as error:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and (named := _named(error, path, temporary)):
            raise named from error
        raise


def _sync(path: Path) -> None:
    """Have a file, or a folder with all that is in it, on the disk."""
    if path.is_dir():
        for folder, _, names in os.walk(path, topdown=False):
            for name in names:
                sync_one(Path(folder, name))
            sync_one(Path(folder))
    else:
        sync_one(path)


def sync_one(path: Path) -> None:
    """Have a file, or a folder's names, on the disk, where the file system can do that. Raises `OSError`."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)


def _named(error: OSError, path: Path, temporary: Path) -> OSError | None:
    """The same error with the final name, where it has none (as NumPy's) or the temporary one; else None."""
    name = os.fspath(error.filename) if isinstance(error.filename, str | os.PathLike) else ""
    if name and not name.startswith(str(temporary)):
        return None
    number, reason = error.errno, error.strerror or str(error)
    if number is None:  # NumPy says how much was written, and not why no more was
        number = errno.ENOSPC if _is_full(path.parent) else errno.EIO
    return OSError(number, reason, f"{path}{name.removeprefix(str(temporary))}")


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL
    except OSError:
        return False


def remove_torn(folder: Path) -> None:
    """Remove what killed processes had begun in a folder with `atomic_path`; what is younger, others may be writing."""
    for torn in folder.glob(f"{PARTIAL}{'[0-9a-f]' * 12}-*"):
        with suppress(OSError):
            if time.time() - torn.stat().st_mtime < TORN_AFTER:
                continue
            if torn.is_dir():
                shutil.rmtree(torn)
            else:
                torn.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def require_room(path: Path, needed: int) -> None:
    """Raise `UnreadableFile` if a file can't hold `needed` bytes of voxels, before memory is asked for them."""
    size = require_regular(path).st_size
    packed = path.name.lower().endswith(PACKED) or first_bytes(path, 2) == GZIP
    if needed > size * (LARGEST_RATIO if packed else 1):
        raise UnreadableFile(f"{path}: {size} bytes, but its header needs {needed} bytes of voxels; copy it again")


def unopened(path: Path, error: OSError) -> str:
    """Why a file or folder can't be opened, and what to do."""
    if path.is_symlink() and not path.exists():
        target = str(path.readlink())
        fetch = "fetch its content with `git annex get` or `datalad get`" if "annex" in target else "mend or remove it"
        return f"a link to {target}, which is not there; {fetch}"
    if isinstance(error, PermissionError):
        return "permission denied; ask for the right to read it"
    return f"{(error.strerror or str(error)).lower()}; check the disk, or copy it again"


def first_bytes(path: Path, count: int = 540) -> bytes:
    """The beginning of a file with an image.

    Raises:
        UnreadableFile: if it can't be opened, is no regular file, is empty, or only names its content, as git-annex and
            Git LFS leave it.
    """
    try:
        with open_regular(path) as stream:
            start = stream.read(count)
    except OSError as error:
        raise UnreadableFile(f"{path}: can't be opened: {unopened(path, error)}") from error
    if what := "empty; copy it again" if not start else _pointer(start):
        raise UnreadableFile(f"{path}: {what}")
    return start


def _pointer(start: bytes) -> str:
    if start.startswith((b"/annex/objects/", b"../.git/annex/")) or b".git/annex/objects/" in start[:200]:
        return "a git-annex pointer, not the image itself; fetch it with `git annex get` or `datalad get`"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the image itself; fetch it with `git lfs pull`"
    return ""


def seen_from(folder: Path, path: Path) -> str:
    """A path as seen from a folder, which may lie on another computer tomorrow."""
    try:
        return os.path.relpath(path.resolve(), folder.resolve())
    except ValueError:  # on another drive of Windows
        return str(path.resolve())


def sha256_of(path: Path) -> str:
    """The hash of a file, in hexadecimal digits."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_exists(path: Path, what: str) -> Path:
    """Return `path`.

    Raises:
        UsageError: if there is nothing, naming `what` it should have been.
        UnreadableFile: if it is a link to nowhere, a pipe, a socket or a device.
    """
    if path.is_symlink() and not path.exists():
        raise UnreadableFile(f"{path}: {unopened(path, FileNotFoundError())}")
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; give {what}")
    if not path.is_dir() and (kind := kind_of(path.stat())):
        raise UnreadableFile(f"{path}: {kind}; give {what}")
    return path


def require_absent(path: Path) -> None:
    """Raise `UsageError` if there is something at `path` already."""
    if path.exists():
        raise UsageError(f"{path}: already exists; delete it, or give another output")


def require_writable(output: Path) -> None:
    """Raise `UsageError` unless something can be written at `output`, before anything is computed for it."""
    path = output.absolute()
    folder = next(place for place in (path, *path.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{output}: can't be written ({error.strerror}); give another output") from error
