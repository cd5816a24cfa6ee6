"""Workflows on generated heads, run as a user runs them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

PIPELINES = Path(__file__).parents[2] / "pipelines"
LOCAL = ("--profile", str(PIPELINES / "profiles" / "local"), "--cores", "2")

SMALL: dict[str, Any] = {
    "data.spacing": [6, 6, None],
    "data.patch_size": [32, 48],
    "network.filters": 8,
    "training.max_steps": 40,
    "training.max_minutes": None,
    "training.checkpoint_every": 10,
    "training.validations": 1,
    "training.log_every": 1,
}
"""Settings with which a training takes seconds."""

ONE_THREAD = {"threads": 1, "train_threads": 1}

ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "XDG_CACHE_HOME": "/tmp",
}


def written(folder: Path, values: dict[str, Any]) -> Path:
    """A configuration of a workflow, in a file."""
    path = folder / f"{values['output']}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def begun(workflow: str, config: Path, *options: str, path: str = "") -> subprocess.Popen[str]:
    """A workflow that has been started in the folder of its configuration, in a process group of its own."""
    call = [sys.executable, "-m", "snakemake", "-s", str(PIPELINES / f"{workflow}.smk"), "--configfile", config.name]
    return subprocess.Popen(
        [*call, *options],
        cwd=config.parent,
        env=ENVIRONMENT | ({"PATH": path} if path else {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(
    workflow: str, config: Path, *options: str, timeout: float = 600, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """A workflow from start to end, with another PATH if one is given, and what it said."""
    with begun(workflow, config, *options, path=path) as process:
        try:
            said, _ = process.communicate(timeout=timeout)
        except BaseException:
            kill(process)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, said)


def kill(process: subprocess.Popen[str]) -> None:
    """All processes of a workflow, at once, as when a machine fails."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(what: Callable[[], object], seconds: float = 240) -> None:
    """Until something is so. Raises an error if it is not in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds:.0f} s")
        time.sleep(0.1)


def scores(out: Path, table: str) -> dict[str, Any]:
    """A table of scores of a workflow."""
    return dict(json.loads((out / "evaluation" / table / "summary.json").read_text()))


def losses(run_folder: Path) -> list[dict[str, str]]:
    """All rows of a training but for the times."""
    with (run_folder / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{key: value for key, value in row.items() if "second" not in key} for row in rows]


def torn(source: Path, to: Path) -> None:
    """A copy of the beginning of a file."""
    content = source.read_bytes()
    to.write_bytes(content[: len(content) // 3])
