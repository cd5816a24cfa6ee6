"""Foreign text made fit to be shown: names, headers and messages that may hold anything."""

from __future__ import annotations

import errno
import logging
import re
import reprlib
import traceback

__all__ = [
    "LONGEST_MESSAGE",
    "LONGEST_VALUE",
    "cell",
    "quoted",
    "reason_of",
    "shown",
    "shown_traceback",
    "told",
    "told_in_a_line",
    "warn_plainly",
]

LONGEST_VALUE = 200
"""Characters of a value that is quoted."""

LONGEST_MESSAGE = 2000
"""Characters of a message in one line."""

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


class _Plainly(logging.Formatter):
    """Formats a record as a line fit to be shown."""

    def format(self, record: logging.LogRecord) -> str:
        """In one line, after its level."""
        return f"{record.levelname.lower()}: {told_in_a_line(record.getMessage())}"


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
