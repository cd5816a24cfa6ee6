"""Lines of progress where there is no terminal: few, unless more are asked for."""

from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.progress import PACE, ProgressLine, quietly, remark


def lines(capfd, shares: list[float]) -> list[str]:
    with ProgressLine("working", 1) as progress:
        for share in shares:
            progress.reach(share, "case")
        progress.advance("case")
    return capfd.readouterr().err.splitlines()


@pytest.mark.parametrize("given", [None, "often"])
def test_a_line_in_a_while(monkeypatch: pytest.MonkeyPatch, capfd, given: str | None) -> None:
    if given:
        monkeypatch.setenv(PACE, given)
    told = lines(capfd, [0.1, 0.2, 0.5, 1, 1, 1])
    assert told == ["working 10 % case", "working 100 % case", "working 1/1 case"]


def test_more_of_them(monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    monkeypatch.setenv(PACE, "0")
    told = lines(capfd, [0.1, 0.2, 0.5])
    assert told == ["working 10 % case", "working 20 % case", "working 50 % case", "working 1/1 case"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that tests let pass."""
    now = [0.0]
    monkeypatch.setattr("medcycle.progress.time.monotonic", lambda: now[0])
    monkeypatch.setenv(PACE, "0")
    return now


def test_rate_and_time_left(clock: list[float], capfd) -> None:
    with ProgressLine("working", 100) as progress:
        for _ in range(4):
            clock[0] += 30
            progress.advance("case")
    assert capfd.readouterr().err.splitlines()[-1] == "working 4/100 case, 2 a minute, 48 min left"
    with ProgressLine("training", None) as progress:
        for share in (0.5, 0.6, 0.7):  # resumed in the middle
            progress.reach(share)
            clock[0] += 60
    assert capfd.readouterr().err.splitlines()[-1] == "training 70 % 3 min left"


def test_what_was_done_before_says_nothing_of_what_is_left(clock: list[float], capfd) -> None:
    with ProgressLine("working", 200) as progress:
        for _ in range(100):
            clock[0] += 0.001
            progress.advance("kept")
        for _ in range(10):
            clock[0] += 60
            progress.advance("new")
    assert capfd.readouterr().err.splitlines()[-1] == "working 110/200 new, 1 a minute, 1 h 30 min left"


def test_quiet(capfd) -> None:
    with quietly(), ProgressLine("working", 2) as progress:
        progress.advance("case")
        progress.say("a remark")
        remark("another")
    remark("heard")
    assert capfd.readouterr().err == "heard\n"


def test_a_single_volume_tells_how_far_it_is(
    cohort: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.setenv(PACE, "0")
    one, *_ = sorted((cohort / "mr").iterdir())
    assert execute(["synthesize", str(checkpoint), str(one), str(tmp_path / "one")]) == 0
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("synthesizing")]
    shares = [int(line.split()[1]) for line in told if " % " in line]
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert told[-1].startswith("synthesizing 1/1")
    assert execute(["synthesize", str(checkpoint), str(cohort / "mr"), str(tmp_path / "both")]) == 0
    assert " % " not in capfd.readouterr().err
