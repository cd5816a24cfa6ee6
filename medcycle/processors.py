"""How many processors there are for this process, and how it shares them with others."""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

__all__ = ["CHOSEN", "available_processors", "computes_in_bf16", "is_busy", "share_processors"]

SPIN_COUNT, SPIN_COUNT_BUSY = 20_000, 1000
"""Turns that a thread of OpenMP waits for work before it sleeps: on an idle machine, and on a busy one. libgomp's own
are 300,000, in which it keeps a processor from other programs: of five jobs on two cores, steps take four times as long
as with 1,000. Alone on the machine, a job loses 10 % with 1,000 turns, and nothing with 20,000. See `make bench`."""

CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables by which users decide how threads wait."""


def share_processors(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have OpenMP's threads wait shortly, and be as many as there are processors for this process.

    It has to be called before torch is loaded, which reads the variables once; what the user has set stays.

    Args:
        environment: this process' own, which its children get too.
    """
    if not any(name in environment for name in CHOSEN):
        environment["GOMP_SPINCOUNT"] = str(SPIN_COUNT_BUSY if is_busy() else SPIN_COUNT)
    count = available_processors()
    if count < (os.cpu_count() or 1):
        environment.setdefault("OMP_NUM_THREADS", str(count))


def is_busy(statistics: Path = Path("/proc/stat")) -> bool:
    """Whether more programs want to run by now than there are processors; False where the system doesn't tell.

    Args:
        statistics: where Linux counts them, this one included.
    """
    try:
        lines = statistics.read_text(encoding="ascii").splitlines()
        running = next(int(line.split()[1]) for line in lines if line.startswith("procs_running"))
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    return running > (os.cpu_count() or 1)


def computes_in_bf16(description: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether processors have instructions for bf16 (AVX-512 BF16); False where the system doesn't tell.

    Args:
        description: where Linux lists what processors can do.
    """
    try:
        lines = description.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any("avx512_bf16" in line.split() for line in lines if line.startswith("flags"))


def available_processors(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Processors that this process may use: by its affinity, and by the quota of a container (cgroup), rounded up.

    Args:
        groups: where the system shows the quotas of cgroups, of version 2 or 1.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(groups))))


def _quota(groups: Path) -> float:
    """Processors' worth of time; infinite without a limit."""
    try:
        if (groups / "cpu.max").is_file():
            quota, period = (groups / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (groups / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
            )
        return math.inf if quota.strip() in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
