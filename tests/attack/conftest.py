"""What makes a thousand calls of the program quick."""

from collections.abc import Iterator
from functools import cache

import pytest
import typer.main

import medcycle.cohort.findings
import medcycle.synthesis.driver
import medcycle.training.loop  # noqa: F401 - commands import them when they are called, which takes longer than attacks may


@pytest.fixture(scope="session", autouse=True)
def commands_are_made_once() -> Iterator[None]:
    """typer makes the commands of their functions in every call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", cache(typer.main.get_command))
        yield
