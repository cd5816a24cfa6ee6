"""Scores of many cases, and the two files they are kept in."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from medcycle.errors import ConfigError, DataError
from medcycle.evaluation.cases import Case
from medcycle.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, score
from medcycle.io import read_volume
from medcycle.io.files import write_text

__all__ = ["Summary", "evaluate", "write_tables"]


@dataclass(frozen=True)
class Summary:
    """Scores by case.

    Args:
        protocol: name of the protocol.
        cases: metric values by case name.
    """

    protocol: str
    cases: Mapping[str, Mapping[str, float]]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the protocol's order."""
        return list(next(iter(self.cases.values()), {}))

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the cases, each case counting once."""
        return {metric: fmean(values[metric] for values in self.cases.values()) for metric in self.metrics}

    def to_json(self) -> dict[str, Any]:
        """As `summary.json` holds it. JSON has no infinity: the PSNR of equal volumes becomes null."""
        return {
            "protocol": self.protocol,
            "cases": {name: _finite(values) for name, values in self.cases.items()},
            "mean": _finite(self.mean),
        }


def evaluate(
    cases: Sequence[Case],
    protocol: str = DEFAULT_PROTOCOL,
    on_case: Callable[[str, dict[str, float]], None] | None = None,
) -> Summary:
    """Read and score the cases, one in memory at a time.

    Args:
        cases: of different names.
        protocol: a key of `PROTOCOLS`.
        on_case: called with each case's name and scores, as they are known.

    Raises:
        ConfigError: if there is no such protocol.
        DataError: if a case can't be read or scored; the message begins with its name, and the class is that of the
            cause (`GridMismatch`, `UnreadableFile`, ...).
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"no evaluation protocol is named {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    scores = {}
    for case in cases:
        scores[case.name] = _score_case(case, protocol)
        if on_case is not None:
            on_case(case.name, scores[case.name])
    return Summary(protocol, scores)


def _score_case(case: Case, protocol: str) -> dict[str, float]:
    try:
        mask = None if case.mask is None else read_volume(case.mask)
        return score(read_volume(case.real), read_volume(case.synthetic), mask, protocol)
    except DataError as error:
        raise type(error)(f"case {case.name}: {error}") from error


def write_tables(summary: Summary, folder: Path) -> None:
    """Write `cases.csv` (one row a case) and `summary.json` into the folder, each whole or not at all.

    The folder is made when it does not exist; tables of an earlier run in it are replaced.
    """
    rows = io.StringIO()
    writer = csv.DictWriter(rows, ["case", *summary.metrics], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"case": name, **values} for name, values in summary.cases.items())
    write_text(folder / "cases.csv", rows.getvalue())
    write_text(folder / "summary.json", json.dumps(summary.to_json(), indent=2, allow_nan=False) + "\n")


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {metric: value if math.isfinite(value) else None for metric, value in values.items()}
