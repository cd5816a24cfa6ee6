"""Many cases read and scored; one that can't be is no reason to give up the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple, cast

from medcycle.body import Modality
from medcycle.errors import CaseFailed, ConfigError, DataError, WrongModality
from medcycle.evaluation.cases import Case
from medcycle.evaluation.details import DetailOptions, Details, details_of, scores_alone
from medcycle.evaluation.protocols import (
    DEFAULT_PROTOCOL,
    PROTOCOLS,
    Compared,
    compared,
    require_protocol,
    scores_of,
)
from medcycle.evaluation.tables import OnDetails, Summary
from medcycle.evaluation.tolerances import read_tolerances
from medcycle.io import read_volume
from medcycle.io.dicom.hidden import hidden_names, names_of
from medcycle.io.discover import one_source
from medcycle.isolation import isolated
from medcycle.modality import ct_offset_of, looks_like_ct, modality_of_values
from medcycle.progress import ProgressLine
from medcycle.volume import Volume
from medcycle.words import quoted

__all__ = ["each_case", "evaluate"]

log = logging.getLogger(__name__)

OnCase = Callable[[str, dict[str, float]], None]
"""Called with a case's name and scores."""


def evaluate(
    cases: Sequence[Case],
    protocol: str | None = None,
    on_case: OnCase | None = None,
    *,
    modality: Modality | None = None,
    ct_offset: float = 0.0,
    details: DetailOptions | None = None,
    on_details: OnDetails | None = None,
    may_all_fail: bool = False,
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
        may_all_fail: of a part of the cases: it is no error if none can be scored.

    Raises:
        ConfigError: if there is no such protocol, or it is for another modality.
        DataError: if no case can be read or scored, as the first one's; the message begins with its name, and the
            class is that of the cause (`GridMismatch`, `UnreadableFile`, ...).
    """
    if protocol is not None:
        require_protocol(protocol)
        if modality and PROTOCOLS[protocol].modality != modality:
            raise ConfigError(_other_protocol(protocol, modality))

    options = details or (DetailOptions() if on_details else None)
    judged = set[str]()

    def scored(case: Case) -> tuple[dict[str, float], Details | None]:
        nonlocal modality, protocol
        real = _read(case.real, modality, ct_offset)
        modality = modality or real.modality
        protocol = protocol or DEFAULT_PROTOCOL[modality]
        pair = _compared(case, real, protocol, ct_offset)
        found = scores_of(pair, protocol)
        if not (on_details and options):
            return found, None
        more = _details(case, pair, protocol, found, options)
        judged.update(one["name"] for one in more.figures.get("tolerances", ()))
        return found, more

    scores, failed, faults = each_case(cases, scored, on_case, on_details, may_all_fail=may_all_fail)
    if options and options.tolerances != read_tolerances():
        for unused in (one for one in options.tolerances if one.name not in judged):
            log.warning("tolerance %s: no case has %s; check its key", quoted(unused.name), unused.key)
    return Summary(protocol or DEFAULT_PROTOCOL["ct"], scores, failed, modality or "ct", faults=faults)


class Worked(NamedTuple):
    """What became of cases.

    Args:
        done: the scores of each that did not fail.
        failed: the reasons of those that did.
        faults: names of those that failed of something else than what their files hold, as lack of memory.
    """

    done: dict[str, dict[str, float]]
    failed: dict[str, str]
    faults: frozenset[str]


def each_case(
    cases: Sequence[Case],
    work: Callable[[Case], tuple[dict[str, float], Details | None]],
    on_case: OnCase | None = None,
    on_details: OnDetails | None = None,
    *,
    may_all_fail: bool = False,
) -> Worked:
    """Work on the cases one after the other; one that fails stops none of the others.

    Args:
        cases: of different names.
        work: gives a case's scores, and what else was found of it.
        on_case: called with each case's name and scores, as they are known.
        on_details: called with each case's name and what was found of it; its errors, as of a full disk, are the same
            for all cases and end the work.
        may_all_fail: it is no error if all fail.

    Returns:
        The scores and the reasons of failures, which are logged as well.

    Raises:
        DataError: if all fail, unless they may, as of the first one; its message begins with the case's name.
    """
    done, failed = dict[str, dict[str, float]](), dict[str, DataError]()
    with ProgressLine("evaluating", len(cases), quiet=len(cases) < 2) as progress:
        for case in cases:
            try:
                with _discreet(case), isolated(case.real):
                    case.require_synthetic()
                    scores, found = work(case)
            except DataError as error:
                failed[case.name] = error
            else:
                done[case.name] = scores
                if on_details and found:
                    on_details(case.name, found)
                if on_case:
                    on_case(case.name, scores)
            progress.advance(case.name)
    if failed and not (done or may_all_fail):
        name, first = next(iter(failed.items()))
        raise type(first)(f"case {name}: {first}") from first
    reasons = {name: str(error) for name, error in failed.items()}
    for name, reason in reasons.items():
        log.warning("not scored: case %s: %s", name, reason)
    return Worked(done, reasons, frozenset(name for name, error in failed.items() if isinstance(error, CaseFailed)))


def _details(case: Case, pair: Compared, protocol: str, scores: dict[str, float], options: DetailOptions) -> Details:
    if PROTOCOLS[protocol].modality == "mr":
        return scores_alone(protocol, "mr", scores)
    return details_of(case, pair, protocol, scores, options)


def _discreet(case: Case) -> AbstractContextManager[object]:
    """Nothing that is said tells the name of a case that has a code."""
    if not case.is_coded:
        return nullcontext()
    masks = (case.mask, case.field_of_view, case.target, case.real_labels, case.synthetic_labels)
    return hidden_names(names_of({path: case.name for path in (case.real, case.source, *masks) if path}))


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
