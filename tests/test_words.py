"""Foreign text, shown."""

import errno
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.words import (
    LONGEST_MESSAGE,
    duration,
    meant,
    pace,
    quoted,
    shown,
    size,
    told,
    told_in_a_line,
    warn_plainly,
)


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


@given(st.floats(0, 10**9))
def test_durations_are_near_what_they_tell(seconds: float) -> None:
    units = {"s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}
    words = duration(seconds).split()
    told = sum(float(count) * units[unit] for count, unit in zip(words[::2], words[1::2], strict=True))
    assert told == pytest.approx(seconds, rel=0.06)
    assert len(words) <= 4


@pytest.mark.parametrize(
    ("seconds", "words"), [(59.7, "1 min"), (61, "1 min 1 s"), (3599.9, "1 h"), (86399, "1 day"), (90000, "1 day 1 h")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.integers(0, 10**15))
def test_sizes_are_near_what_they_tell(count: int) -> None:
    number, unit = size(count).split()
    factor = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[unit]
    assert float(number) * factor == pytest.approx(count, rel=0.06)
    assert len(number) <= 4


def test_rates_and_names() -> None:
    assert [pace(rate) for rate in (1000.0, 1.0, 0.999, 1 / 61)] == [
        "1000 a second", "1 a second", "60 a minute", "59 an hour",
    ]  # fmt: skip
    assert meant("tran", ["train", "brain", "adapt"], most=2) == "did you mean train or brain?"
    assert meant("x", ["train"]) == ""
