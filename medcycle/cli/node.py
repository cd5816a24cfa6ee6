"""`medcycle node`: MR series in, synthetic CT series out, by DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcycle.cli.parameters import Irregular, SiteFile, model_names_like
from medcycle.cli.say import RESEARCH_ONLY, answer, say

__all__ = ["node"]

GIB, MIB = 2**30, 2**20


def node(  # noqa: PLR0913, PLR0917 - the command's options
    send_to: Annotated[str, typer.Option(metavar="AE@HOST:PORT", help="Where synthetic CT series are sent.")],
    spool: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for what has arrived and waits; new, or of an earlier run.")
    ],
    model: Annotated[
        Path,
        typer.Option(
            metavar="NAME|RUN",
            help="A run's folder, a checkpoint, or a model that ships with medcycle.",
            autocompletion=model_names_like,
        ),
    ] = Path("head"),
    ae_title: Annotated[str, typer.Option(metavar="AE", help="AE title of this node.")] = "MEDCYCLE",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 11112,
    bind: Annotated[str, typer.Option(metavar="ADDRESS", help="IP address to listen on.")] = "127.0.0.1",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AE@ADDRESS",
            help="A sender to listen to, with its IP address or network; repeatable. By default all on this machine.",
        ),
    ] = None,
    quiet_time: Annotated[
        float, typer.Option(min=0, metavar="S", help="Seconds without another slice after which a series is complete.")
    ] = 30.0,
    structures: Annotated[
        bool, typer.Option("--structures/--no-structures", help="Take RT structure sets, and carry them over.")
    ] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Keep files in the spool once they are sent.")] = False,
    max_spool: Annotated[float, typer.Option(min=0.001, metavar="GIB", help="Most that the spool may hold.")] = 20.0,
    max_instance: Annotated[float, typer.Option(min=0.1, metavar="MIB", help="Largest file that is taken.")] = 512.0,
    max_instances: Annotated[int, typer.Option(min=1, help="Most files of one series.")] = 5000,
    max_associations: Annotated[int, typer.Option(min=1, help="Most senders at a time.")] = 8,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto uses a GPU if there is one.")] = "auto",
    any_region: Annotated[
        bool,
        typer.Option("--any-region", help="Also translate scans of another region than the model was trained on."),
    ] = False,
    resample_irregular: Irregular = False,
    site: SiteFile = None,
) -> None:
    """Receive MR by DICOM, and send synthetic CT back.

    Runs until SIGTERM or Ctrl-C, and goes on where it stopped when it is started again. There is no encryption: use it
    on one machine, in a trusted network, or through a tunnel.
    """
    from datetime import datetime

    from medcycle.config.site import read_site
    from medcycle.node import Allowed, Limits, NodeSettings, Peer, serve

    settings = NodeSettings(
        spool,
        Peer.parse(send_to),
        title=ae_title,
        port=port,
        bind=bind,
        allowed=tuple(map(Allowed.parse, allow or ())),
        quiet_time=quiet_time,
        structures=structures,
        keep=keep,
        resample_irregular=resample_irregular,
        site=read_site(site) if site else None,
        limits=Limits(
            spool_bytes=int(max_spool * GIB),
            instance_bytes=int(max_instance * MIB),
            instances=max_instances,
            associations=max_associations,
        ),
    )
    say(RESEARCH_ONLY)
    serve(
        model,
        settings,
        say=lambda line: answer(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}"),
        device=device,
        any_region=any_region,
    )
