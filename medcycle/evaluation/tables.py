"""Scores of many cases, and the two files they are kept in."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple, cast

from medcycle.body import Modality
from medcycle.errors import CaseFailed, ConfigError, DataError, WrongModality
from medcycle.evaluation.cases import Case
from medcycle.evaluation.details import (
    DetailOptions,
    Details,
    details_of,
    scores_alone,
    write_details,
    write_inputs,
)
from medcycle.evaluation.grades import Verdict
from medcycle.evaluation.printable import statistics_table, to_latex, to_markdown
from medcycle.evaluation.protocols import (
    DEFAULT_PROTOCOL,
    PROTOCOLS,
    Compared,
    compared,
    require_protocol,
    scores_of,
)
from medcycle.evaluation.statistics import of_values
from medcycle.io import read_volume
from medcycle.io.dicom.hidden import hidden_names, names_of
from medcycle.io.discover import one_source
from medcycle.io.files import write_text
from medcycle.isolation import isolated
from medcycle.modality import ct_offset_of, looks_like_ct, modality_of_values
from medcycle.progress import ProgressLine
from medcycle.volume import Volume
from medcycle.words import cell

__all__ = ["Summary", "evaluate", "write_evaluation", "write_tables", "writer_of_details"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """Scores by case.

    Args:
        protocol: name of the protocol.
        cases: metric values by case name; NaN where a metric is not defined.
        failed: why others could not be scored, by case name.
        modality: of the volumes.
        verdicts: by case name, where there was no true volume.
    """

    protocol: str
    cases: Mapping[str, Mapping[str, float]]
    failed: Mapping[str, str] = field(default_factory=dict)
    modality: Modality = "ct"
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the protocol's order."""
        return list(next(iter(self.cases.values()), {}))

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the cases that have it, each case counting once; NaN if none has it."""
        return {metric: _mean([values[metric] for values in self.cases.values()]) for metric in self.metrics}

    @cached_property
    def statistics(self) -> dict[str, dict[str, float | None]]:
        """Mean, spread and interval of each metric over the cases, see `statistics.of_values`."""
        return {metric: of_values([values[metric] for values in self.cases.values()]) for metric in self.metrics}

    def to_json(self) -> dict[str, Any]:
        """As `summary.json` holds it. JSON has no infinity: the PSNR of equal volumes becomes null."""
        told: dict[str, Any] = {
            "protocol": self.protocol,
            "modality": self.modality,
            "cases": {name: _finite(values) for name, values in self.cases.items()},
            "mean": _finite(self.mean),
            "statistics": self.statistics,
        }
        if self.verdicts:
            verdicts = {name: one._asdict() for name, one in self.verdicts.items()}
            told |= {"kind": "without reference", "verdicts": verdicts}
        return told | {"failed": dict(self.failed)} if self.failed else told

    def require_all(self) -> None:
        """Raise `DataError` if a case could not be scored."""
        for name, reason in self.failed.items():
            count = len(self.cases) + len(self.failed)
            raise DataError(f"{len(self.failed)} of {count} cases not scored; first failure: case {name}: {reason}")


OnCase = Callable[[str, dict[str, float]], None]
OnDetails = Callable[[str, Details], None]


def evaluate(
    cases: Sequence[Case],
    protocol: str | None = None,
    on_case: OnCase | None = None,
    *,
    modality: Modality | None = None,
    ct_offset: float = 0.0,
    details: DetailOptions | None = None,
    on_details: OnDetails | None = None,
) -> Summary:
    """Read and score the cases, one in memory at a time; one that can't be is told in the summary, beside the others.

    Args:
        cases: of different names, all CT or all MR.
        protocol: a key of `PROTOCOLS`; None for the one of `DEFAULT_PROTOCOL` that is for the volumes' modality.
        on_case: called with each case's name and scores, as they are known.
        modality: of the volumes; None to find it from the first real one.
        ct_offset: what to take off CT that have something added to their HU.
        details: what is found of CT beyond their scores.
        on_details: called with each case's name and what was found of it, as it is known; None leaves details out.

    Raises:
        ConfigError: if there is no such protocol, or it is for another modality.
        DataError: if no case can be read or scored, as the first one's; the message begins with its name, and the
            class is that of the cause (`GridMismatch`, `UnreadableFile`, ...).
    """
    if protocol is not None:
        require_protocol(protocol)
        if modality and PROTOCOLS[protocol].modality != modality:
            raise ConfigError(_other_protocol(protocol, modality))

    def scored(case: Case) -> dict[str, float]:
        nonlocal modality, protocol
        real = _read(case.real, modality, ct_offset)
        modality = modality or real.modality
        protocol = protocol or DEFAULT_PROTOCOL[modality]
        pair = _compared(case, real, protocol, ct_offset)
        found = scores_of(pair, protocol)
        if on_details:
            on_details(case.name, _details(case, pair, protocol, found, details or DetailOptions()))
        return found

    scores, failed = each_case(cases, scored, on_case)
    return Summary(protocol or DEFAULT_PROTOCOL["ct"], scores, failed, modality or "ct")


def each_case(
    cases: Sequence[Case], work: Callable[[Case], dict[str, float]], on_case: OnCase | None = None
) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Work on the cases one after the other; one that fails stops none of the others.

    Returns:
        What came of each that did not fail, and the reasons of those that did, which are logged as well.

    Raises:
        DataError: if all fail, as of the first one; its message begins with the case's name.
    """
    done, failed = dict[str, dict[str, float]](), dict[str, DataError]()
    with ProgressLine("evaluating", len(cases), quiet=len(cases) < 2) as progress:
        for case in cases:
            try:
                with _discreet(case), isolated(case.real):
                    done[case.name] = work(case)
            except DataError as error:
                failed[case.name] = error
            else:
                if on_case is not None:
                    on_case(case.name, done[case.name])
            progress.advance(case.name)
    if failed and not done:
        name, first = next(iter(failed.items()))
        raise type(first)(f"case {name}: {first}") from first
    reasons = {name: str(error) for name, error in failed.items()}
    for name, reason in reasons.items():
        log.warning("not scored: case %s: %s", name, reason)
    return done, reasons


def _details(case: Case, pair: Compared, protocol: str, scores: dict[str, float], options: DetailOptions) -> Details:
    if PROTOCOLS[protocol].modality == "mr":
        return scores_alone(protocol, "mr", scores)
    return details_of(case, pair, protocol, scores, options)


def _discreet(case: Case) -> AbstractContextManager[None]:
    """Nothing that is said tells the name of a case that has a code."""
    if not case.is_coded:
        return nullcontext()
    return hidden_names(names_of({path: case.name for path in (case.real, case.mask) if path}))


class _Scan(NamedTuple):
    """A volume and what it shows."""

    volume: Volume
    modality: Modality


def _read(path: Path, modality: Modality | None, ct_offset: float) -> _Scan:
    """A volume; its modality, unless that is given, from the header of a series, or else from its values."""
    _require_there(path)
    source = one_source(path, ct_offset=ct_offset)
    volume = source.read()
    if offset := ct_offset_of(volume.array):
        raise WrongModality(
            f"{path}: a CT with about {offset:g} added to its Hounsfield units; pass --ct-offset {offset:g} to take it "
            "off"
        )
    told = source.series.modality.lower() if source.series else ""
    found: Modality = cast(Modality, told) if told in ("mr", "ct") else modality_of_values(volume.array)
    return _Scan(volume, modality or found)


def _compared(case: Case, real: _Scan, protocol: str, ct_offset: float) -> Compared:
    if PROTOCOLS[protocol].modality != real.modality:
        raise WrongModality(f"{case.real}: {_other_protocol(protocol, real.modality)}")
    synthetic = _read(case.synthetic, None, ct_offset).volume
    if real.modality == "mr" and looks_like_ct(synthetic.array):
        raise WrongModality(
            f"{case.synthetic}: a CT in Hounsfield units, but {case.real} is an MR; give volumes of one"
        )
    if real.modality == "ct" and synthetic.array.min() >= 0:
        raise WrongModality(f"{case.synthetic}: has no negative values, but {case.real} is a CT in Hounsfield units")
    mask, valid = (_read_mask(path) for path in (case.mask, case.field_of_view))
    return compared(real.volume, synthetic, mask, real.modality, valid)


def _read_mask(path: Path | None) -> Volume | None:
    if path is None:
        return None
    _require_there(path)
    return read_volume(path)


def _require_there(path: Path) -> None:
    """Raise `CaseFailed` if there is nothing any more, which is no reason to give up the other cases."""
    if not path.exists() and not path.is_symlink():
        raise CaseFailed(f"{path}: the file has disappeared; restore it, or run again without it")


def _other_protocol(protocol: str, modality: Modality) -> str:
    fitting = [name for name, one in PROTOCOLS.items() if one.modality == modality]
    own = PROTOCOLS[protocol].modality.upper()
    return (
        f"protocol {protocol} scores {own}, and these are {modality.upper()}; choose {' or '.join(fitting)}, or pass "
        f"--modality {own.lower()} if they are {own}"
    )


def write_tables(summary: Summary, folder: Path) -> None:
    """Write the tables into the folder, each whole or not at all.

    `cases.csv` has a row a case, `summary.json` all scores and statistics, `summary.md` and `summary.tex` the
    statistics to print. The folder is made when it does not exist; tables of an earlier run in it are replaced.
    """
    rows = io.StringIO()
    columns = ["case", *["grade"] * bool(summary.verdicts), *summary.metrics]
    writer = csv.DictWriter(rows, columns, lineterminator="\n")
    writer.writeheader()
    for name, values in summary.cases.items():
        grade = {"grade": summary.verdicts[name].grade} if summary.verdicts else {}
        writer.writerow({"case": cell(name)} | grade | _known(values))
    write_text(folder / "cases.csv", rows.getvalue())
    write_text(folder / "summary.json", json.dumps(summary.to_json(), indent=2, allow_nan=False) + "\n")
    table = statistics_table(summary.statistics)
    write_text(folder / "summary.md", to_markdown(table))
    write_text(folder / "summary.tex", to_latex(table))


def write_evaluation(summary: Summary, cases: Sequence[Case], folder: Path) -> None:
    """Write the tables and where the cases' volumes are, beside what `writer_of_details` has written."""
    write_tables(summary, folder)
    write_inputs(cases, folder, None if summary.verdicts else summary.modality)


def writer_of_details(folder: Path) -> OnDetails:
    """What writes each case's details into an evaluation's folder."""
    return lambda name, found: write_details(found, name, folder)


def _known(values: Mapping[str, float]) -> dict[str, float | str]:
    return {metric: "" if math.isnan(value) else value for metric, value in values.items()}


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {metric: value if math.isfinite(value) else None for metric, value in values.items()}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan
