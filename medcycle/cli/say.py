"""What commands print."""

from __future__ import annotations

import typer

from medcycle.words import shown

__all__ = ["say"]


def say(text: str, *, err: bool = False, newline: bool = True) -> None:
    """Print a text, on standard output or standard error, with control characters in it written out."""
    typer.echo(shown(text), nl=newline, err=err)
