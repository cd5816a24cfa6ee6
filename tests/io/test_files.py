"""Writing that leaves nothing half-done."""

import os
from contextlib import suppress

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
