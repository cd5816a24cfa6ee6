"""Every block of README and docs/ runs, on generated data and in trainings of two steps, or a comment says why not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from medcycle.cli.main import app
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of
from tests.docs.data import Data
from tests.docs.running import Page

pytestmark = pytest.mark.usefixtures("one_thread")

BLOCKS = {page: blocks_of(page) for page in PAGES}


def pages(*, slow: bool) -> list[pytest.param]:
    """The pages that have something to run, or something slow."""
    wanted = {page: [block for block in blocks if block.runs and block.slow >= slow] for page, blocks in BLOCKS.items()}
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page, blocks in wanted.items() if blocks]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("page", pages(slow=False))
def test_blocks_run(page: Path, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run([block for block in BLOCKS[page] if not block.slow], Page(tmp_path, data, monkeypatch))


@pytest.mark.slow
@pytest.mark.parametrize("page", pages(slow=True))
def test_slow_blocks_run(page: Path, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run([block for block in BLOCKS[page] if block.slow], Page(tmp_path, data, monkeypatch))


def run(blocks: list[Block], page: Page) -> None:
    """One after the other, in one folder, which has the files of all from the start."""
    for block in blocks:
        page.write(block)
    for block in blocks:
        if block.runs:
            page.run(block)


def test_a_block_that_does_not_run_says_why() -> None:
    for block in (block for blocks in BLOCKS.values() for block in blocks if block.note):
        _, colon, reason = block.note.partition(": ")
        assert colon, block.place
        assert len(reason.split()) > 1, block.place


def test_the_readme_is_short() -> None:
    shown, _, _ = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Developing")
    assert len(shown.split()) < 500


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    """As GitHub shows pages; `test_site.py` has the site's, with anchors."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text) + re.findall(r'<img src="([^"]+)"', text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_commands_have_the_options_that_pages_name() -> None:
    """Of blocks that don't run too."""
    known = {name: options_of(command) for name, command in commands_of(get_command(app))}
    for block in (block for blocks in BLOCKS.values() for block in blocks if block.kind == "bash"):
        for line in block.lines():
            for call in re.findall(r"\bmedcycle ((?:config|models)? ?[a-z][a-z-]*)((?: [^|&]*)?)", line):
                name = call[0].strip()
                assert name in known, f"{block.place}: no command {name}"
                named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", call[1]))
                assert named <= known[name], f"{block.place}: no option {sorted(named - known[name])}"


def commands_of(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    yield name, command
    for own, below in getattr(command, "commands", {}).items():
        yield from commands_of(below, f"{name} {own}".strip())


def options_of(command: Any) -> set[str]:
    return {"--help", "--debug", *(flag for item in command.params for flag in (*item.opts, *item.secondary_opts))}
