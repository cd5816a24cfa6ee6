"""Messages without the names of files and folders, which may be called by the patient."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from medcycle.errors import MedcycleError

__all__ = ["hidden_names", "names_of"]


def names_of(files: Mapping[Path, str]) -> dict[str, str]:
    """What stands for the texts by which messages may name files: whole paths, and the last part alone.

    Args:
        files: paths, each with what it is to be called.
    """
    found: dict[str, str] = {}
    for path, name in files.items():
        for text in (str(path.resolve()), str(path), path.name):
            found.setdefault(text, name)
    return found


@contextmanager
def hidden_names(names: Mapping[str, str]) -> Iterator[Callable[[str], str]]:
    """What medcycle logs and raises inside is told in other words; gives the function that puts a text into these.

    Args:
        names: texts, each with what is said in its place.
    """
    telling = _Telling(names)
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("medcycle")]
    for logger in loggers:
        logger.addFilter(telling)
    try:
        yield telling.other_words
    except MedcycleError as error:
        raise type(error)(telling.other_words(str(error))) from None
    finally:
        for logger in loggers:
            logger.removeFilter(telling)


class _Telling(logging.Filter):
    """Changes messages."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = dict(names)
        longest_first = sorted(map(re.escape, filter(None, names)), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)({'|'.join(longest_first) or '(?!)'})(?!\w)")

    def filter(self, record: logging.LogRecord) -> bool:
        """Change one, and let it through."""
        record.msg, record.args = self.other_words(record.getMessage()), ()
        return True

    def other_words(self, text: str) -> str:
        """A text with the names replaced."""
        return self._pattern.sub(lambda found: self._names[found.group()], text)
