"""Evaluations that several processes share out among them, and what becomes of their parts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medcycle.errors import DataError
from medcycle.evaluation.cases import Case
from medcycle.evaluation.grades import Verdict
from medcycle.evaluation.tables import EvaluationFolder, Summary, require_folder
from medcycle.io.files import write_text
from medcycle.io.locks import locked, require_unlocked
from medcycle.shards import Shard

__all__ = ["ShardFolder", "shard_in"]


@dataclass(frozen=True)
class ShardFolder(EvaluationFolder):
    """A folder that a shard of an evaluation is being written to; see `shard_in`.

    Args:
        shard: which.
        all_cases: those of all shards.
        how: what else the scores depend on, the same for all shards; plain values.
    """

    shard: Shard
    all_cases: Sequence[Case]
    how: object

    @property
    def is_finished(self) -> bool:
        """Whether the scores of all shards are there."""
        return len(list(_parts(self.path, self.shard, _key(self.all_cases, self.how)))) == self.shard.of

    def finish(self, summary: Summary, *, with_details: bool = True) -> Summary:
        """Keep the scores; if those of all shards are there now, write the tables of all.

        Returns:
            The summary of all shards, or as long as some are missing that of this one.
        """
        _write_part(summary, self.path, self.shard, self.all_cases, self.how)
        with locked(self.path, wait=True):
            whole = _merged(self.path, self.shard, self.all_cases, self.how)
            if whole is None:
                return summary
            return EvaluationFolder(self.path, self.all_cases).finish(whole, with_details=with_details)


@contextmanager
def shard_in(folder: Path, cases: Sequence[Case], shard: Shard, how: object) -> Iterator[ShardFolder]:
    """Write a shard of an evaluation into a folder that others write other shards to.

    Args:
        folder: of the whole evaluation.
        cases: of all shards.
        shard: which.
        how: what else the scores depend on, the same for all shards; plain values.

    Raises:
        UsageError: if the folder is a file.
        InUse: if another process has the same shard, or evaluates all cases into the folder.
    """
    require_folder(folder)
    require_unlocked(folder)
    mine = shard.part((case.name, case) for case in cases)
    with locked(shard.place_in(folder)):
        yield ShardFolder(folder, mine, shard, cases, how)


def _write_part(summary: Summary, folder: Path, shard: Shard, cases: Sequence[Case], how: object) -> None:
    """Keep the scores of a shard until those of all are there.

    Args:
        summary: of the shard.
        folder: of the whole evaluation.
        shard: which.
        cases: of all shards.
        how: what else the scores depend on, the same for all shards; plain values.
    """
    verdicts = {name: one._asdict() for name, one in summary.verdicts.items()}
    told = {
        "key": _key(cases, how),
        "protocol": summary.protocol,
        "modality": summary.modality,
        "cases": {name: dict(values) for name, values in summary.cases.items()},
        "failed": dict(summary.failed),
        "faults": sorted(summary.faults),
        "verdicts": verdicts,
    }
    write_text(shard.marker_in(folder), json.dumps(told))  # with NaN and Infinity, which Python reads again


def _merged(folder: Path, shard: Shard, cases: Sequence[Case], how: object) -> Summary | None:
    """The summary of all shards, in the order of the cases, or None as long as some are missing; arguments as above.

    Raises:
        DataError: if the shards were scored by different protocols, as volumes of different modalities are.
    """
    parts = list(_parts(folder, shard, _key(cases, how)))
    if len(parts) < shard.of:
        return None
    kinds = {(part["protocol"], part["modality"]) for part in parts if part["cases"]}
    if len(kinds) > 1:
        names = " and ".join(sorted(protocol for protocol, _ in kinds))
        raise DataError(f"{folder}: shards were scored by different protocols ({names}); give --protocol")
    protocol, modality = next(iter(kinds), (parts[0]["protocol"], parts[0]["modality"]))
    found = {name: values for part in parts for name, values in part["cases"].items()}
    order = [case.name for case in cases]
    columns = list(dict.fromkeys(key for name in order for key in found.get(name, ())))
    scores = {name: {key: values.get(key, math.nan) for key in columns} for name, values in found.items()}
    failed = {name: reason for part in parts for name, reason in part["failed"].items()}
    verdicts = {name: Verdict(**one) for part in parts for name, one in part["verdicts"].items()}
    return Summary(
        protocol,
        {name: scores[name] for name in order if name in scores},
        {name: failed[name] for name in order if name in failed},
        modality,
        {name: verdicts[name] for name in order if name in verdicts},
        frozenset(name for part in parts for name in part.get("faults", ())),
    )


def _parts(folder: Path, shard: Shard, key: str) -> Iterator[dict[str, Any]]:
    """What the shards that are done have written of the same cases."""
    for path in shard.all_markers_in(folder):
        try:
            part = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(part, dict) and part.get("key") == key:
            yield part


def _key(cases: Sequence[Case], how: object) -> str:
    plain = [{name: str(value) for name, value in asdict(case).items()} for case in cases]
    return hashlib.sha256(json.dumps([plain, how], sort_keys=True, default=str).encode()).hexdigest()
