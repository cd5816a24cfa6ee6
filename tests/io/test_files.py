"""Writing that leaves nothing half-done."""

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from medcycle.io.files import atomic_path, remove_torn, write_text


def test_a_whole_file_replaces_an_earlier_one(tmp_path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text() == "two"
    assert [item.name for item in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_earlier_one(tmp_path, error) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")

    def fail() -> None:
        with atomic_path(path) as temporary:
            assert temporary.suffix == ".txt"
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_processes_left_is_removed(tmp_path) -> None:
    for name in ("young", "old", "file"):
        with suppress(KeyboardInterrupt), atomic_path(tmp_path / name) as temporary:
            temporary.mkdir() if name != "file" else temporary.touch()
            kept = tmp_path / f"{name}-kept"
            temporary.rename(kept)  # so that it isn't removed, as after a kill
            raise KeyboardInterrupt
        kept.rename(temporary)
        if name != "young":
            os.utime(temporary, (0, 0))
    (tmp_path / ".partial-mine").touch()
    os.utime(tmp_path / ".partial-mine", (0, 0))
    remove_torn(tmp_path)
    assert sorted(path.name[-5:] for path in tmp_path.iterdir()) == ["-mine", "young"]
    remove_torn(tmp_path / "nowhere")


def test_folders_too(tmp_path) -> None:
    with atomic_path(tmp_path / "made") as temporary:
        temporary.mkdir()
        (temporary / "x").touch()
    assert (tmp_path / "made" / "x").exists()
    with pytest.raises(OSError, match="not empty"), atomic_path(tmp_path / "made") as temporary:  # noqa: PT012
        temporary.mkdir()
        (temporary / "y").touch()
    assert [item.name for item in tmp_path.iterdir()] == ["made"]


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch) -> None:
    synced: list[str] = []

    def sync(handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        synced.append(path.rsplit("-", 1)[-1])
        assert (tmp_path / "made").exists() == (path == str(tmp_path)), "the folder is synced last, the rest before"

    monkeypatch.setattr(os, "fsync", sync)
    with atomic_path(tmp_path / "made") as temporary:
        (temporary / "deep").mkdir(parents=True)
        (temporary / "deep" / "a").touch()
        (temporary / "b").touch()
    assert [name.rsplit("/", 1)[-1] for name in synced] == ["a", "deep", "b", "made", tmp_path.name]


@pytest.mark.parametrize(
    ("error", "number"),
    [(OSError("230400 requested and 30656 written"), errno.ENOSPC), (OSError(errno.EIO, "I/O error"), errno.EIO)],
)
def test_errors_name_the_file(tmp_path, monkeypatch, error: OSError, number: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "a.npy"))) as caught, atomic_path(tmp_path / "a.npy"):
        raise error
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "a.npy"))
    assert list(tmp_path.iterdir()) == []


def test_errors_in_a_folder_name_its_file_by_the_final_name(tmp_path) -> None:
    wanted = re.escape(str(tmp_path / "made" / "deep" / "a"))
    with pytest.raises(FileNotFoundError, match=wanted), atomic_path(tmp_path / "made") as temporary:
        (temporary / "deep" / "a").touch()


def test_a_sync_that_fails_leaves_nothing(tmp_path, monkeypatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "a.txt"))):
        write_text(tmp_path / "a.txt", "x")
    assert list(tmp_path.iterdir()) == []
