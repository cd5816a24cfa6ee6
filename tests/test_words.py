"""Foreign text, shown."""

import errno
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.words import LONGEST_MESSAGE, quoted, shown, told, told_in_a_line, warn_plainly


@given(st.text(st.characters(categories=["L", "M", "N", "P", "Sm", "Zs"])))
def test_letters_of_all_scripts_stay(text: str) -> None:
    assert shown(text) == text


@given(st.text(st.characters(codec=None, categories=["Cc", "Cs", "Cf"])))
def test_no_control_is_left(text: str) -> None:
    shown(text).encode()  # no half of a pair
    assert not {*map(unicodedata.category, {*shown(text)} - {"\n", "\t"})} & {"Cc", "Cs"}
    assert not {*shown(text)} & {*"\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [("\x1b[2J", r"\x1b[2J"), ("\x9b", r"\x9b"), ("\u202e", r"\u202e"), ("\udcff.nii", r"\xff.nii"), ("\x07", r"\x07")],
)
def test_controls_are_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen


def test_what_is_long_is_cut() -> None:
    assert len(told_in_a_line("x" * 10**6)) < LONGEST_MESSAGE + 4
    nested: list = []
    for _ in range(60):  # more values than atoms
        nested = [nested, nested, nested]
    assert len(quoted({"a": nested})) < 250
    assert len(quoted("x" * 10**6)) < 250


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/a.nii"), "/data/a.nii: no room left on that disk"),
        (OSError(errno.EROFS, "Read-only file system", "/data"), "/data: that disk is read-only"),
        (OSError(errno.ENOTDIR, "Not a directory", "/data/x"), "/data/x: Not a directory; check the path"),
        (OSError("230400 requested and 30656 written"), "230400 requested"),
    ],
)
def test_errors_of_the_system(error: OSError, words: str) -> None:
    assert words in told(error)


def test_warnings_are_shown_plainly(capsys) -> None:
    logger = logging.getLogger("medcycle")
    before = logger.handlers, logger.propagate
    try:
        warn_plainly()
        logger.getChild("io").warning("%s: %s", "a\x1b]0;b\x07", "c\nd")
    finally:
        logger.handlers, logger.propagate = before
    assert capsys.readouterr().err == "warning: a\\x1b]0;b\\x07: c d\n"
