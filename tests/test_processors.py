"""Threads as there are processors, and no longer than others can bear."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medcycle.processors import (
    CHOSEN,
    SPIN_COUNT,
    SPIN_COUNT_BUSY,
    available_processors,
    computes_in_bf16,
    is_busy,
    share_processors,
)


@pytest.mark.parametrize(("text", "expected"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", None)])
def test_the_quota_of_a_container_counts(tmp_path: Path, text: str, expected: int | None) -> None:
    (tmp_path / "cpu.max").write_text(f"{text}\n")
    allowed = len(os.sched_getaffinity(0))
    assert available_processors(tmp_path) == min(allowed, expected or allowed)


def test_so_does_that_of_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    for name, value in (("quota", 90000), ("period", 100000)):
        (tmp_path / "cpu" / f"cpu.cfs_{name}_us").write_text(f"{value}\n")
    assert available_processors(tmp_path) == 1
    assert available_processors(tmp_path / "nothing") == len(os.sched_getaffinity(0))


def test_what_the_user_has_set_stays() -> None:
    given: dict[str, str] = {}
    share_processors(given)
    assert int(given["GOMP_SPINCOUNT"]) > 0
    for name in CHOSEN:
        chosen = {name: "7", "OMP_NUM_THREADS": "5"}
        share_processors(chosen)
        assert chosen == {name: "7", "OMP_NUM_THREADS": "5"}


def test_on_a_busy_machine_threads_sleep_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = (os.cpu_count() or 1) + 1
    for text, expected in {
        f"cpu 1 2 3\nprocs_running {many}\nprocs_blocked 0\n": True,
        "procs_running 1\n": False,
        "procs_running\n": False,
        "nothing": False,
    }.items():
        (tmp_path / "stat").write_text(text)
        assert is_busy(tmp_path / "stat") == expected
    assert not is_busy(tmp_path / "none")
    for busy, count in ((True, SPIN_COUNT_BUSY), (False, SPIN_COUNT)):
        monkeypatch.setattr("medcycle.processors.is_busy", lambda busy=busy: busy)
        given: dict[str, str] = {}
        share_processors(given)
        assert given["GOMP_SPINCOUNT"] == str(count)


def test_it_is_done_before_torch_is_loaded() -> None:
    """torch is imported by commands alone, so that the variables are there when it reads them."""
    code = (
        "import os, sys; from medcycle.cli import main; main.execute = lambda arguments: print("
        "'torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT')) or 0; main.run()"
    )
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split()[0] == "False"
    assert done.stdout.split()[1].isdecimal()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 sse\n", True),
        ("flags : fpu avx512f\nbugs : avx512_bf16\n", False),
        ("Features : fp asimd bf16\n", False),
    ],
)
def test_processors_that_compute_in_bf16_are_known_by_their_flags(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert computes_in_bf16(tmp_path / "cpuinfo") == expected
    assert not computes_in_bf16(tmp_path / "none")


def test_pytorch_says_the_same() -> None:
    torch = pytest.importorskip("torch")
    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    if ask is None:
        pytest.skip("this PyTorch doesn't tell")
    assert computes_in_bf16() == ask()
