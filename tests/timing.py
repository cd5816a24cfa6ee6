"""Times side by side, for `make bench`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 5


def compare(
    title: str, candidates: dict[str, Callable[[], object]], images: int = 0, rounds: int = ROUNDS
) -> dict[str, float]:
    """Time the candidates in turns and print medians, how many times faster each is than the first, and the rate.

    Returns:
        The medians, seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds + 1):
        for name, work in candidates.items():
            start = time.perf_counter()
            work()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    print(title)
    for name, median in medians.items():
        rate = f"   {images / median:6.0f} a second" if images else ""
        print(f"  {name:<34} {median * 1000:8.1f} ms   {first / median:5.2f}×{rate}")
    return medians
