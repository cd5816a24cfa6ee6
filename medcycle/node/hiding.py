"""A log without identity: what medcycle says of a series, without what its headers say of the patient."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import DataElement, Dataset

from medcycle.io.dicom.frames import quiet_pydicom
from medcycle.io.dicom.hidden import hidden_names
from medcycle.io.dicom.parsing import open_dicom, parse
from medcycle.words import told_in_a_line

__all__ = ["Hidden", "own_log", "quiet_libraries"]

HIDDEN = "[hidden]"

TEXTS = {"PN", "LO", "SH", "LT", "ST", "UT", "UC", "UI", "AE", "DA", "DT", "TM"}
"""Kinds of values that may tell who the patient is."""

SHORTEST = 3
"""Characters of a value that is hidden: shorter ones are parts of any text."""

PATIENT = 0x0010
"""The group of attributes of which each word is hidden, too."""

MOST_WARNINGS = 20
"""of one series"""

DEEPEST = 20
"""Levels of sequences that are looked into."""


class Hidden:
    """The words that a message about some files must not have. They are looked up when there is something to say.

    Args:
        files: of a series, and its structure sets.
        folder: where they are.
    """

    def __init__(self, files: Sequence[Path], folder: Path) -> None:
        self.files, self.folder = files, folder
        self._words: dict[str, str] | None = None

    def told(self, text: str) -> str:
        """A message in one line, with the identity hidden, and fit to be shown."""
        if self._words is None:
            self._words = {word: HIDDEN for file in self.files for word in _words_in(file)}
            self._words |= {str(self.folder): "the series", str(self.folder.resolve()): "the series"}
        with hidden_names(self._words) as in_other_words:
            return told_in_a_line(in_other_words(text))


def _words_in(file: Path) -> set[str]:
    try:
        with open_dicom(file) as stream, quiet_pydicom():
            return set(_words_of(parse(stream, pixels=False, force=True)))
    except Exception:  # noqa: BLE001 - what can't be parsed can't be quoted either
        return set()


def _words_of(dataset: Dataset, depth: int = 0) -> Iterator[str]:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: BLE001 - as above
            continue
        if element.VR == "SQ" and depth < DEEPEST:
            for item in element.value or ():
                yield from _words_of(item, depth + 1)
        elif element.VR in TEXTS or element.tag.group == PATIENT:
            yield from _words_of_value(element)


def _words_of_value(element: DataElement) -> Iterator[str]:
    values = element.value if element.VM > 1 else [element.value]
    for value in map(str, values):
        words = [value, value.strip()]
        if element.VR == "PN" or element.tag.group == PATIENT:
            words += re.split(r"[\s^=,]+", value)
        for word in words:
            if len(word) >= SHORTEST:
                yield from {word, word.upper()}


class _Handler(logging.Handler):
    """Tells what medcycle logs. Only one series is worked on at a time, so that it is of that one."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a message."""
        self.tell(record.getMessage())


@contextmanager
def own_log(tell: Callable[[str], None]) -> Iterator[None]:
    """Within the block, medcycle's warnings go to `tell`, each once and not too many, and to nobody else."""
    logger = logging.getLogger("medcycle")
    handlers, propagate = logger.handlers, logger.propagate
    said: set[str] = set()

    def tell_once(text: str) -> None:
        if text not in said and len(said) < MOST_WARNINGS:
            said.add(text)
            tell(text)

    logger.handlers, logger.propagate = [_Handler(tell_once)], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within the block, DICOM libraries don't warn or log: they quote what they read."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "pynetdicom")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(pydicom|pynetdicom|highdicom)\b.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
