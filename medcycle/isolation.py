"""One of many cases: whatever is wrong with it is its own error, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medcycle.errors import CaseFailed, MedcycleError
from medcycle.words import reason_of, told

__all__ = ["as_data_error", "isolated"]


@contextmanager
def isolated(place: Path | str, *, but: type[Exception] | None = None) -> Iterator[None]:
    """Turn every error of the block that medcycle doesn't raise on purpose into a `CaseFailed` that names the place.

    Lack of memory, a disk that fails and what libraries raise on foreign data are such errors, and so is a fault of
    medcycle: with one case of many, none of them is a reason to give up the others.

    Args:
        place: of the case, which the message begins with.
        but: errors that are let through, as those of writing to a disk, which is the same for all cases.

    Raises:
        MedcycleError: whatever went wrong.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MedcycleError) or (but and isinstance(error, but)):
            raise
        raise as_data_error(error, f"{place}: ") from error


def as_data_error(error: Exception, before: str = "") -> MedcycleError:
    """The error that tells of another one, in one line.

    Args:
        error: of any kind.
        before: what the message begins with, where it doesn't name a place itself.
    """
    match error:
        case MedcycleError():
            return error
        case MemoryError():
            return CaseFailed(f"{before}needs more memory than there is ({_line(error) or 'no more is said'})")
        case OSError() if error.filename:
            return CaseFailed(told(error))
        case OSError():
            return CaseFailed(f"{before}{reason_of(error)}")
        case _ if type(error).__name__ == "OutOfMemoryError":  # of torch, which need not be loaded here
            return CaseFailed(f"{before}needs more memory than the device has ({_line(error)})")
        case _:
            kind = f"{type(error).__name__}: {_line(error)}"
            return CaseFailed(f"{before}{kind}; a bug in medcycle: run again with --debug and report it")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
