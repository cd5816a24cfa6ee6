"""Training and validation apart by patient."""

from dataclasses import replace
from pathlib import Path

import pytest

from medcycle.cohort.split import describe_split, split_store
from medcycle.config import DataConfig
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import DataError, UsageError


@pytest.fixture
def many(store: Store) -> Store:
    """Ten MR and ten CT of fourteen patients; six have both."""

    def cases(kind: str, first: int) -> tuple[StoredCase, ...]:
        template = getattr(store, kind)[0]
        return tuple(
            StoredCase(Path(kind, f"{n}"), replace(template.record, name=f"{kind}{n}", patient=f"p{n}", modality=kind))
            for n in range(first, first + 10)
        )

    return replace(store, mr=cases("mr", 0), ct=cases("ct", 4))


def patients(part: Store) -> set[str]:
    return {case.record.patient for case in (*part.mr, *part.ct)}


def test_without_a_fraction_all_are_trained_on(many: Store) -> None:
    train, validation = split_store(many, DataConfig())
    assert (len(train.mr), len(train.ct), len(validation.mr), len(validation.ct)) == (10, 10, 0, 0)


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5])
def test_patients_are_on_one_side(many: Store, fraction: float) -> None:
    train, validation = split_store(many, DataConfig(validation_fraction=fraction))
    assert not patients(train) & patients(validation)
    assert len(patients(validation)) == max(1, round(14 * fraction))
    assert len(train.mr) + len(validation.mr) == 10
    assert split_store(many, DataConfig(validation_fraction=fraction)) == (train, validation)


def test_every_patient_is_held_out_in_one_fold(many: Store) -> None:
    held_out = [patients(split_store(many, DataConfig(folds=4, fold=n))[1]) for n in range(4)]
    assert sorted(name for part in held_out for name in part) == sorted(patients(many))


def test_a_file_goes_first(many: Store, tmp_path: Path) -> None:
    file = tmp_path / "split.yaml"
    file.write_text("p5: validation\np6: validation\nmr0: validation\np1: train\n")
    _, validation = split_store(many, DataConfig(split_file=str(file), validation_fraction=0.5))
    assert patients(validation) == {"p0", "p5", "p6"}
    described = describe_split(*split_store(many, DataConfig(split_file=str(file))))
    assert [case["name"] for case in described["validation"]["ct"]] == ["ct5", "ct6"]
    assert len(described["train"]["mr"]) == 7


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("mr5: validation\nct5: train", DataError, "p5 in training and validation"),
        ("nobody: validation", UsageError, "nobody not among"),
        ("p5: test", UsageError, "train or validation"),
        ("- p5", UsageError, "maps each patient"),
        ("p5: [", UsageError, "can't be read"),
        ("".join(f"p{n}: validation\n" for n in range(10)), DataError, "no MR to train on"),
    ],
)
def test_split_files_that_do_not_do(many: Store, tmp_path: Path, text: str, kind: type, words: str) -> None:
    file = tmp_path / "split.yaml"
    file.write_text(text)
    with pytest.raises(kind, match=words):
        split_store(many, DataConfig(split_file=str(file)))


def test_a_missing_file(many: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        split_store(many, DataConfig(split_file=str(tmp_path / "nothing")))


def test_a_name_that_all_have_names_nobody(many: Store, caplog) -> None:
    def anonymous(cases: tuple[StoredCase, ...]) -> tuple[StoredCase, ...]:
        return tuple(replace(case, record=replace(case.record, patient="ANON")) for case in cases)

    nameless = replace(many, mr=anonymous(many.mr), ct=anonymous(many.ct))
    train, validation = split_store(nameless, DataConfig(validation_fraction=0.25))
    assert len(patients(validation)) == len(validation.mr) + len(validation.ct) == 5
    assert not patients(train) & patients(validation)
    assert "all MR have the patient ID 'ANON'" in caplog.text
    assert "all CT have the patient ID 'ANON'" in caplog.text
    caplog.clear()
    split_store(many, DataConfig(validation_fraction=0.25))
    assert not caplog.text


def test_identifiers_are_no_numbers(many: Store, tmp_path: Path) -> None:
    def named(cases: tuple[StoredCase, ...]) -> tuple[StoredCase, ...]:
        names = ["008", "010", "8", "10", "1_1", "11", "0012", "7", "6", "5"]
        records = (replace(case.record, patient=name) for case, name in zip(cases, names, strict=True))
        return tuple(replace(case, record=record) for case, record in zip(cases, records, strict=True))

    numbered = replace(many, mr=named(many.mr), ct=named(many.ct))
    path = tmp_path / "split.yaml"
    path.write_text("010: validation\n1_1: validation\n0012: validation\n")
    _, validation = split_store(numbered, DataConfig(split_file=str(path)))
    assert patients(validation) == {"010", "1_1", "0012"}


def test_the_order_is_not_that_of_the_names(many: Store) -> None:
    held_out = [patients(split_store(many, DataConfig(folds=7, fold=fold))[1]) for fold in range(7)]
    in_order = sorted(patients(many), key=lambda name: int(name[1:]))
    assert held_out != [set(in_order[fold::7]) for fold in range(7)]
    assert held_out != [set(sorted(in_order)[fold::7]) for fold in range(7)]


def test_a_modality_of_one_placeholder_is_told_apart(many: Store, caplog) -> None:
    mr = tuple(replace(case, record=replace(case.record, patient="ANON_MR")) for case in many.mr)
    ct = tuple(replace(case, record=replace(case.record, patient="ANON_CT")) for case in many.ct)
    _, validation = split_store(replace(many, mr=mr, ct=ct), DataConfig(validation_fraction=0.25))
    assert len(validation.mr) + len(validation.ct) == 5
    assert "all MR have the patient ID 'ANON_MR'" in caplog.text
    caplog.clear()
    one_scanned_often = tuple(replace(case, record=replace(case.record, patient="p4")) for case in many.mr)
    split_store(replace(many, mr=one_scanned_often), DataConfig())  # known among the CT: a name, no placeholder
    assert not caplog.text


def of(store: Store, mr: int, ct: int) -> Store:
    """So many MR and CT, each of a patient of its own."""

    def cases(kind: str, count: int) -> tuple[StoredCase, ...]:
        template = getattr(store, kind)[0].record
        names = [f"{kind}{n}" for n in range(count)]
        return tuple(StoredCase(Path(kind, n), replace(template, name=n, patient=n, modality=kind)) for n in names)

    return replace(store, mr=cases("mr", mr), ct=cases("ct", ct))


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("counts", [(4, 1), (1, 4), (40, 3), (3, 3), (12, 8), (2, 1)])
def test_every_modality_is_held_out_and_none_is_emptied(store: Store, counts, fraction: float) -> None:
    train, validation = split_store(of(store, *counts), DataConfig(validation_fraction=fraction))
    for kind, count in zip(("mr", "ct"), counts, strict=True):
        left, out = len(train.both()[kind]), len(validation.both()[kind])
        assert left + out == count
        assert left >= 1
        assert out >= (1 if count >= 3 else 0)
        assert out <= max(1, round(fraction * count) + 1)


def test_a_cohort_too_small_to_hold_out_says_so_and_trains(store: Store, caplog) -> None:
    train, validation = split_store(of(store, 1, 1), DataConfig(validation_fraction=0.2))
    assert (len(train.mr), len(train.ct), len(validation.mr), len(validation.ct)) == (1, 1, 0, 0)
    assert "too few patients with MR to hold one out" in caplog.text


def test_folds_leave_something_of_each_modality(store: Store, caplog) -> None:
    for fold in range(3):
        train, _ = split_store(of(store, 5, 1), DataConfig(folds=3, fold=fold))
        assert train.ct
    assert "too few patients with CT to hold one out" in caplog.text
