"""A DICOM node: takes MR series from scanners and archives, and sends synthetic CT series back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medcycle.errors import UsageError
from medcycle.node.settings import Allowed, Limits, NodeSettings, Peer

__all__ = ["Allowed", "Limits", "NodeSettings", "Peer", "serve"]


def serve(
    model: Path | str,
    settings: NodeSettings,
    *,
    say: Callable[[str], None],
    device: str = "auto",
    any_region: bool = False,
) -> None:
    """Run a node with a model until SIGTERM or Ctrl-C.

    Args:
        model: a run, a checkpoint, or the name of a model that ships with medcycle.
        settings: how the node runs.
        say: called with each line of the log, from several threads.
        device: what to compute on: `cpu`, `cuda`, ...; `auto` for a GPU if there is one.
        any_region: also translate scans of another region than the model was trained on.

    Raises:
        UsageError: if pynetdicom is not installed, there is no such model, or the spool or the port can't be used.
        InUse: if another node has the spool.
        BadCheckpoint: if the model is damaged.
        DataError: if the spool's journal is damaged.
    """
    try:
        import pynetdicom  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise UsageError("a node needs pynetdicom; install it with `pip install 'medcycle[node]'`") from error
    from medcycle.node.making import translator_of  # noqa: PLC0415 - heavy
    from medcycle.node.node import Node, threads_in_a_line  # noqa: PLC0415 - needs pynetdicom

    node = Node(settings, translator_of(model, device=device, any_region=any_region), say)
    with threads_in_a_line(node.say), node.ended_by_signals(), node.running():
        node.wait()
