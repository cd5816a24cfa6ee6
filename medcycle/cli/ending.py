"""How a command that fails ends: what is said of it, and its exit status."""

from __future__ import annotations

import errno
import re

import typer
from typer.exceptions import TyperException

from medcycle.errors import MedcycleError, UsageError
from medcycle.words import meant, told

__all__ = ["INTERRUPTED", "INTERRUPTION", "explain"]

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended, as shells have it; typer returns it too."""

INTERRUPTION = "interrupted; finished results are kept"

CHOICES = re.compile(r"'(?P<given>[^']*)' is not one of (?P<known>.*)")


def explain(error: BaseException, program: str) -> tuple[str, int]:
    """What to say of an error, and the exit status."""
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # Python's word for it up to 3.12
        error = OSError(errno.ELOOP, str(error))
    if isinstance(error, UnicodeEncodeError):  # of a path with half a surrogate pair
        error = UsageError(f"{error.object!r}: not a name that a file can have; correct it")
    match error:
        case MedcycleError():
            return str(error), error.exit_status
        case TyperException():
            context = getattr(error, "ctx", None)  # of the command whose call is wrong
            return f"{_wrong_call(error)} See `{context.command_path if context else program} --help`.", 2
        case KeyboardInterrupt() | typer.Abort():
            return INTERRUPTION, INTERRUPTED
        case MemoryError():
            return f"out of memory ({error}); lower training.batch_size or raise data.spacing", 1
        case OSError():
            status = 2 if isinstance(error, NotADirectoryError | IsADirectoryError | FileExistsError) else 1
            return told(error), status
        case _:
            return (
                f"{type(error).__name__}: {error}; a bug in medcycle: run again with --debug and report it",
                1,
            )


def _wrong_call(error: TyperException) -> str:
    """What typer says of a wrong call, as sentences, with the name that was meant."""
    if near := getattr(error, "possibilities", None):  # of a mistyped option
        given = str(getattr(error, "option_name", ""))
        hint = meant(given, near, most=2) or f"there are {', '.join(sorted(near))}."
        return f"{error.message}; {hint}"
    said = error.format_message().replace("Value error, ", "")  # which pydantic puts before what typer says
    if choices := CHOICES.search(said):
        hint = meant(choices["given"], re.findall("'([^']*)'", choices["known"]))
        return f"{said.rstrip('.')}{f'; {hint}' if hint else '.'}"
    return said if said.endswith((".", "?", "!")) else f"{said}."
