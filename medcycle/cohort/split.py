"""Training and validation cases, apart by patient."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from medcycle.body import Modality
from medcycle.config import DataConfig
from medcycle.config.plain import read_yaml
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import DataError, UsageError

__all__ = ["describe_split", "part_of", "read_split_file", "split_store"]

log = logging.getLogger(__name__)

PARTS = ("train", "validation")

ENOUGH = 3
"""Patients with a modality of whom one is held out."""


def split_store(store: Store, config: DataConfig) -> tuple[Store, Store]:
    """The cases to train on and those to validate on; a patient's MR and CT are on the same side.

    Patients are put in an order by a hash of their names, so that the same patients always split the same way. With
    `config.folds`, every `folds`-th of them from the `fold`-th on is held out; else `validation_fraction`, one at least
    unless it is 0. Both are shared out among those with MR, with CT and with both. A modality with three patients or
    more has one held out; the last one is never taken from training, which a warning says. `config.split_file`, YAML or
    JSON of patient or case to `train` or `validation`, goes before either; who is not in it is trained on. Where all MR
    or all CT have one patient's name, as an anonymisation may give it, each counts as a patient of its own, and a
    warning says so.

    Raises:
        UsageError: if the split file can't be used.
        DataError: if a patient is on both sides, or nothing is left to train on.
    """
    store = _told_apart(store)
    held_out = _of_file(store, Path(config.split_file)) if config.split_file else _of_hash(store, config)
    validation = part_of(store, held_out)
    train = part_of(store, {case.folder for case in (*store.mr, *store.ct)} - held_out)
    if not train.ct or bool(store.mr) > bool(train.mr):
        raise DataError(
            f"{store.root}: the split leaves no {'MR' if train.ct else 'CT'} to train on; hold out fewer patients"
        )
    _require_apart(train, validation)
    return train, validation


def describe_split(train: Store, validation: Store) -> dict[str, dict[str, list[dict[str, str]]]]:
    """Name, patient and hash of every case by part and modality, as plain values."""
    return {
        name: {
            kind: [{key: getattr(case.record, key) for key in ("name", "patient", "sha256")} for case in cases]
            for kind, cases in part.both().items()
        }
        for name, part in zip(PARTS, (train, validation), strict=True)
    }


def _told_apart(store: Store) -> Store:
    """With each case as a patient of its own where all of a modality have one name, which then names nobody."""
    names = {kind: {case.record.patient for case in cases} for kind, cases in store.both().items()}

    def told_apart(modality: Modality, other: Modality) -> tuple[StoredCase, ...]:
        cases = store.both()[modality]
        if len(cases) == 1 or len(names[modality]) > 1 or (names[modality] < names[other]):
            return cases
        log.warning(
            "all %s have the patient ID %r: treated as a placeholder, with each scan as its own patient. If some "
            "belong together, list them in data.split_file before holding patients out",
            modality.upper(),
            *names[modality],
        )
        return tuple(replace(case, record=replace(case.record, patient=case.record.name)) for case in cases)

    return replace(store, mr=told_apart("mr", "ct"), ct=told_apart("ct", "mr"))


def _of_hash(store: Store, config: DataConfig) -> set[Path]:
    having = {kind: {case.record.patient for case in cases} for kind, cases in store.both().items()}
    strata = [having["mr"] & having["ct"], having["mr"] - having["ct"], having["ct"] - having["mr"]]
    ordered = [sorted(stratum, key=_order) for stratum in strata]
    if config.folds:
        chosen = [patient for stratum in ordered for patient in stratum][config.fold :: config.folds]
    elif config.validation_fraction:
        chosen = _fraction_of(ordered, config.validation_fraction)
        for patients in having.values():
            if len(patients) >= ENOUGH and not patients & set(chosen):
                chosen.append(min(patients, key=_order))
    else:
        chosen = []
    kept = _without_the_last(chosen, having)
    return {case.folder for case in (*store.mr, *store.ct) if case.record.patient in kept}


def _fraction_of(strata: Sequence[Sequence[str]], fraction: float) -> list[str]:
    """The first of each stratum, by largest remainders as many in all as the fraction gives, one at least."""
    wanted = [fraction * len(stratum) for stratum in strata]
    counts = [int(number) for number in wanted]
    by_remainder = sorted(range(len(strata)), key=lambda n: counts[n] - wanted[n])
    for number in by_remainder[: max(1, round(sum(wanted))) - sum(counts)]:
        counts[number] += 1
    return [patient for stratum, count in zip(strata, counts, strict=True) for patient in stratum[:count]]


def _without_the_last(chosen: Sequence[str], having: Mapping[Modality, set[str]]) -> set[str]:
    """Those of the chosen patients who leave another one to train on in each of their modalities."""
    kept: set[str] = set()
    for patient in chosen:
        last_of = [kind for kind, all_ in having.items() if patient in all_ and all_ <= kept | {patient}]
        if last_of:
            kinds = " and ".join(kind.upper() for kind in last_of)
            log.warning("too few patients with %s to hold one out: validation uses training %s", kinds, kinds)
        else:
            kept.add(patient)
    return kept


def read_split_file(path: Path) -> dict[str, str]:
    """The side of each patient or case. Raises `UsageError` if the file can't be used."""
    try:
        # plain strings: YAML's own numbers would take PatientID 010 for 8
        given = read_yaml(path, yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: the split file can't be read ({' '.join(str(error).split())[:120]})") from error
    if not isinstance(given, Mapping) or not all(part in PARTS for part in given.values()):
        raise UsageError(f"{path}: a split file maps each patient or case to train or validation")
    return dict(given)


def _of_file(store: Store, path: Path) -> set[Path]:
    sides = read_split_file(path)
    cases = [(case.folder, case.record.name, case.record.patient) for case in (*store.mr, *store.ct)]
    unknown = set(sides).difference(*(names for _, *names in cases))
    if unknown:
        raise UsageError(f"{path}: {', '.join(sorted(unknown)[:5])} not among the prepared patients and cases")
    return {folder for folder, name, patient in cases if sides.get(name, sides.get(patient)) == "validation"}


def part_of(store: Store, chosen: set[Path]) -> Store:
    """The cases of these folders."""

    def of(cases: tuple[StoredCase, ...]) -> tuple[StoredCase, ...]:
        return tuple(case for case in cases if case.folder in chosen)

    return replace(store, mr=of(store.mr), ct=of(store.ct))


def _require_apart(train: Store, validation: Store) -> None:
    patients = [{case.record.patient for case in (*part.mr, *part.ct)} for part in (train, validation)]
    if both := patients[0] & patients[1]:
        raise DataError(
            f"{train.root}: {', '.join(sorted(both)[:5])} in training and validation; put each patient on one side only"
        )


def _order(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()
