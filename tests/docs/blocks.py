"""The code blocks of README and docs/, and what is said of each in a comment before it."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / "examples" / name for name in ("README.md", "slicer/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

FENCE = re.compile(
    r"(?:^[ ]*<!-- (?P<note>(?:not run|slow, in a shell|slow|in a shell)[^\n]*) -->\n\s*)?"
    r"^(?P<indent>[ ]*)```(?P<kind>\w*)[ ]*(?:title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        place: page and line, for messages.
        kind: the language; a shell's if the block has none.
        title: the file that it is.
        code: without its indentation.
        note: what the comment before it says; empty without one.
    """

    place: str
    kind: str
    title: str
    code: str
    note: str

    @property
    def runs(self) -> bool:
        """Whether it is to be run."""
        return not self.note.startswith("not run")

    @property
    def slow(self) -> bool:
        """Whether running it takes more than some seconds."""
        return self.note.startswith("slow")

    def lines(self) -> list[str]:
        """Commands, with the lines that go on joined."""
        return [line.strip() for line in self.code.replace("\\\n", " ").splitlines() if line.strip()]


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start('kind')) + 1}"
        code = re.sub(rf"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        found.append(Block(place, match["kind"] or "bash", match["title"] or "", code, match["note"] or ""))
    return found
