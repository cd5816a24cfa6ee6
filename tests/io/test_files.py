"""Writing that leaves nothing half-done."""

import pytest

from medcycle.io.files import atomic_path, write_text


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


def test_folders_too(tmp_path) -> None:
    with atomic_path(tmp_path / "made") as temporary:
        temporary.mkdir()
        (temporary / "x").touch()
    assert (tmp_path / "made" / "x").exists()
    with pytest.raises(OSError, match="not empty"), atomic_path(tmp_path / "made") as temporary:  # noqa: PT012
        temporary.mkdir()
        (temporary / "y").touch()
    assert [item.name for item in tmp_path.iterdir()] == ["made"]
