"""Times side by side, for `make bench`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

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


def ratios(
    title: str,
    candidates: Mapping[str, Callable[[], object]],
    pairs: Mapping[str, tuple[str, str]],
    rounds: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Time the candidates in turns and print how many times as fast one is as another, side by side in each turn.

    Args:
        title: printed first.
        candidates: what is timed, after it has been called before.
        pairs: for each line, the slower and the faster candidate.
        rounds: turns.
        clock: gives seconds; `time.process_time` on a busy machine, with one thread.

    Returns:
        The median of each line.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds):
        for name in [*candidates][:: -1 if turn % 2 else 1]:
            start = clock()
            candidates[name]()
            seconds[name].append(clock() - start)
    print(f"{title}, {rounds} turns")
    for name, values in seconds.items():
        print(f"  {name:<50} {statistics.median(values):8.2f} s")
    medians = {}
    for line, (slower, faster) in pairs.items():
        low, medians[line], high = np.percentile(np.divide(seconds[slower], seconds[faster]), (25, 50, 75))
        print(f"  {line:<50} {medians[line]:8.2f} × (quartiles {low:.2f} and {high:.2f})")
    return medians
