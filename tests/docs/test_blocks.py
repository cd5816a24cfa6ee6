"""Every block of README and docs/ runs, on generated data and with trainings of two steps, or a comment says why not."""

import re
import shlex
from pathlib import Path

import pytest

from medcycle.cli.main import app
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of
from tests.docs.data import Data
from tests.docs.running import Page

pytestmark = pytest.mark.usefixtures("one_thread")

BLOCKS = {page: blocks_of(page) for page in PAGES}


def parts(*, slow: bool) -> list[pytest.param]:
    """The pages that have something to run, with those marked slow or without."""
    found = []
    for page, blocks in BLOCKS.items():
        is_slow = any(block.note.startswith("slow") or "; slow" in block.note for block in blocks)
        if any(block.runs for block in blocks) and is_slow == slow:
            found.append(pytest.param(page, id=str(page.relative_to(ROOT))))
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("page", parts(slow=False))
def test_blocks_run(page: Path, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(page, data, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("page", parts(slow=True))
def test_slow_blocks_run(page: Path, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(page, data, tmp_path, monkeypatch)


def run(page: Path, data: Data, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The blocks of a page, one after the other, in one folder."""
    here = Page(folder, data, patch)
    for block in BLOCKS[page]:
        if block.runs:
            here.run(block)
