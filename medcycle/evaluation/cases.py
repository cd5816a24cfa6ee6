"""Which synthetic volume belongs to which real one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from medcycle.errors import DataError, UsageError
from medcycle.evaluation.case_folders import SYNTHETIC_STEMS, entries_of, is_single, uncertainty_of, volumes_in
from medcycle.failures import failures_in
from medcycle.io.discover import case_name, stem
from medcycle.io.files import require_exists

__all__ = ["Case", "match_cases"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One comparison.

    Args:
        name: of the case, unique.
        real: volume file or DICOM folder.
        synthetic: volume file or DICOM folder, on the real volume's grid.
        mask: region to score, on that grid; `None` for the patient outline of the real CT.
        field_of_view: where the real volume is valid, on that grid; `None` for everywhere.
        source: what the synthetic volume was made from, for looking at; None if it isn't known.
        uncertainty: the expected error that lies beside the synthetic volume; None if none does.
        target: what beams are aimed at, a mask on the real volume's grid; None for the body's centre.
        real_labels: segmentation of the real volume: a label map, or a folder of masks.
        synthetic_labels: of the synthetic one.
        is_coded: whether the name stands for the patient's, which nothing may tell then.
        problem: why there is no synthetic volume, or an outdated one; empty if there is a sound one.
    """

    name: str
    real: Path
    synthetic: Path
    mask: Path | None = None
    field_of_view: Path | None = None
    source: Path | None = None
    uncertainty: Path | None = None
    target: Path | None = None
    real_labels: Path | None = None
    synthetic_labels: Path | None = None
    is_coded: bool = False
    problem: str = ""

    def require_synthetic(self) -> None:
        """Raise `DataError` if there is no sound synthetic volume."""
        if self.problem:
            raise DataError(f"no synthetic volume; {self.problem}")


def match_cases(  # noqa: PLR0913 - all that a case may have
    real: Path,
    synthetic: Path,
    mask: Path | None = None,
    own_names: Mapping[str, str] = MappingProxyType({}),
    *,
    field_of_view: Path | None = None,
    source: Path | None = None,
    target: Path | None = None,
    labels: tuple[Path, Path] | None = None,
    keep_going: bool = False,
) -> list[Case]:
    """Pair volumes by name.

    Each path is one volume (a file, or a folder of DICOM files) or a folder of cases. In a folder of cases, a case NAME
    is a file `NAME.nii.gz` (or another volume format) or a folder `NAME` with one volume in it; among the synthetic
    ones also what `medcycle synthesize` writes, `NAME/sct.nii.gz` or `NAME/smr.nii.gz`, with NAME as `case_name` makes
    it. One volume and one are a pair whatever their names.

    Args:
        real: what was measured.
        synthetic: what was synthesised.
        mask: where to score. Masks of further cases are ignored.
        own_names: what synthetic cases that have codes for names are called among the real ones.
        field_of_view: where the real volumes are valid.
        source: what the synthetic volumes were made from; cases without one are left without.
        target: masks that beams are aimed at; cases without one are left without.
        labels: segmentations of the real and the synthetic volumes: of one case a label map or a folder of masks, of
            several a folder with these.
        keep_going: real volumes without a synthetic one are cases too, which will fail; synthetic ones without a real
            one are left out, with a warning.

    Returns:
        The cases in the order of their names.

    Raises:
        UsageError: if a path does not exist, a name is ambiguous, or, unless it keeps going, a volume has no
            counterpart.
        EmptyFolder: if a folder holds no case.
    """
    reals, synthetics = volumes_in(real), volumes_in(synthetic, SYNTHETIC_STEMS, may_be_empty=keep_going)
    codes = {own: code for code, own in own_names.items() if code in synthetics}
    if len(reals) == len(synthetics) == len(codes) == 1:
        codes = dict(zip(reals, synthetics, strict=True))
    reals = _coded(reals, codes)
    if len(reals) == len(synthetics) == 1:
        if not codes and not (is_single(real) and is_single(synthetic)):
            _say_pair(*reals.values(), *synthetics.values())
        synthetics = dict(zip(reals, synthetics.values(), strict=True))
    synthetics = _named_alike(synthetics, reals)
    problems = _without_counterpart(reals, synthetics, real, synthetic) if keep_going else {}
    synthetics = {name: synthetics.get(name, synthetic / name) for name in reals} if keep_going else synthetics
    _require_same(reals, synthetics, real, synthetic)
    masks = _beside(mask, reals, codes, "mask")
    valid = _beside(field_of_view, reals, codes, "field of view")
    sources, targets = (_beside(path, reals, codes, "") for path in (source, target))
    own = [_labels(path, reals, codes) for path in labels] if labels else [{}, {}]
    known = set(codes.values())
    return [
        Case(
            name,
            reals[name],
            synthetics[name],
            mask=masks.get(name),
            field_of_view=valid.get(name),
            source=sources.get(name),
            target=targets.get(name),
            uncertainty=uncertainty_of(synthetics[name]),
            real_labels=own[0].get(name),
            synthetic_labels=own[1].get(name),
            is_coded=name in known,
            problem=problems.get(name, ""),
        )
        for name in sorted(reals)
    ]


def _beside(path: Path | None, reals: dict[str, Path], codes: Mapping[str, str], needed_as: str) -> dict[str, Path]:
    """Further volumes of the cases, by their names; each case needs one, if it is said what as."""
    if path is None:
        return {}
    found = _named_alike(_coded(volumes_in(path), codes), reals)
    if len(found) == len(reals) == 1:
        found = dict(zip(reals, found.values(), strict=True))
    missing = sorted(set(reals) - set(found))
    if missing and needed_as:
        raise UsageError(f"{path} has no {needed_as} for {_listed(missing)}; give one per case, named like the case")
    return found


def _labels(path: Path, reals: dict[str, Path], codes: Mapping[str, str]) -> dict[str, Path]:
    """The label map, or the folder of masks, of each case."""
    require_exists(path, "a label map, a folder of masks, or a folder of those by case")
    if path.is_file():
        found = {stem(path): path}
    else:
        found = {one.name if one.is_dir() else stem(one): one for one in entries_of(path)}
        found = _named_alike(_coded(found, codes), reals)
    if len(reals) == 1 and not set(reals) & set(found):
        return dict.fromkeys(reals, path)
    missing = sorted(set(reals) - set(found))
    if missing:
        raise UsageError(f"{path} has no labels for {_listed(missing)}; give a file or a folder named like each case")
    return found


def _coded(found: dict[str, Path], codes: Mapping[str, str]) -> dict[str, Path]:
    """The volumes under the codes of those names that have one."""
    return {codes.get(name, name): path for name, path in _named_alike(found, codes).items()}


def _say_pair(real: Path, synthetic: Path) -> None:
    """Say that two volumes are compared whose names differ."""
    names = [place.name if place.is_dir() else stem(place) for place in (real, synthetic)]
    own = synthetic.parent.name if names[1] in SYNTHETIC_STEMS else names[1]
    if case_name(own) != case_name(names[0]):
        log.warning("%s and %s are taken as a pair, since they are the only volumes", real, synthetic)


def _named_alike(found: dict[str, Path], names: Collection[str]) -> dict[str, Path]:
    """The volumes by those of the names that are theirs as they are, or as `synthesize` writes them."""
    written: dict[str, list[str]] = {}
    for name in names:
        written.setdefault(case_name(name), []).append(name)

    def own(name: str) -> str:
        alike = [] if name in names else written.get(case_name(name), [])
        return alike[0] if len(alike) == 1 and alike[0] not in found else name

    return {own(name): path for name, path in found.items()}


def _without_counterpart(
    reals: Mapping[str, Path], synthetics: Mapping[str, Path], real: Path, synthetic: Path
) -> dict[str, str]:
    """Why cases have no synthetic volume, or only an outdated one, by their names; what has no real one is said."""
    if without_real := sorted(set(synthetics) - set(reals)):
        log.warning("%s lacks %s, left out", real, _listed(without_real))
    missing = {name: "it was not translated" for name in reals if name not in synthetics}
    return missing | {name: reason for name, reason in failures_in(synthetic).items() if name in reals}


def _require_same(reals: dict[str, Path], synthetics: dict[str, Path], real: Path, synthetic: Path) -> None:
    without_synthetic, without_real = sorted(set(reals) - set(synthetics)), sorted(set(synthetics) - set(reals))
    problems = []
    if without_synthetic:
        problems.append(f"{synthetic} lacks {_listed(without_synthetic)}")
    if without_real:
        problems.append(f"{real} lacks {_listed(without_real)}")
    if problems:
        if len(reals) == 1 or len(synthetics) == 1:
            place, several = (synthetic, synthetics) if len(reals) == 1 else (real, reals)
            (alone,) = reals if len(reals) == 1 else synthetics
            one = several.get(alone, next(iter(several.values())))
            raise UsageError(f"{place} holds {len(several)} cases for one; give the one you mean, such as {one}")
        raise UsageError(f"cases do not match by name: {'; '.join(problems)}; give folders with the same case names")


def _listed(names: list[str], at_most: int = 10) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
