"""Foreign text made fit to be shown: names, headers and messages that may hold anything."""

from __future__ import annotations

import difflib
import errno
import logging
import os
import re
import reprlib
import sys
import traceback
from collections.abc import Iterable
from typing import TextIO

__all__ = [
    "LONGEST_MESSAGE",
    "LONGEST_VALUE",
    "RED",
    "YELLOW",
    "about",
    "cell",
    "coloured",
    "counted",
    "duration",
    "meant",
    "pace",
    "quoted",
    "reason_of",
    "shown",
    "shown_traceback",
    "size",
    "told",
    "told_in_a_line",
    "warn_plainly",
]

LONGEST_VALUE = 200
"""Characters of a value that is quoted."""

LONGEST_MESSAGE = 2000
"""Characters of a message in one line."""

RED, YELLOW = 31, 33
"""Colours, as terminals number them."""

CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and line feed, C1
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"  # what turns or hides text
    "\ud800-\udfff\U000e0000-\U000e007f]"  # bytes of names that are no UTF-8; invisible tags
)
"""What a terminal acts on, or doesn't show. Joiners stay, since Persian and Hindi need them."""

REMEDIES = {
    errno.ENOSPC: "no room left on that disk; free some, or write elsewhere",
    errno.EDQUOT: "your quota on that disk is used up; free some, or write elsewhere",
    errno.EROFS: "that disk is read-only; write elsewhere",
    errno.EACCES: "permission denied; ask for the right to it",
    errno.EPERM: "permission denied; ask for the right to it",
    errno.ENAMETOOLONG: "the name is too long; give a shorter one",
    errno.EIO: "the disk reports an error; check it, or copy the file again",
    errno.EMFILE: "too many open files; raise `ulimit -n`, or lower --workers",
}


def shown(text: str, longest: int | None = None) -> str:
    r"""Text with control characters written out, and cut if it is longer than that.

    >>> shown("M\u00fcller\x1b]0;\x07")
    'Müller\\x1b]0;\\x07'
    """
    text = CONTROLS.sub(_written_out, text if longest is None else text[: longest + 1])
    return text if longest is None or len(text) <= longest else f"{text[:longest]}..."


def cell(text: str) -> str:
    """Text of a table's cell that a spreadsheet doesn't take for a formula.

    >>> cell("=1+1")
    "'=1+1"
    """
    return f"'{shown(text)}" if text.startswith(("=", "+", "-", "@")) else shown(text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it in names
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def told_in_a_line(text: str) -> str:
    """A message in one line, fit to be shown."""
    return shown(" ".join(text[: 4 * LONGEST_MESSAGE].split()), LONGEST_MESSAGE)


def quoted(value: object) -> str:
    """A value as Python writes it, without looking at more of it than is shown."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = LONGEST_VALUE
    text = short.repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def told(error: OSError) -> str:
    """What is wrong with a file or folder, where, and what to do."""
    return f"{error.filename or 'input or output'}: {reason_of(error)}"


def reason_of(error: OSError) -> str:
    """What is wrong, and what to do, without the place."""
    return REMEDIES.get(error.errno or 0) or f"{error.strerror or error or type(error).__name__}; check the path"


def shown_traceback(error: BaseException) -> str:
    """The traceback of an error, fit to be shown."""
    return shown("".join(traceback.format_exception(error)))


def coloured(text: str, code: int, stream: TextIO) -> str:
    """A text in a colour, if the stream is a terminal and NO_COLOR is not set."""
    plain = not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[{code}m{text}\x1b[0m"


def meant(given: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> str:
    """A question for what a mistyped name may have been; nothing if none is similar; `cutoff`, 0 to 1, as in `difflib`.

    >>> meant("trian", ["train", "adapt"])
    'did you mean train?'
    """
    near = difflib.get_close_matches(given, list(known), n=most, cutoff=cutoff)
    return f"did you mean {', '.join(near[:-1])}{' or ' if near[1:] else ''}{near[-1]}?" if near else ""


def counted(count: int, what: str) -> str:
    """A number of things, in the plural if it is not one.

    >>> counted(1, "case"), counted(2, "case")
    ('1 case', '2 cases')
    """
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def duration(seconds: float) -> str:
    """A time in the two largest units that it has.

    >>> [duration(value) for value in (0.04, 42.3, 200, 7500, 200_000)]
    ['0.04 s', '42 s', '3 min 20 s', '2 h 5 min', '2 days 8 h']
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    for large, small, unit, smaller in ((86400, 3600, "days", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        count, rest = divmod(round(seconds / small), large // small)
        if count:
            named = "day" if (count, unit) == (1, "days") else unit
            return f"{count} {named} {rest} {smaller}" if rest else f"{count} {named}"
    return f"{seconds:.0f} s"


def about(seconds: float) -> str:
    """How long something takes, roughly and in words."""
    minutes = seconds / 60
    return f"about {minutes:.0f} minutes" if minutes >= 1.5 else "about a minute" if minutes > 0.5 else "seconds"


def pace(a_second: float) -> str:
    """A rate in a unit of time in which it is more than one, if there is such.

    >>> [pace(value) for value in (250, 2.13, 0.4, 0.01)]
    ['250 a second', '2.1 a second', '24 a minute', '36 an hour']
    """
    seconds, unit = (1, "a second") if a_second >= 1 else (60, "a minute") if a_second >= 1 / 60 else (3600, "an hour")
    rate = a_second * seconds
    return f"{rate:.0f} {unit}" if rate >= 10 else f"{rate:.2g} {unit}"


def size(count: int) -> str:
    """A number of bytes, in powers of 1000 as file managers have them.

    >>> [size(value) for value in (999, 45_300, 4_312_000, 25_000_000_000)]
    ['999 bytes', '45 kB', '4.3 MB', '25 GB']
    """
    if count < 1000:
        return f"{count} bytes"
    amount = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            break
    return f"{amount:.0f} {unit}" if amount >= 9.95 else f"{amount:.1f} {unit}"


class _Plainly(logging.Formatter):
    """Formats a record as a line fit to be shown."""

    def format(self, record: logging.LogRecord) -> str:
        """In one line, after its level."""
        level = coloured(f"{record.levelname.lower()}:", YELLOW, sys.stderr)
        return f"{level} {told_in_a_line(record.getMessage())}"


class _Once(logging.Filter):
    """Lets each message through once: a file's header may be read several times."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        known = message in self.seen
        self.seen.add(message)
        return not known


def warn_plainly() -> None:
    """Have medcycle's warnings on standard error, each once, as a line fit to be shown."""
    handler = logging.StreamHandler()
    handler.addFilter(_Once())
    handler.setFormatter(_Plainly())
    logger = logging.getLogger("medcycle")
    logger.handlers = [handler]
    logger.propagate = False
