"""`medcycle node`: how it is called, and what it says of wrong calls."""

import builtins
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from medcycle.cli.main import execute
from medcycle.errors import InUse, UsageError
from medcycle.node import Allowed, Limits, NodeSettings, Peer, serve
from medcycle.node.node import threads_in_a_line
from medcycle.node.sender import Backoff
from tests.node.support import QUICK, Log, Node, running, settings

CALL = ["node", "--send-to", "PACS@127.0.0.1:104"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--send-to", "PACS@127.0.0.1"], "give AE@HOST:PORT"),
        (["--send-to", "PACS@127.0.0.1:70000"], "give AE@HOST:PORT"),
        (["--send-to", f"{'A' * 17}@127.0.0.1:104"], "not an AE title"),
        (["--ae-title", "A\\B"], "not an AE title"),
        (["--allow", "SCANNER"], "give AE@ADDRESS"),
        (["--allow", "SCANNER@scanner.example"], "give AE@ADDRESS"),
        (["--allow", "@127.0.0.1"], "not an AE title"),
        (["--bind", "localhost"], "give an IP address"),
        (["--model", "tail"], "tail"),
    ],
)
def test_a_wrong_call_is_an_error_in_a_line(arguments: list[str], said: str, tmp_path: Path, capfd) -> None:
    assert execute([*CALL, "--spool", str(tmp_path / "spool"), *arguments]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "spool").exists()


def test_without_pynetdicom_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(name: str, *given: Any) -> Any:
        if name.partition(".")[0] == "pynetdicom":
            raise ModuleNotFoundError(name)
        return load(name, *given)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'medcycle\[node\]'"):
        serve("head", NodeSettings(tmp_path, Peer("PACS", "127.0.0.1", 104)), say=print)


def test_addresses_are_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give a number of seconds"):
        settings(tmp_path, 1, quiet_time=float("nan"))
    assert Peer.parse("MY PACS@[::1]:104") == Peer("MY PACS", "::1", 104)
    assert Peer.parse("A@pacs.example.org:11112").host == "pacs.example.org"
    assert str(Allowed.parse("A B@192.0.2.0/24").network) == "192.0.2.0/24"


def test_a_port_that_is_taken_and_a_spool_that_is_used_are_errors(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        node = Node(settings(tmp_path / "one", 1, port=taken.getsockname()[1]), QUICK, Log())
        with pytest.raises(UsageError, match="give another --port"), node.running():
            pass
    with running(tmp_path / "two", 1), pytest.raises(InUse), running(tmp_path / "two", 1):
        pass


def test_pauses_grow_up_to_the_longest() -> None:
    backoff = Backoff(Limits().pause, Limits().longest_pause)
    waits = [backoff.failed(100.0) for _ in range(2000)]
    assert waits[:4] == [5, 10, 20, 40]
    assert max(waits) == waits[-1] == 600
    assert backoff.due == 700


def test_an_error_of_a_thread_is_a_line_without_what_it_quotes() -> None:
    log = Log()

    def fails() -> None:
        raise RuntimeError("Doe^Jane")

    with threads_in_a_line(log):
        thread = threading.Thread(target=fails)
        thread.start()
        thread.join()
    (line,) = log.lines
    assert "RuntimeError at test_command.py:" in line
    assert "Doe" not in line
