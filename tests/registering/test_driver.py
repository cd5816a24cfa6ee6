"""MR and CT of the same patients onto one grid."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medcycle.body import body_mask
from medcycle.errors import DataError, InUse, UsageError
from medcycle.io import Source, read_volume, write_nifti
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.registering.driver import match_patients
from medcycle.registering.driver import register_cohort as register_with_a_model
from medcycle.registration import Registration, register_rigid
from medcycle.volume import Grid, Volume
from tests.io.test_locks import holding

FOUND: dict[tuple[bytes, ...], Registration] = {}

register_cohort = partial(register_with_a_model, model=None)

SHIFT = np.array([[1, 0, 0, 30], [0, 1, 0, -20], [0, 0, 1, 50], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, the CT of the second not his own."""
    folder = tmp_path_factory.mktemp("patients")
    grid = head_grid(spacing=(3, 3, 4))
    for number, scale in ((1, 1.0), (2, 1.2)):
        head = HeadPhantom.random(number)
        ct = head.ct(grid)
        affine = SHIFT @ ct.grid.affine @ np.diag([scale, scale, scale, 1])
        write_nifti(head.mr(grid), folder / "mr" / f"sub-{number}_T1w.nii.gz")
        write_nifti(Volume(ct.array, Grid(ct.grid.shape, affine)), folder / "ct" / f"sub-{number}_ct.nii.gz")
    return folder


def registered_once(fixed: Volume, moving: Volume, **modalities: Any) -> Registration:
    """As `register_rigid`, which takes seconds and gives the same every time."""
    key = tuple(part.tobytes() for volume in (fixed, moving) for part in (volume.array, volume.grid.affine))
    if key not in FOUND:
        FOUND[key] = register_rigid(fixed, moving, **modalities)
    return FOUND[key]


@pytest.fixture(autouse=True)
def each_pair_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcycle.registering.one_pair.register_rigid", registered_once)


@pytest.mark.slow
def test_trusted_pairs_are_written_and_others_refused(patients: Path, tmp_path, caplog) -> None:
    with pytest.raises(DataError, match="1 of 2 not registered, 1 written"):
        register_cohort(patients / "mr", patients / "ct", tmp_path / "out")
    assert "refused: sub-2_T1w: " in caplog.text
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["registration.json", "sub-1_T1w-ct-on-mr.nii.gz", "sub-1_T1w.png", "sub-2_T1w.png"]
    told = json.loads((tmp_path / "out" / "registration.json").read_text())
    assert told["sub-1_T1w"]["refused"] == ""
    np.testing.assert_allclose(np.array(told["sub-1_T1w"]["moving_to_fixed_ras_mm"])[:3, 3], -SHIFT[:3, 3], atol=3)
    made = read_volume(tmp_path / "out" / "sub-1_T1w-ct-on-mr.nii.gz")
    assert made.grid.is_close(read_volume(patients / "mr" / "sub-1_T1w.nii.gz").grid, 1e-3)
    truth = HeadPhantom.random(1).ct(head_grid(spacing=(3, 3, 4)))
    inside = body_mask(truth, "ct").array
    shifted = read_volume(patients / "ct" / "sub-1_ct.nii.gz").array
    assert (
        np.abs(made.array - truth.array)[inside].mean()
        < 60
        < np.abs(np.roll(shifted, 3, 1) - truth.array)[inside].mean()
    )


@pytest.mark.slow
def test_mr_onto_ct(patients: Path, tmp_path) -> None:
    mr, ct = patients / "mr" / "sub-1_T1w.nii.gz", patients / "ct" / "sub-1_ct.nii.gz"
    (written,) = register_cohort(mr, ct, tmp_path / "out", onto="ct")
    assert written.name == "sub-1_ct-mr-on-ct.nii.gz"
    assert read_volume(written).grid.is_close(read_volume(ct).grid, 1e-3)
    truth = read_volume(mr)  # on the same voxels before the shift
    inside = body_mask(truth, "mr").array
    assert np.corrcoef(read_volume(written).array[inside], truth.array[inside])[0, 1] > 0.9
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(UsageError, match="not empty"):
        register_cohort(mr, ct, tmp_path, onto="ct")


def sources(*names: str) -> list[Source]:
    return [Source(name, Path(f"{name}.nii.gz"), subject=name.split("_")[0]) for name in names]


def test_patients_are_matched(caplog) -> None:
    pairs, refused = match_patients(
        sources("sub-1_T1w", "sub-1_T2w", "sub-3_T1w"), sources("sub-1_ct", "sub-2_ct"), onto="mr"
    )
    assert [(fixed.name, moving.name) for fixed, moving in pairs] == [
        ("sub-1_T1w", "sub-1_ct"),
        ("sub-1_T2w", "sub-1_ct"),
    ]
    assert not refused
    assert "left out, since the other modality is missing: sub-3_T1w, sub-2_ct" in caplog.text
    with pytest.raises(UsageError, match="no patient"):
        match_patients(sources("a", "b"), sources("c"), onto="mr")


def test_several_counterparts_are_refused_and_others_go_on() -> None:
    pairs, refused = match_patients(
        sources("sub-1_T1w", "sub-1_T2w", "sub-2_T1w"), sources("sub-1_ct", "sub-2_ct"), onto="ct"
    )
    assert [fixed.name for fixed, _ in pairs] == ["sub-2_ct"]
    assert "several volumes" in refused["sub-1_ct"]


def test_one_of_each_is_a_pair_with_a_word_if_names_differ(caplog) -> None:
    match_patients(sources("sub-1_T1w"), sources("sub-1_ct"), onto="mr")
    match_patients([Source("a", Path("a.nii"))], sources("sub-1_ct"), onto="mr")
    assert not caplog.text
    pairs, _ = match_patients(sources("sub-1_T1w"), sources("sub-2_ct"), onto="mr")
    assert len(pairs) == 1
    assert "sub-1 and sub-2 are taken as one patient" in caplog.text


@pytest.mark.slow
def test_an_interrupted_call_is_gone_on_with(patients: Path, tmp_path, monkeypatch) -> None:
    calls = []

    def interrupted(*arguments: object, **names: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return registered_once(*arguments, **names)  # type: ignore[arg-type]

    monkeypatch.setattr("medcycle.registering.one_pair.register_rigid", interrupted)
    with pytest.raises(KeyboardInterrupt):
        register_cohort(patients / "mr", patients / "ct", tmp_path / "out")
    assert list(json.loads((tmp_path / "out" / "registration.json").read_text())) == ["sub-1_T1w"]
    with pytest.raises(DataError, match="1 of 2 not registered, 1 written"):
        register_cohort(patients / "mr", patients / "ct", tmp_path / "out")
    assert len(calls) == 3  # the first pair once, the second twice
    with pytest.raises(DataError, match="1 of 2 not registered, 1 written"):
        register_cohort(patients / "mr", patients / "ct", tmp_path / "out")
    assert len(calls) == 4  # what was refused is tried again


def test_killed_in_the_first_pair_it_can_be_called_again(patients: Path, tmp_path, monkeypatch) -> None:
    def killed(*_: object, **__: object) -> None:
        (tmp_path / "out" / ".partial-0123456789ab-sub-1_T1w.png").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("medcycle.registering.one_pair.register_rigid", killed)
        with pytest.raises(KeyboardInterrupt):
            register_cohort(patients / "mr", patients / "ct", tmp_path / "out")

    def failed(*_: object, **__: object) -> None:
        raise MemoryError("17 GiB")

    monkeypatch.setattr("medcycle.registering.one_pair.register_rigid", failed)
    with pytest.raises(DataError, match=r"2 of 2 not registered.*more memory than there is \(17 GiB\)"):
        register_cohort(patients / "mr", patients / "ct", tmp_path / "out")
    with holding(tmp_path / "out"), pytest.raises(InUse, match="in use by process"):
        register_cohort(patients / "mr", patients / "ct", tmp_path / "out")


@pytest.mark.slow
def test_other_scans_of_the_same_name_are_registered_anew(patients: Path, tmp_path) -> None:
    shutil.copytree(patients, tmp_path / "data")
    mr, ct = (tmp_path / "data" / kind / f"sub-1_{end}.nii.gz" for kind, end in (("mr", "T1w"), ("ct", "ct")))
    register_cohort(mr, ct, tmp_path / "out")
    before = (tmp_path / "out" / "registration.json").read_text()
    register_cohort(mr, ct, tmp_path / "out")
    assert (tmp_path / "out" / "registration.json").read_text() == before
    shutil.copy(patients / "ct" / "sub-2_ct.nii.gz", ct)
    with pytest.raises(DataError, match="1 of 1 not registered"):
        register_cohort(mr, ct, tmp_path / "out")
    assert not (tmp_path / "out" / "sub-1_T1w-ct-on-mr.nii.gz").exists()


@pytest.mark.slow
def test_an_unreadable_volume_does_not_stop_the_others(patients: Path, tmp_path) -> None:
    shutil.copytree(patients, tmp_path / "data")
    (tmp_path / "data" / "ct" / "sub-2_ct.nii.gz").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"1 written; sub-2_T1w: .*sub-2_ct"):
        register_cohort(tmp_path / "data" / "mr", tmp_path / "data" / "ct", tmp_path / "out")
    assert (tmp_path / "out" / "sub-1_T1w-ct-on-mr.nii.gz").is_file()
