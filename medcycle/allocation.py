"""How the C library hands out memory."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

MIB = 2**20
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Have glibc keep up to 512 MiB of freed memory for tensors to come; elsewhere nothing is done.

    Otherwise it gives the memory of every tensor of some MiB back, and the system must find and clear pages for the
    next one, which takes longer than what is computed in them: on a virtual machine, with this, MR-like images are
    made 1.2 to 1.5 times as fast (see mallopt(3)). For this process, from now on.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries of Linux have none
        mallopt(MMAP_THRESHOLD, 32 * MIB)  # the largest that it takes
        mallopt(TRIM_THRESHOLD, 512 * MIB)
