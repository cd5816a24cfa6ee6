"""What commands print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from medcycle.progress import is_quiet
from medcycle.words import RED, coloured, shown

__all__ = ["RESEARCH_ONLY", "answer", "answer_json", "say", "say_error", "say_written"]

RESEARCH_ONLY = "For research only: not for diagnosis or treatment."


def say(text: str, *, err: bool = False, newline: bool = True) -> None:
    """Print a remark, on standard output or standard error, with control characters in it written out.

    With --quiet, remarks on standard output are left out.
    """
    if err or not is_quiet():
        answer(text, err=err, newline=newline)


def answer(text: str, *, err: bool = False, newline: bool = True) -> None:
    """Print what a command was asked for, with --quiet too."""
    typer.echo(shown(text), nl=newline, err=err)


def answer_json(value: Any) -> None:
    """Print a value for scripts, on standard output; what JSON has no number for is null."""
    finite = json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)
    answer(json.dumps(finite, indent=1))


def say_error(text: str) -> None:
    """Print why a command failed, in a line on standard error."""
    typer.echo(f"{coloured('error:', RED, sys.stderr)} {shown(text)}", err=True, color=True)


def say_written(what: Path | str, following: str = "") -> None:
    """Print the last line of a command: what it wrote and where, and what to do next."""
    say(f"wrote {what}{f'; next: {following}' if following else ''}")
