"""Two at once, and processes that are killed."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import nibabel as nib
import numpy as np

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.config import load_config
from medcycle.dataset.store import Store
from medcycle.errors import InUse
from medcycle.io import read_volume, write_nifti
from medcycle.io.locks import KEEPERS, holder_of, lock_file_of
from medcycle.methods.checkpoint import LAST, read_checkpoint
from medcycle.parallel import parallel_map
from tests.attack import Scenario, Stage
from tests.attack.faults import COMMANDS, lay
from tests.attack.small import AS_OPTIONS, CASES, SETTINGS
from tests.forked import Forked, command

PATIENCE = 120
"""Seconds for a process to come to where it is wanted, on a busy machine."""

HOLDING = """
import fcntl, os, sys
stream = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o666)
fcntl.lockf(stream, int(sys.argv[2]) | fcntl.LOCK_NB)
print("there", flush=True)
sys.stdin.read()
"""
"""Holds a lock as medcycle's processes do."""

TRAIN = ("train", "demo", *AS_OPTIONS, "--set=training.accelerator=cpu", "--set=training.log_every=1")


def at_once() -> Iterator[Scenario]:
    """Of threads, of locks that others hold, and of locks that are nobody's."""
    yield Scenario("a source changes while the store is read", _source_changes)
    yield Scenario("a store that another process reads keeps what it had", _kept_by_another)
    yield Scenario("two threads prepare one store", _two_threads)
    for name in ("prepare", "register", "synthesize"):
        for what, content in {"empty": b"", "garbage": b"\xff{" * 99, "escapes": b'{"host": "\x1b[2J"}'}.items():
            yield Scenario(f"{name} beside a lock that is nobody's, {what}", _stale(name, content), what != "garbage")
    yield Scenario("register where another process registers", _held("register"))
    yield Scenario("train where another process trains", _train_is_held)
    yield Scenario("prepare waits for another process", _waits("prepare", "out"))
    yield Scenario("synthesize waits for another process", _waits("synthesize", "out/c1"))
    yield Scenario("a folder for a lock", _folder_for_a_lock)


def of_processes() -> Iterator[Scenario]:
    """Of whole programs, two at once or killed."""
    for name, play in {
        "two trainings in one output": _two_trainings,
        "two syntheses into one output": _two_syntheses,
        "a training killed before its first checkpoint": _training_killed,
        "workers that load data end with their parent": _loaders_end,
        "workers of a map end with their parent": _mappers_end,
    }.items():
        yield Scenario(name, play, slow=True)
    for name, place in {
        "register": "medcycle.registering.one_pair._opinions",
        "evaluate": "medcycle.evaluation.scoring.scores_of",
        "synthesize": "medcycle.synthesis.runner.predicted",
        "prepare": "medcycle.cohort.one_case.prepare_volume",
        "inspect": "medcycle.cohort.findings.vet",
    }.items():
        number = 2 if name == "register" else 1
        yield Scenario(f"{name} killed in its case {number}", _killed(name, place, number), slow=True)


def _source_changes(stage: Stage) -> None:
    lay(stage)
    config = load_config("demo", SETTINGS).data
    before = prepare_cohort(find_cohort(stage.folder / "mr", stage.folder / "ct"), stage.folder / "out", config)
    was, bodies = [case.image.copy() for case in before.mr], [case.body.copy() for case in before.mr]
    _turn(stage.folder / "mr" / "c1.nii")
    assert stage.call(*COMMANDS["prepare"].call(stage.folder))[0] == 0
    after = Store.open(stage.folder / "out")
    for case, image, body in zip(before.mr, was, bodies, strict=True):
        np.testing.assert_array_equal(case.image, image)
        np.testing.assert_array_equal(case.body, body)
    assert [one.folder.name for one in after.mr] != [one.folder.name for one in before.mr]
    assert not np.array_equal(after.mr[1].image, was[1])


def _kept_by_another(stage: Stage) -> None:
    lay(stage)
    assert stage.call(*COMMANDS["prepare"].call(stage.folder))[0] == 0
    first = {path.name for path in (stage.folder / "out" / "mr").iterdir()}
    with _holding(stage.folder / "out" / KEEPERS, shared=True):
        _turn(stage.folder / "mr" / "c1.nii")
        assert stage.call(*COMMANDS["prepare"].call(stage.folder))[0] == 0
        assert first < {path.name for path in (stage.folder / "out" / "mr").iterdir()}
    _turn(stage.folder / "mr" / "c2.nii")
    assert stage.call(*COMMANDS["prepare"].call(stage.folder))[0] == 0
    assert len(list((stage.folder / "out" / "mr").iterdir())) == 3


def _turn(path: Path) -> None:
    volume = read_volume(path)
    write_nifti(volume.with_array(volume.array[::-1].copy()), path)


def _two_threads(stage: Stage) -> None:
    lay(stage)
    config = load_config("demo", SETTINGS).data
    cohort, ended = find_cohort(stage.folder / "mr", stage.folder / "ct"), []

    def prepare() -> None:
        try:
            ended.append(len(prepare_cohort(cohort, stage.folder / "out", config, workers=1).mr))
        except InUse:
            ended.append(0)

    threads = [threading.Thread(target=prepare) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) in ([0, 3], [3, 3])
    assert len(Store.open(stage.folder / "out").mr) == 3


def _stale(name: str, content: bytes) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        lock_file_of(stage.folder / "out").write_bytes(content)
        status, printed = stage.call(*COMMANDS[name].call(stage.folder))
        assert status == 0, printed
        assert COMMANDS[name].done(stage.folder) == set(CASES)

    return play


def _held(name: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        with _holding(lock_file_of(stage.folder / "out")):
            status, printed = stage.call(*COMMANDS[name].call(stage.folder))
        assert status == 1, printed
        assert "out: in use by" in printed
        assert not (stage.folder / "out").exists()
        assert stage.call(*COMMANDS[name].call(stage.folder))[0] == 0

    return play


def _train_is_held(stage: Stage) -> None:
    lay(stage)
    assert stage.call(*COMMANDS["prepare"].call(stage.folder))[0] == 0
    call = (*TRAIN, "--store", stage.folder / "out", "--output", stage.folder / "run", "--set=training.max_steps=1")
    with _holding(lock_file_of(stage.folder / "run")):
        status, printed = stage.call(*call)
    assert status == 1, printed
    assert "run: in use by" in printed
    assert not (stage.folder / "run").exists()


def _waits(name: str, place: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        with _holding(lock_file_of(stage.folder / place)) as other:
            asked: list[str] = []

            def holder(path: Path) -> str:
                assert other.stdin
                other.stdin.close()  # so that it ends now
                asked.append(holder_of(path))
                return asked[-1]

            stage.patch.setattr("medcycle.io.locks.holder_of", holder)
            status, printed = stage.call(*COMMANDS[name].call(stage.folder))
            assert status == 0, printed
            assert "waiting for it to end" in printed
            assert asked
        assert COMMANDS[name].done(stage.folder) == set(CASES)

    return play


def _folder_for_a_lock(stage: Stage) -> None:
    lay(stage)
    lock_file_of(stage.folder / "out").mkdir()
    status, printed = stage.call(*COMMANDS["register"].call(stage.folder))
    assert status in (1, 2), printed
    assert ".out.lock" in printed


@contextmanager
def _holding(file: Path, *, shared: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock until its input ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    call = [sys.executable, "-S", "-c", HOLDING, str(file), str(kind)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdin
        try:
            assert other.stdout.readline() == "there\n"
            yield other
        finally:
            other.kill()
            other.wait()


def _started(stage: Stage, work: Callable[..., int | None], *given: object) -> Forked:
    return Forked(work, *given, output=stage.folder / f"printed{len(list(stage.folder.glob('printed*')))}")


def _command(stage: Stage, words: Sequence[object]) -> Forked:
    return _started(stage, command, [str(word) for word in words])


def _ended(one: Forked) -> tuple[int, str]:
    """Its exit status, and what it printed."""
    status = one.ended(PATIENCE)
    assert "Traceback" not in one.printed, one.printed
    return status, one.printed


def _stopping(place: str, number: int, there: Path, words: list[str]) -> int:
    """Runs a command up to the so-manieth call of a function, makes a file there, and waits."""
    module, calls = import_module(place.rpartition(".")[0]), []
    name = place.rpartition(".")[2]
    work = getattr(module, name)

    def stopping(*given: object, **named: object) -> object:
        calls.append(1)
        if len(calls) >= number:
            there.touch()
            time.sleep(600)
        return work(*given, **named)

    setattr(module, name, stopping)
    return command(words)


def _mapping() -> None:
    """Two processes that have nothing to do for long."""
    list(parallel_map(time.sleep, [600] * 8, 2, killed=print))


def _killed_there(stage: Stage, place: str, number: int, words: Sequence[object]) -> list[int]:
    """Kills a command in the so-manieth call of a function; the processes that it had started."""
    there = stage.folder / "there"
    one = _started(stage, _stopping, place, number, there, [str(word) for word in words])
    _wait_for(there.exists, one)
    children = _children(one.pid)
    assert one.kill() == -signal.SIGKILL
    return children


def _wait_for(what: Callable[[], bool], one: Forked) -> None:
    ends = time.monotonic() + PATIENCE
    while not what():
        assert one.runs, one.printed
        assert time.monotonic() < ends, one.printed
        time.sleep(0.02)


def _killed(name: str, place: str, number: int) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        call = COMMANDS[name].call(stage.folder)
        _killed_there(stage, place, number, call)
        for path in stage.folder.rglob("*.nii.gz"):
            assert path.name.startswith(".partial-") or nib.load(path).get_fdata().size
        for torn in stage.folder.rglob(".partial-*"):  # which the next call removes when they are an hour old
            os.utime(torn, (0, 0))
        status, printed = stage.call(*call)
        assert status == 0, printed
        assert COMMANDS[name].done(stage.folder) == set(CASES)

    return play


def _train(stage: Stage, *more: str) -> tuple[object, ...]:
    """A call that trains on a store."""
    if not (stage.folder / "store").exists():
        lay(stage)
        words = COMMANDS["prepare"].call(stage.folder)
        store = stage.folder / "store"
        assert stage.call(*(store if word == stage.folder / "out" else word for word in words))[0] == 0
    return *TRAIN, "--store", stage.folder / "store", "--output", stage.folder / "out", *more


def _two_trainings(stage: Stage) -> None:
    call = _train(stage, "--set=training.max_steps=30")
    both = [_ended(one) for one in [_command(stage, call) for _ in range(2)]]
    assert sorted(status for status, _ in both) in ([0, 1], [0, 2]), both
    (refused,) = [printed for status, printed in both if status]
    assert "in use by" in refused or "not empty" in refused
    with (stage.folder / "out" / "metrics.csv").open() as stream:
        assert [int(row["step"]) for row in csv.DictReader(stream)] == list(range(1, 31))
    assert read_checkpoint(stage.folder / "out" / LAST)["step"] == 30


def _two_syntheses(stage: Stage) -> None:
    lay(stage)
    call = COMMANDS["synthesize"].call(stage.folder)
    both = [_ended(one) for one in [_command(stage, call) for _ in range(2)]]
    assert [status for status, _ in both] == [0, 0], both
    assert COMMANDS["synthesize"].done(stage.folder) == set(CASES)
    for name in CASES:
        assert nib.load(stage.folder / "out" / name / "sct.nii.gz").get_fdata().shape == (14, 16, 12)
        assert json.loads((stage.folder / "out" / name / "synthesis.json").read_text())["files"]


def _training_killed(stage: Stage) -> None:
    call = _train(stage, "--set=training.max_steps=3")
    _killed_there(stage, "medcycle.training.loop.draw_preview", 1, (*call, "--set=training.preview_every=2"))
    assert lock_file_of(stage.folder / "out").exists()
    assert _ended(_command(stage, call))[0] == 0
    assert read_checkpoint(stage.folder / "out" / LAST)["step"] == 3


def _loaders_end(stage: Stage) -> None:
    call = _train(stage, "--set=training.max_steps=50", "--set=training.workers=2")
    children = _killed_there(stage, "medcycle.training.loop.draw_preview", 1, (*call, "--set=training.preview_every=2"))
    assert len(children) >= 2
    _all_end(children)


def _mappers_end(stage: Stage) -> None:
    one = _started(stage, _mapping)
    _wait_for(lambda: len(_children(one.pid)) >= 2, one)
    children = _children(one.pid)
    assert one.kill() == -signal.SIGKILL
    _all_end(children)


def _children(process: int) -> list[int]:
    """The processes that one has started."""
    return [int(one) for path in Path(f"/proc/{process}/task").glob("*/children") for one in path.read_text().split()]


def _all_end(processes: Sequence[int]) -> None:
    ends = time.monotonic() + 30
    while left := [one for one in processes if _runs(one)]:
        assert time.monotonic() < ends, f"{left} go on"
        time.sleep(0.2)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
