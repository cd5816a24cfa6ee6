"""One process at a time, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medcycle.errors import InUse
from medcycle.io.locks import is_kept, keep, lock_file_of, locked, require_unlocked

HOLD = """
import sys, time
from pathlib import Path
from medcycle.io.locks import keep, locked
path = Path(sys.argv[2])
if sys.argv[1] == "keep":
    keep(path)
    print("held", flush=True)
    time.sleep(60)
with locked(path):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(path: Path, how: str = "lock") -> "subprocess.Popen[str]":
    """Another process that holds a lock until its input ends."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, how, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    return other


def test_the_second_is_told_who_is_first(tmp_path: Path) -> None:
    with holding(tmp_path / "run") as other:
        with (
            pytest.raises(InUse, match=f"run: in use by process {other.pid} of .* on .*, since 20"),
            locked(tmp_path / "run"),
        ):
            pytest.fail("both hold it")
        with locked(tmp_path / "other run"):
            pass
        other.communicate("")
    with locked(tmp_path / "run"):
        assert lock_file_of(tmp_path / "run").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with holding(tmp_path / "run") as other:
        other.send_signal(signal.SIGKILL)
    assert lock_file_of(tmp_path / "run").exists()
    require_unlocked(tmp_path / "run")
    with locked(tmp_path / "run"):
        pass


def test_one_who_waits_comes_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "store"
    with holding(path) as other:
        turn = threading.Timer(0.3, other.stdin.close)  # type: ignore[union-attr]
        turn.start()
        began = time.monotonic()
        with locked(path, wait=True):
            assert time.monotonic() - began > 0.3
    assert f"in use by process {other.pid}" in caplog.text


def test_threads_of_a_process_are_kept_apart(tmp_path: Path) -> None:
    with locked(tmp_path / "run"), pytest.raises(InUse, match="by this process"), locked(tmp_path / "run"):
        pytest.fail("both hold it")


def test_a_thread_waits_for_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "run", wait=True):
            order.append("second")

    other = threading.Thread(target=second)
    with locked(tmp_path / "run"):
        other.start()
        time.sleep(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert "another thread of this process" in caplog.text


def test_a_lock_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "run"):
        _ = 1 // 0
    with locked(tmp_path / "run"):
        pass


def test_what_the_lock_file_says_is_not_trusted(tmp_path: Path) -> None:
    lock_file_of(tmp_path / "run").write_bytes(b"\xff{" * 100)
    with locked(tmp_path / "run"):
        assert json.loads(lock_file_of(tmp_path / "run").read_text())["process"] == os.getpid()


def test_where_there_are_no_locks_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr("medcycle.io.locks.fcntl.lockf", refuse)
    with locked(tmp_path / "run"):
        pass
    assert "no locks" in caplog.text


def test_where_no_lock_file_may_be_made_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As beside a folder of one's own in one of others."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("medcycle.io.locks.os.open", refuse)
    with locked(tmp_path / "run"):
        pass
    assert "can't create a lock" in caplog.text


def test_readers_are_known_as_long_as_they_live(tmp_path: Path) -> None:
    assert not is_kept(tmp_path)
    with holding(tmp_path, "keep") as other:
        assert is_kept(tmp_path)
        other.kill()
    assert not is_kept(tmp_path)
    keep(tmp_path)
    keep(tmp_path)
    assert is_kept(tmp_path)
