"""What a model makes, and from what."""

from __future__ import annotations

from pathlib import Path

from medcycle.body import Modality
from medcycle.errors import UsageError
from medcycle.methods.checkpoint import SavedMethod

__all__ = ["require_direction", "require_mr"]


def require_direction(saved: SavedMethod, to: Modality) -> None:
    """Raise `UsageError` unless the method translates to that modality."""
    if to == "mr" and (not saved.method.two_way or saved.config.data.source != "mr"):
        what = f"method.name {saved.config.method.name}" if not saved.method.two_way else "a model for CBCT"
        raise UsageError(f"{what} makes CT only; leave out --to mr")


def require_mr(saved: SavedMethod, path: Path) -> None:
    """Raise `UsageError` if a model makes CT of CBCT, where MR are given."""
    if saved.config.data.source != "mr":
        raise UsageError(f"{path}: a model for CBCT; give one that makes CT from MR")
