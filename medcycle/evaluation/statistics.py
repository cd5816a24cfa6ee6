"""Over patients: intervals of a mean, and differences between models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

__all__ = ["PairedDifference", "holm", "of_values", "paired"]

RESAMPLES, SEED = 10_000, 0


def of_values(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean, standard deviation, median and a 95 % interval of the mean, over patients; each counts once.

    The interval is a percentile bootstrap over patients (Efron and Tibshirani 1993, chapter 13) with 10,000 resamples
    and a fixed seed. It is as wide as it should be from about ten patients on; with fewer it is too narrow.

    Args:
        values: of one metric, one a patient; None, NaN and infinite ones are left out.

    Returns:
        `mean`, `sd` (of a sample; None for a single one), `median`, `low`, `high` (None for a single one), `n`.
    """
    known = np.array([value for value in values if value is not None and np.isfinite(value)], dtype=np.float64)
    if not known.size:
        return {"mean": None, "sd": None, "median": None, "low": None, "high": None, "n": 0}
    low = high = sd = None
    if known.size > 1:
        low, high = _interval(known)
        sd = float(known.std(ddof=1))
    return {"mean": float(known.mean()), "sd": sd, "median": float(np.median(known)), "low": low, "high": high} | {
        "n": int(known.size)
    }


def _interval(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, confidence_level=0.95, method="percentile", random_state=SEED
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


class PairedDifference(NamedTuple):
    """Of one metric, of two models on the same patients: `second − first`.

    Args:
        first: name of a model.
        second: name of another.
        metric: name of the metric.
        n: patients that both have.
        mean: mean difference, in the metric's unit.
        low: lower end of its 95 % bootstrap interval; None for a single patient.
        high: upper end.
        p: of Wilcoxon's signed-rank test; None with fewer than six patients, where it can't come below 0.05.
        p_holm: corrected for all comparisons of this metric (Holm 1979).
    """

    first: str
    second: str
    metric: str
    n: int
    mean: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None


FEWEST = 6


def paired(models: Mapping[str, Mapping[str, Mapping[str, float | None]]], metric: str) -> list[PairedDifference]:
    """All pairs of models compared by one metric, on the patients that both of them have.

    Args:
        models: metric values by patient, by model.
        metric: which.

    Returns:
        One for every pair of models that have a patient in common.
    """
    names = list(models)
    found = []
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            differences = _differences(models[first], models[second], metric)
            if differences.size:
                summary = of_values(differences.tolist())
                found.append((first, second, summary, _wilcoxon(differences)))
    corrected = holm([p for *_, p in found])
    return [
        PairedDifference(first, second, metric, one["n"], one["mean"], one["low"], one["high"], p, better)
        for (first, second, one, p), better in zip(found, corrected, strict=True)
    ]


def _differences(
    first: Mapping[str, Mapping[str, float | None]], second: Mapping[str, Mapping[str, float | None]], metric: str
) -> np.ndarray[Any, Any]:
    both = [(first[case].get(metric), second[case].get(metric)) for case in first if case in second]
    known = [b - a for a, b in both if a is not None and b is not None]
    differences = np.array(known, dtype=np.float64)
    return differences[np.isfinite(differences)]


def _wilcoxon(differences: np.ndarray[Any, Any]) -> float | None:
    if differences.size < FEWEST or not differences.any():
        return None
    return float(stats.wilcoxon(differences).pvalue)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """P values corrected for their number by Holm's step-down procedure (Scand. J. Statist. 6:65, 1979).

    Args:
        values: p values; None are passed through and don't count.

    Returns:
        As many, each at most 1.
    """
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected
