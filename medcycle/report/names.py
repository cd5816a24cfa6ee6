"""What cases are called on the page, and foreign texts without the names of patients, files and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from medcycle.words import shown

__all__ = ["Names"]

LONGEST = 600
"""Characters of a foreign text."""

PATHS = re.compile(r"(?:[A-Za-z]:)?(?:[\\/]|\.{1,2}[\\/]|~[\\/])[^\s:;,()'\"<>]+|[^\s:;,()'\"<>]+[\\/][^\s:;,()'\"<>]+")
"""Whatever may be a path; a fraction such as 1/2 is short."""

FILES = re.compile(
    r"[^\s:;,()'\"<>/\\]+\.(?:nii|nii\.gz|nrrd|mha|mhd|dcm|hdr|img|json|csv|png|pt|yaml|ima)\b", re.IGNORECASE
)

QUOTED = re.compile(r"'[^']{2,}'|\"[^\"]{2,}\"|“[^”]{2,}”")

ORDINARY = {
    *(
        "air",
        "bone",
        "body",
        "brain",
        "case",
        "cases",
        "checkpoints",
        "ct",
        "data",
        "dicom",
        "evaluation",
        "face",
        "head",
    ),
    *("image", "images", "mask", "masks", "mr", "mri", "output", "patient", "patients", "real", "root", "run", "runs"),
    *("scan", "sct", "series", "skull", "smr", "source", "synthetic", "test", "train", "uncertainty", "volume", "work"),
}
"""Words that are no names, and may well be those of folders."""

SHORTEST_NAME = 3
"""Characters of what is looked for in texts."""


class Names:
    """Tells cases by numbers, and hides in texts what may say who they are.

    Args:
        shown: whether everything is shown as it is.
    """

    def __init__(self, *, shown: bool = False) -> None:
        self.shown = shown
        self._numbers: dict[str, int] = {}
        self._hidden: dict[str, str] = {}

    def case(self, name: str) -> str:
        """What a case is called: the same for the same name, whichever section it is in."""
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        return shown(name, LONGEST) if self.shown else f"Case {number}"

    def hide(self, places: Iterable[Path]) -> None:
        """Have the names of files, and of the folders that they are in, left out of texts."""
        for place in places:
            for part in place.parts:
                for name in {part, part.split(".")[0]}:
                    if _tells(name):
                        self._hidden.setdefault(name.casefold(), "…")

    def told(self, text: str) -> str:
        """A text that may name files and people, fit to be shown; it has still to be escaped."""
        text = _line(text)
        if self.shown:
            return text
        for name in self._names():
            if " " in name:  # would end a path too early
                found = _pattern([name]).pattern
                text = re.sub(rf"(?<=[\\/]){found}|{found}(?=[\\/]|\.\w)", "…", text, flags=re.IGNORECASE)
        text = FILES.sub("a file", PATHS.sub(_unless_words, text))
        return re.sub(r"a file(?: a file)+", "a file", QUOTED.sub("…", self.plain(text)))

    def plain(self, text: str) -> str:
        """A text of medcycle's own, without the names of cases and folders alone."""
        text, names = _line(text), self._names()
        if self.shown or not names:
            return text
        called = {_letters(name): told for name, told in names.items()}
        return _pattern(list(names)).sub(lambda found: called.get(_letters(found.group().casefold()), "…"), text)

    def _names(self) -> dict[str, str]:
        """What stands for what, the longest first."""
        cases = {name.casefold(): f"Case {number}" for name, number in self._numbers.items() if _tells(name)}
        names = self._hidden | cases
        return {name: names[name] for name in sorted(names, key=len, reverse=True)}


def _tells(name: str) -> bool:
    """Whether a name can be looked for in texts: it is no ordinary word, and no number that a measure may have."""
    return len(name) >= SHORTEST_NAME and name.casefold() not in ORDINARY and not re.fullmatch(r"\d{1,3}", name)


def _line(text: str) -> str:
    return shown(" ".join(text[: 4 * LONGEST].split()), LONGEST)


def _pattern(names: Sequence[str]) -> re.Pattern[str]:
    """Finds names, with whatever separators: MUELLER_ANNA is told as Mueller^Anna too."""
    patterns = [r"[\s_^.-]+".join(map(re.escape, re.split(r"[\s_^.\-]+", name))) for name in names]
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


def _letters(name: str) -> str:
    return re.sub(r"[\s_^.\-]+", " ", name)


def _unless_words(found: re.Match[str]) -> str:
    """Fractions, and short words with a slash between them as in MR/CT, are no paths."""
    return found.group() if re.fullmatch(r"[\d.]+/[\d.]+|[A-Za-z]{1,4}/[A-Za-z]{1,4}", found.group()) else "a file"
