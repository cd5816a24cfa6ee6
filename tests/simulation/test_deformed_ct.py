"""CT in the shape of others."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medcycle.config import DataConfig
from medcycle.dataset.preparation import Prepared, prepare_volume
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import RegistrationFailed
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.resample import resample_mask, resample_to
from medcycle.simulation import deformed_ct
from medcycle.simulation.deformed_ct import deformed, with_deformed_ct
from medcycle.volume import Volume

CONFIG = DataConfig(spacing=(3.0, 3.0, None), patch_size=(64, 64))
GRID = head_grid(spacing=(3.0, 3.0, 4.0))


def head(seed: int) -> Prepared:
    return prepare_volume(HeadPhantom.random(seed).ct(GRID), "ct", CONFIG)


@pytest.fixture(scope="module")
def two() -> tuple[Prepared, Prepared]:
    return head(3), head(8)


@pytest.fixture
def no_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deformed CT are the other head itself: for tests of what becomes of them, registration takes too long."""
    monkeypatch.setattr(deformed_ct, "deformed", lambda _, fixed: fixed)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def units(one: Prepared) -> np.ndarray:
    return one.intensity.inverse(one.image.array)


@pytest.mark.slow
def test_a_deformed_ct_has_the_shape_of_the_other(two: tuple[Prepared, Prepared]) -> None:
    moving, fixed = two
    made = deformed(moving, fixed)
    assert made.image.grid is fixed.image.grid
    as_it_was = resample_mask(moving.body, fixed.body.grid).array
    assert dice(made.body.array, fixed.body.array) > max(0.95, dice(as_it_was, fixed.body.array) + 0.03)
    plain = resample_to(moving.image, fixed.image.grid, background=-1.0).array
    before, after = (dice(moving.intensity.inverse(one) > 250, units(fixed) > 250) for one in (plain, made.image.array))
    assert after > before + 0.1


@pytest.mark.slow
def test_its_tissues_are_its_own(two: tuple[Prepared, Prepared]) -> None:
    """The moving head's soft tissue is 60 HU denser here, and the deformed CT's is, too."""
    moving, fixed = two
    found = units(moving)
    soft = moving.body.array & (found > 0) & (found < 100)
    denser = np.where(soft, found + 60, found)
    image = moving.image.with_array(moving.intensity.forward(denser).astype(np.float32))
    made = deformed(replace(moving, image=image), fixed)
    inner = made.body.array & (units(fixed) > 0) & (units(fixed) < 100)
    assert np.median(units(made)[inner]) == pytest.approx(np.median(denser[soft]), abs=10)
    assert np.median(units(fixed)[inner]) < np.median(denser[soft]) - 40
    assert (made.image.array[~made.body.array] == -1).all()
    assert np.abs(made.image.array).max() <= 1


@pytest.mark.slow
def test_beyond_its_own_field_of_view_there_is_nothing(two: tuple[Prepared, Prepared]) -> None:
    moving, fixed = two
    upper = moving.image.grid.shape[2] // 2
    part = [_upper(volume, upper) for volume in (moving.image, moving.body)]
    made = deformed(Prepared(*part, moving.intensity), fixed)
    filled, other = (one.body.array.any(axis=(0, 1)) for one in (made, fixed))
    assert filled[-8:].any()
    assert other[:8].any()
    assert not filled[:8].any()


def _upper(volume: Volume, first: int) -> Volume:
    affine = volume.grid.affine.copy()
    affine[:, 3] = affine @ [0, 0, first, 1]
    array = volume.array[:, :, first:]
    return Volume(array, replace(volume.grid, shape=array.shape, affine=affine))


def test_what_is_no_head_takes_no_heads_shape(two: tuple[Prepared, Prepared]) -> None:
    moving, _ = two
    flat = np.full(moving.image.grid.shape, -1, dtype=np.float32)
    flat[10:60, 20:28, 5:10] = 0
    board = Prepared(moving.image.with_array(flat), moving.body.with_array(flat > -1), moving.intensity)
    with pytest.raises(RegistrationFailed):
        deformed(moving, board)


@pytest.mark.slow
def test_each_ct_of_a_store_takes_the_shape_of_each_other_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replace(store, root=tmp_path)
    made = with_deformed_ct(mine, 30, tmp_path / "run")
    one, other = (case.record.name for case in store.ct)
    assert [case.record.patient for case in made.ct[2:]] == [f"{one} as {other}", f"{other} as {one}"]
    assert made.mr == store.mr
    for case, shape in zip(made.ct[2:], store.ct[::-1], strict=True):
        assert case.image.shape == shape.image.shape
        assert case.image.flags["F_CONTIGUOUS"]
        assert dice(np.asarray(case.body), np.asarray(shape.body)) > 0.9
        assert sum(case.record.detail) > 0
    monkeypatch.setattr(deformed_ct, "deformed", None)  # they are read, and not made again
    again = with_deformed_ct(mine, 30, tmp_path / "run")
    assert [case.folder for case in again.ct] == [case.folder for case in made.ct]
    assert with_deformed_ct(mine, 1, tmp_path / "run").ct == made.ct[:3]
    assert with_deformed_ct(mine, 0, tmp_path / "run") is mine


@pytest.mark.usefixtures("no_registration")
def test_a_store_that_must_not_change_is_left_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    made = with_deformed_ct(replace(store, root=tmp_path / "store"), 1, tmp_path / "run")
    assert made.ct[2].folder.is_relative_to(tmp_path / "run")
    assert not list((tmp_path / "store").iterdir())


@pytest.mark.usefixtures("no_registration")
def test_those_in_a_store_that_must_not_change_are_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replace(store, root=tmp_path / "store")
    made = with_deformed_ct(mine, 1, tmp_path / "run")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert with_deformed_ct(mine, 1, tmp_path / "run").ct[2].folder == made.ct[2].folder


def test_those_that_fail_are_left_out_and_named_and_not_tried_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def failing(moving: Prepared, fixed: Prepared) -> Prepared:
        tried.append(moving)
        raise RegistrationFailed("the deformation folds")

    monkeypatch.setattr(deformed_ct, "deformed", failing)
    mine = replace(store, root=tmp_path)
    for _ in range(2):
        caplog.clear()
        assert with_deformed_ct(mine, 2, tmp_path / "run").ct == store.ct
        assert "2 of 2 CT can't take the shape of another" in caplog.text
        assert "the deformation folds" in caplog.text
        assert "Do they show one region?" in caplog.text
    assert len(tried) == 2


def test_of_one_ct_alone_there_is_none(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = replace(store, root=tmp_path, ct=store.ct[:1])
    assert with_deformed_ct(one, 30, tmp_path / "run") is one
    assert "of one CT alone" in caplog.text
    caplog.clear()
    assert with_deformed_ct(one, 0, tmp_path / "run") is one
    assert not caplog.text


@pytest.mark.usefixtures("no_registration")
@pytest.mark.parametrize("file", ["image.npy", "case.json"])
def test_a_torn_deformed_ct_is_made_again(store: Store, tmp_path: Path, file: str) -> None:
    mine = replace(store, root=tmp_path)
    folder = with_deformed_ct(mine, 1, tmp_path / "run").ct[2].folder
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    again = with_deformed_ct(mine, 1, tmp_path / "run").ct[2]
    assert again.folder == folder
    assert again.image.shape == store.ct[1].image.shape


def test_what_killed_runs_left_is_removed_and_what_others_write_is_not(store: Store, tmp_path: Path) -> None:
    left, written = (tmp_path / "deformed" / "ct" / f".partial-{digit * 12}-deformed" for digit in "0a")
    for folder in (left, written):
        folder.mkdir(parents=True)
    os.utime(left, (0, 0))
    with_deformed_ct(replace(store, root=tmp_path), 0, tmp_path / "run")
    assert not left.exists()
    assert written.exists()


def test_two_runs_that_make_the_same_at_once_share_the_first(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, faster = replace(store, root=tmp_path), []

    def slow(_: Prepared, fixed: Prepared) -> Prepared:
        monkeypatch.setattr(deformed_ct, "deformed", lambda _, fixed: fixed)
        faster.append(with_deformed_ct(mine, 1, tmp_path / "other").ct[2])
        return fixed

    monkeypatch.setattr(deformed_ct, "deformed", slow)
    made = with_deformed_ct(mine, 1, tmp_path / "run").ct[2]
    assert made.folder == faster[0].folder
    assert made.record == faster[0].record
    assert not list(made.folder.parent.glob(".partial-*"))


def test_few_slices_are_said_to_be_too_few(two: tuple[Prepared, Prepared]) -> None:
    moving, fixed = two
    part = [_upper(volume, volume.grid.shape[2] - 2) for volume in (fixed.image, fixed.body)]
    with pytest.raises(RegistrationFailed, match="pixels"):
        deformed(moving, Prepared(*part, fixed.intensity))


@pytest.mark.slow
def test_a_head_that_fills_its_volume_finds_the_other(two: tuple[Prepared, Prepared]) -> None:
    """As many HU below zero as above, so that their mean can be no mass."""
    moving, fixed = two
    filled = [np.flatnonzero(moving.body.array.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    cut = (5, 5, 0)
    low = [axis[0] + lost for axis, lost in zip(filled, cut, strict=True)]
    part = tuple(slice(first, axis[-1] + 1 - lost) for first, axis, lost in zip(low, filled, cut, strict=True))
    affine = moving.image.grid.affine.copy()
    affine[:, 3] = affine @ [*low, 1]
    grid = replace(moving.image.grid, shape=moving.image.array[part].shape, affine=affine)
    tight = Prepared(*(Volume(one.array[part], grid) for one in (moving.image, moving.body)), moving.intensity)
    assert abs(np.clip(units(tight), -300, 1000).mean()) < 10
    deformed(tight, fixed)


def test_what_is_to_be_made_is_announced_and_shown(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With minutes extrapolated from the first one, which takes 24 s here."""
    now = [0.0]

    def slow(moving: Prepared, fixed: Prepared) -> Prepared:
        now[0] += 24
        return fixed

    monkeypatch.setattr(deformed_ct, "deformed", slow)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    six = replace(store, root=tmp_path, ct=tuple(numbered(case, number) for number in range(3) for case in store.ct))
    with_deformed_ct(six, 30, tmp_path / "run")
    said = capfd.readouterr().err.splitlines()
    assert said[0] == (
        "preparing: deforming 30 CT, about 12 minutes, before training's minutes begin; "
        "data.deformed_ct=0 leaves it out"
    )
    assert said[1].startswith("deforming CT 1/30 ")
    assert said[-1].startswith("deforming CT 30/30 ")
    with_deformed_ct(six, 30, tmp_path / "run")  # they are there
    assert capfd.readouterr().err == ""


def numbered(case: StoredCase, number: int) -> StoredCase:
    return replace(case, record=replace(case.record, key=f"{case.record.key} {number}"))
