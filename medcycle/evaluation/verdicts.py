"""Verdicts on synthetic CT that have no true CT, case by case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medcycle.errors import UnreadableFile, WrongModality
from medcycle.evaluation.cases import Case
from medcycle.evaluation.details import Details, begun
from medcycle.evaluation.grades import Verdict
from medcycle.evaluation.scoring import each_case
from medcycle.evaluation.tables import OnDetails, Summary
from medcycle.evaluation.without_reference import assess_without_reference
from medcycle.io import read_volume
from medcycle.io.opening import read_json
from medcycle.modality import looks_like_ct
from medcycle.volume import Volume

__all__ = ["WITHOUT_REFERENCE", "judge_cases", "require_source_and_ct"]

WITHOUT_REFERENCE = "without reference"

DESCRIPTION = "synthesis.json"
"""Beside a synthetic volume: what its synthesis said."""


def judge_cases(
    cases: Sequence[Case],
    on_case: Callable[[str, dict[str, float]], None] | None = None,
    on_details: OnDetails | None = None,
    *,
    may_all_fail: bool = False,
) -> Summary:
    """Judge synthetic CT by the MR that they were made from; one that fails stops none of the others.

    Args:
        cases: of different names; their `real` volume is the MR.
        on_case: called with each case's name and measures, as they are known.
        on_details: called with each case's name and all that was found of it.
        may_all_fail: of a part of the cases: it is no error if all fail.

    Raises:
        DataError: if all cases fail, as of the first one; its message begins with the case's name.
    """
    verdicts = {}

    def judged(case: Case) -> tuple[dict[str, float], Details]:
        found = _assess(case)
        verdict = verdicts[case.name] = Verdict(**found["verdict"])
        measures = {one["key"]: _or_nan(one["value"]) for one in found["measures"]}
        scores = {"score": verdict.score} | measures
        return scores, Details(begun(WITHOUT_REFERENCE, "ct", WITHOUT_REFERENCE, scores) | found)

    done, failed, faults = each_case(cases, judged, on_case, on_details, may_all_fail=may_all_fail)
    columns = list(dict.fromkeys(key for scores in done.values() for key in scores))
    alike = {name: {key: scores.get(key, math.nan) for key in columns} for name, scores in done.items()}
    return Summary(WITHOUT_REFERENCE, alike, failed, "ct", verdicts, faults)


def _assess(case: Case) -> dict[str, Any]:
    mr, synthetic = read_volume(case.real), read_volume(case.synthetic)
    told = _told(case.synthetic if case.synthetic.is_dir() else case.synthetic.parent)
    require_source_and_ct(mr, synthetic, case.real, case.synthetic, of_cbct=told.get("made_from") == "CBCT")
    return assess_without_reference(
        mr,
        synthetic,
        uncertainty=read_volume(case.uncertainty) if case.uncertainty and _is_calibrated(told) else None,
        warnings=[str(one) for one in told.get("warnings") or ()],
        usual=told.get("training_ct"),
    )


def require_source_and_ct(source: Volume, synthetic: Volume, first: Path, second: Path, *, of_cbct: bool) -> None:
    """Raise `WrongModality`, naming the place, unless these are an MR, or CBCT, and a CT in Hounsfield units."""
    if of_cbct and not looks_like_ct(source.array):
        raise WrongModality(f"{first}: not in Hounsfield units; give the CBCT that the synthetic CT was made from")
    if not of_cbct and looks_like_ct(source.array):
        raise WrongModality(f"{first}: a CT in Hounsfield units; give the MR with --mr, or the true CT with --real")
    if not looks_like_ct(synthetic.array):
        raise WrongModality(f"{second}: not a CT in Hounsfield units; only synthetic CT can be judged")


def _told(folder: Path) -> Mapping[str, Any]:
    """What the synthesis said, if there is such a file that can be read."""
    try:
        told = read_json(folder / DESCRIPTION)
    except (OSError, ValueError, RecursionError, UnreadableFile):
        return {}
    return told if isinstance(told, dict) else {}


def _is_calibrated(told: Mapping[str, Any]) -> bool:
    """Whether the uncertainty is an expected error; a standard deviation over passes is none."""
    found = told.get("uncertainty")
    return bool(isinstance(found, dict) and found.get("calibration"))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
