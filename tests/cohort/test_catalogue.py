"""Two folders into a store."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import cohort_key, find_cohort
from medcycle.cohort.for_training import open_scans, store_for_training
from medcycle.cohort.vetting import compare_regions
from medcycle.config import DataConfig
from medcycle.dataset.store import CaseRecord, Store, StoredCase, write_case
from medcycle.errors import DataError, EmptyFolder, UsageError, WorkerLost, WrongModality
from medcycle.io import read_volume, write_nifti
from medcycle.io.itk import to_itk
from medcycle.volume import Grid, Volume
from tests.forked import Forked
from tests.io.test_locks import holding

CONFIG = DataConfig(spacing=(4, 4, None), patch_size=(64, 64))


def times(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_unchanged_data_are_prepared_once(cohort: Path, tmp_path) -> None:
    data = tmp_path / "data"
    shutil.copytree(cohort, data)
    runs = tmp_path / "runs"
    first = store_for_training(CONFIG, find_cohort(data / "mr", data / "ct"), runs / "a")
    before = times(first.root)
    second = store_for_training(CONFIG, find_cohort(data / "mr", data / "ct"), runs / "b")
    assert second.root == first.root
    assert times(second.root) == before
    sampled = CONFIG.model_copy(update={"flip": False, "patch_size": (32, 32)})
    assert store_for_training(sampled, find_cohort(data / "mr", data / "ct"), runs / "c").root == first.root
    other = CONFIG.model_copy(update={"hu_window": (-1000.0, 1000.0)})
    assert cohort_key(find_cohort(data / "mr", data / "ct"), other) != first.key
    (data / "mr" / "mr000.nii.gz").unlink()
    third = store_for_training(CONFIG, find_cohort(data / "mr", data / "ct"), runs / "d")
    assert third.root == first.root
    assert len(third.mr) == len(first.mr) - 1
    shutil.copy(cohort / "mr" / "mr000.nii.gz", data / "mr" / "new.nii.gz")
    kept = times(first.root / "ct")
    fourth = store_for_training(CONFIG, find_cohort(data / "mr", data / "ct"), runs / "e")
    assert [case.record.name for case in fourth.mr] == ["mr001", "new"]
    assert times(first.root / "ct") == kept  # what is there is not prepared again


def test_a_changed_source_is_another_version(cohort: Path, tmp_path) -> None:
    """Beside the one that a training may be reading, which goes when none does."""
    data, root = tmp_path / "data", tmp_path / "store"
    shutil.copytree(cohort, data)
    before = prepare_cohort(find_cohort(data / "mr", data / "ct"), root, CONFIG)
    shutil.copy(data / "mr" / "mr001.nii.gz", data / "mr" / "mr000.nii.gz")
    (data / "mr" / "mr001.nii.gz").unlink()
    with reading(root):
        after = prepare_cohort(find_cohort(data / "mr", data / "ct"), root, CONFIG)
        (old, _), (new,) = before.mr, after.mr
        assert (old.record.name, new.record.name) == ("mr000", "mr000")
        assert new.folder.name == f"mr000@{new.record.key}"
        assert not np.array_equal(old.image, new.image)  # both can be read, the old one only now
    again = prepare_cohort(find_cohort(data / "mr", data / "ct"), root, CONFIG)
    assert again.mr[0].folder == new.folder
    (data / "mr" / "new.nii.gz").write_bytes((data / "mr" / "mr000.nii.gz").read_bytes())
    prepare_cohort(find_cohort(data / "mr", data / "ct"), root, CONFIG)
    assert not old.folder.exists()
    assert new.folder.exists()


def test_two_preparations_make_one_store(cohort: Path, store: Store, tmp_path: Path) -> None:
    root = tmp_path / "store"
    with holding(root) as other:
        threading.Timer(0.5, other.stdin.close).start()  # type: ignore[union-attr]
        began = time.monotonic()
        made = prepare_cohort(find_cohort(cohort / "mr", cohort / "ct"), root, CONFIG)
        assert time.monotonic() - began > 0.5
    assert [case.record.voxels for case in made.mr] == [case.record.voxels for case in store.mr]


@contextmanager
def reading(root: Path) -> Iterator[None]:
    """While another process reads a store."""
    with holding(root, "keep") as other:
        yield
        other.kill()


def test_stored_arrays_are_slices_on_disk(store: Store) -> None:
    case = store.mr[0]
    assert isinstance(case.image, np.memmap)
    assert case.image[:, :, 5].flags.f_contiguous
    assert not case.image.flags.writeable
    assert case.image.dtype == np.float16
    assert (case.image[~case.body] == -1).all()
    fractions = case.body.mean(axis=(0, 1))
    np.testing.assert_allclose(case.record.body_fraction, fractions, atol=1e-4)
    assert len(case.record.sha256) == 64


def test_sound_volumes_are_used_and_others_named(cohort: Path, tmp_path, caplog) -> None:
    shutil.copytree(cohort, tmp_path / "data")
    mr, ct = tmp_path / "data" / "mr", tmp_path / "data" / "ct"
    (mr / "text.nii.gz").write_text("not a volume")
    shutil.copy(ct / "ct000.nii.gz", mr / "misplaced.nii.gz")
    made = prepare_cohort(find_cohort(mr, ct), tmp_path / "store", CONFIG)
    assert [case.record.name for case in made.mr] == ["mr000", "mr001"]
    refused = "\n".join(record.getMessage() for record in caplog.records)
    assert "text.nii.gz" in refused
    assert "misplaced.nii.gz" in refused


def test_swapped_folders_are_refused_and_leave_nothing(cohort: Path, tmp_path) -> None:
    with pytest.raises(WrongModality, match="swapped"):
        prepare_cohort(find_cohort(cohort / "ct", cohort / "mr"), tmp_path / "store", CONFIG)
    assert not (tmp_path / "store").exists()


def test_folders_that_hold_nothing(cohort: Path, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptyFolder, match="empty"):
        find_cohort(tmp_path / "empty", cohort / "ct")
    with pytest.raises(UsageError, match="nowhere"):
        find_cohort(cohort / "mr", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="both"):
        find_cohort(cohort / "mr", cohort / "mr")


def test_other_peoples_folders_are_not_touched(cohort: Path, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(UsageError, match="not empty"):
        prepare_cohort(find_cohort(cohort / "mr", cohort / "ct"), tmp_path, CONFIG)
    assert (tmp_path / "thesis.txt").read_text() == "three years of work"


def test_scans_laid_out_like_a_store_are_not_touched(cohort: Path, tmp_path) -> None:
    for name in ("mr", "ct"):
        shutil.copytree(cohort / name, tmp_path / name)
    before = times(tmp_path)
    with pytest.raises(UsageError, match="not empty"):
        prepare_cohort(find_cohort(tmp_path / "mr", tmp_path / "ct"), tmp_path, CONFIG)
    assert times(tmp_path) == before


def test_a_store_of_other_settings_is_not_touched(cohort: Path, store: Store) -> None:
    before = times(store.root)
    with pytest.raises(UsageError, match="other settings"):
        prepare_cohort(find_cohort(cohort / "mr", cohort / "ct"), store.root, DataConfig(spacing=(5, 5, None)))
    assert times(store.root) == before


def test_an_interrupted_preparation_is_done_again(cohort: Path, tmp_path, monkeypatch) -> None:
    sources = find_cohort(cohort / "mr", cohort / "ct")
    prepared = []

    def interrupted(*arguments: object, **names: object) -> None:
        prepared.append(names["name"])
        if len(prepared) == 3:
            raise KeyboardInterrupt
        write_case(*arguments, **names)

    monkeypatch.setattr("medcycle.cohort.one_case.write_case", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_cohort(sources, tmp_path / "store", CONFIG)
    assert not (tmp_path / "store" / "store.json").exists()
    monkeypatch.undo()
    made = prepare_cohort(sources, tmp_path / "store", CONFIG)
    assert (len(made.mr), len(made.ct)) == (2, 2)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["ct", "mr", "split.json", "store.json"]


def test_stores_that_are_none(store: Store, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"store\.json"):
        Store.open(tmp_path)
    shutil.copytree(store.root, tmp_path / "store")
    (tmp_path / "store" / "mr" / "mr000" / "case.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        Store.open(tmp_path / "store")
    with pytest.raises(UsageError, match=r"data\.spacing is"):
        store_for_training(DataConfig(), store, tmp_path)
    with pytest.raises(UsageError, match="--store"):
        open_scans(store.root, tmp_path, tmp_path, resample_irregular=False)
    with pytest.raises(UsageError, match="no data"):
        open_scans(None, tmp_path, None, resample_irregular=False)


def test_a_volume_that_is_there_twice_is_used_once(cohort: Path, tmp_path, caplog) -> None:
    shutil.copytree(cohort, tmp_path / "data")
    mr, ct = tmp_path / "data" / "mr", tmp_path / "data" / "ct"
    shutil.copy(mr / "mr001.nii.gz", mr / "also.nii.gz")
    sitk.WriteImage(to_itk(read_volume(ct / "ct000.nii.gz")), ct / "zz.mha")
    made = prepare_cohort(find_cohort(mr, ct), tmp_path / "store", CONFIG)
    assert [case.record.name for case in made.mr] == ["also", "mr000"]
    assert [case.record.name for case in made.ct] == ["ct000", "ct001"]
    assert "MR mr001 is a duplicate of also" in caplog.text
    assert "CT zz is a duplicate of ct000" in caplog.text


def test_volumes_that_training_cannot_use(cohort: Path, tmp_path, caplog) -> None:
    shutil.copytree(cohort, tmp_path / "data")
    mr, ct = tmp_path / "data" / "mr", tmp_path / "data" / "ct"
    whole = read_volume(mr / "mr000.nii.gz")
    few = Volume(whole.array[:, :, :3], Grid((*whole.grid.shape[:2], 3), whole.grid.affine))
    tiny, small = (
        Volume(whole.array, Grid(whole.grid.shape, whole.grid.affine @ np.diag([part, part, part, 1])))
        for part in (0.01, 0.05)
    )
    mask = whole.with_array(whole.array > 300)
    for name, volume in (("few", few), ("tiny", tiny), ("small", small), ("mask", mask)):
        write_nifti(volume, mr / f"{name}.nii.gz")
    assert len(prepare_cohort(find_cohort(mr, ct), tmp_path / "store", CONFIG).mr) == 2
    for words in (
        "few.nii.gz: 3 slices, but",
        "tiny.nii.gz: voxels of 0.04×0.04×0.05 mm",
        "small.nii.gz: a whole body in a field of view of",
        "mask.nii.gz: only 2 different values: a mask",
    ):
        assert words in caplog.text


def test_bodies_of_other_regions_are_warned_of(cohort: Path, store: Store, tmp_path, caplog) -> None:
    assert compare_regions(store) == ""
    shutil.copytree(cohort, tmp_path / "data")
    for path in (tmp_path / "data" / "ct").iterdir():
        volume = read_volume(path)
        write_nifti(Volume(volume.array, Grid(volume.grid.shape, volume.grid.affine @ np.diag([1.6, 1.6, 1, 1]))), path)
    prepare_cohort(find_cohort(tmp_path / "data" / "mr", tmp_path / "data" / "ct"), tmp_path / "store", CONFIG)
    assert "of the same region?" in caplog.text


def test_the_split_is_recorded(cohort: Path, tmp_path) -> None:
    sources = find_cohort(cohort / "mr", cohort / "ct")
    halved = CONFIG.model_copy(update={"validation_fraction": 0.25})
    made = prepare_cohort(sources, tmp_path / "store", halved)
    split = json.loads((tmp_path / "store" / "split.json").read_text())
    assert len(split["validation"]["mr"] + split["validation"]["ct"]) == 1
    prepare_cohort(sources, tmp_path / "store", CONFIG)  # sampled otherwise: the arrays stay, the record changes
    assert json.loads((made.root / "split.json").read_text())["validation"] == {"mr": [], "ct": []}


@pytest.mark.slow
def test_processes_prepare_the_same(cohort: Path, store: Store, tmp_path) -> None:
    made = prepare_cohort(find_cohort(cohort / "mr", cohort / "ct"), tmp_path / "store", CONFIG, workers=2)
    for one, other in zip((*store.mr, *store.ct), (*made.mr, *made.ct), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert one.record.voxels == other.record.voxels


@pytest.mark.slow
def test_mr_of_a_cohort_get_one_scale(cohort: Path, tmp_path) -> None:
    shutil.copytree(cohort, tmp_path / "data")
    mr, ct = tmp_path / "data" / "mr", tmp_path / "data" / "ct"
    one = read_volume(mr / "mr000.nii.gz")
    write_nifti(one.with_array(np.sqrt(np.maximum(one.array, 0))), mr / "mr000.nii.gz")  # washed out
    config = CONFIG.model_copy(update={"mr_normalisation": "nyul"})
    (mr / "text.nii.gz").write_text("not a volume")
    made = prepare_cohort(find_cohort(mr, ct), tmp_path / "store", config)
    standard = json.loads((made.root / "standard.json").read_text())
    for case in made.mr:
        assert case.record.intensity["mapped"] == standard
        deciles = np.percentile(case.image[case.body].astype(np.float32), range(10, 100, 10))
        np.testing.assert_allclose(deciles, standard[1:-1], atol=5e-3)

    shutil.copy(cohort / "mr" / "mr000.nii.gz", mr / "later.nii.gz")
    kept = times(made.root / "mr" / "mr000")
    later = prepare_cohort(find_cohort(mr, ct), made.root, config)
    assert len(later.mr) == 3
    assert times(made.root / "mr" / "mr000") == kept  # the scale was learned once
    (made.root / "standard.json").write_text("[1, 0]")
    (mr / "later.nii.gz").unlink()
    with pytest.raises(DataError, match="damaged"):
        prepare_cohort(find_cohort(mr, ct), made.root, config)


def test_no_mr_to_learn_a_scale_from(cohort: Path, tmp_path) -> None:
    config = CONFIG.model_copy(update={"mr_normalisation": "nyul"})
    with pytest.raises(WrongModality, match="swapped"):
        prepare_cohort(find_cohort(cohort / "ct", cohort / "mr"), tmp_path / "store", config)
    assert not (tmp_path / "store").exists()


def _prepared(mr: Path, ct: Path, root: Path) -> None:
    prepare_cohort(find_cohort(mr, ct), root, CONFIG, workers=2)


@pytest.mark.slow
def test_killed_at_any_moment_it_can_go_on(cohort: Path, store: Store, tmp_path) -> None:
    root = tmp_path / "store"
    printed = tmp_path / "printed"
    random = np.random.default_rng(0)
    killed = 0
    for turn in range(2):
        there = list(os.walk(root))
        process = Forked(_prepared, cohort / "mr", cohort / "ct", root, output=printed)
        while process.runs and list(os.walk(root)) == there:
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.6 * (turn + 1)))  # the first ones soon, so that no machine is too fast
        killed += process.kill() == -signal.SIGKILL
        for folder in (*root.glob("mr/[!.]*"), *root.glob("ct/[!.]*")):
            case = StoredCase(folder, CaseRecord(**json.loads((folder / "case.json").read_text())))
            assert case.image.shape == case.body.shape == tuple(case.record.shape)
        if (root / "store.json").exists():
            break
    assert killed > 1
    assert Forked(_prepared, cohort / "mr", cohort / "ct", root, output=printed).ended(120) == 0, printed.read_text()
    made = Store.open(root)
    for one, other in zip((*store.mr, *store.ct), (*made.mr, *made.ct), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    assert not list(root.rglob(".partial-*"))


def test_a_store_whose_growing_was_interrupted_is_not_trained_on(
    cohort: Path, store: Store, tmp_path, monkeypatch
) -> None:
    shutil.copytree(cohort, tmp_path / "data")
    mr, ct = tmp_path / "data" / "mr", tmp_path / "data" / "ct"
    root = prepare_cohort(find_cohort(mr, ct), tmp_path / "store", CONFIG).root
    one = read_volume(mr / "mr000.nii.gz")
    write_nifti(one.with_array(one.array[::-1]), mr / "mr000.nii.gz")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medcycle.cohort.one_case.read_case", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_cohort(find_cohort(mr, ct), root, CONFIG)
    assert len(Store.open(root).mr) == 2  # nothing was changed yet
    monkeypatch.undo()
    monkeypatch.setattr("medcycle.cohort.one_case.write_case", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_cohort(find_cohort(mr, ct), root, CONFIG)
    with pytest.raises(UsageError, match="interrupted"):
        Store.open(root)
    monkeypatch.undo()
    made = prepare_cohort(find_cohort(mr, ct), root, CONFIG)
    assert made.mr[0].record.voxels != store.mr[0].record.voxels
    assert Store.open(root).key == made.key


@pytest.mark.slow
def test_a_scale_that_was_not_used_is_learned_again(cohort: Path, tmp_path, monkeypatch) -> None:
    sources = find_cohort(cohort / "mr", cohort / "ct")
    nyul = CONFIG.model_copy(update={"mr_normalisation": "nyul"})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medcycle.cohort.catalogue._prepare_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_cohort(sources, tmp_path / "store", nyul.model_copy(update={"mr_percentile": 60}))
    stale = json.loads((tmp_path / "store" / "standard.json").read_text())
    monkeypatch.undo()
    made = prepare_cohort(sources, tmp_path / "store", nyul)
    assert made.mr[0].record.intensity["mapped"] != stale


def test_an_empty_folder_of_the_user_stays(cohort: Path, tmp_path) -> None:
    (tmp_path / "store").mkdir()
    with pytest.raises(WrongModality):
        prepare_cohort(find_cohort(cohort / "ct", cohort / "mr"), tmp_path / "store", CONFIG)
    assert list(tmp_path.iterdir()) == [tmp_path / "store"]
    assert not list((tmp_path / "store").iterdir())


def test_a_wrong_split_is_said_before_or_without_stopping(cohort: Path, tmp_path, caplog) -> None:
    sources = find_cohort(cohort / "mr", cohort / "ct")
    with pytest.raises(UsageError, match="split file"):
        prepare_cohort(sources, tmp_path / "store", CONFIG.model_copy(update={"split_file": str(tmp_path / "none")}))
    assert not (tmp_path / "store").exists()
    (tmp_path / "all.yaml").write_text("mr000: validation\nmr001: validation\n")
    held_out = CONFIG.model_copy(update={"split_file": str(tmp_path / "all.yaml")})
    made = prepare_cohort(sources, tmp_path / "store", held_out)
    assert len(made.mr) == 2
    assert "no split yet" in caplog.text


def test_a_lost_process_loses_no_work(cohort: Path, tmp_path, monkeypatch) -> None:
    def lost(*_: object) -> None:
        raise WorkerLost("a process was ended from outside")

    sources = find_cohort(cohort / "mr", cohort / "ct")
    monkeypatch.setattr("medcycle.cohort.catalogue._without_duplicates", lost)
    with pytest.raises(WorkerLost):
        prepare_cohort(sources, tmp_path / "store", CONFIG)
    monkeypatch.undo()
    kept = times(tmp_path / "store" / "mr")
    assert len(kept) == 6
    prepare_cohort(sources, tmp_path / "store", CONFIG)
    assert times(tmp_path / "store" / "mr") == kept
