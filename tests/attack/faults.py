"""What goes wrong with one case of many, or with the disk that all are written to."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcycle.dataset.store import Store
from medcycle.io.discover import Source
from medcycle.registration import Registration
from tests.attack import Scenario, Stage
from tests.attack.small import AS_OPTIONS, lay_scans, model

BAD, SOUND = "c1", {"c0", "c2"}

ERRORS: dict[str, Callable[[], Exception]] = {
    "no memory": MemoryError,
    "a disk's error": lambda: OSError(errno.EIO, "Input/output error"),
    "a disk's error without a number": lambda: OSError("230400 requested and 30656 written"),
    "an odd error": lambda: RuntimeError("odd\nin two lines"),
    "a fault": lambda: ZeroDivisionError("division by zero"),
    "no memory of a device": lambda: torch.OutOfMemoryError("CUDA out of memory"),
}


@dataclass(frozen=True)
class Command:
    """A command over many cases.

    Args:
        call: with what is laid in a folder.
        done: the cases that were done.
        places: where something may go wrong with one of them: a dotted name, and whether it is told a path or source;
            if not, it goes wrong in the second call.
    """

    call: Callable[[Path], tuple[object, ...]]
    done: Callable[[Path], set[str]]
    places: dict[str, bool]


def _inspected(folder: Path) -> set[str]:
    return {one["name"] for one in json.loads((folder / "out.json").read_text()) if one["verdict"] == "sound"}


def _prepared(folder: Path) -> set[str]:
    store = Store.open(folder / "out")
    assert len(store.ct) == 3
    assert all(case.image.shape == case.body.shape for case in (*store.mr, *store.ct))
    return {case.record.name for case in store.mr}


def _scored(folder: Path) -> set[str]:
    with (folder / "out" / "cases.csv").open() as stream:
        return {row["case"] for row in csv.DictReader(stream)}


def _registered(folder: Path) -> set[str]:
    return {path.name.removesuffix("-ct-on-mr.nii.gz") for path in (folder / "out").glob("*.nii.gz")}


COMMANDS = {
    "inspect": Command(
        lambda folder: ("inspect", folder / "mr", "--workers", 1, "--json", folder / "out.json"),
        _inspected,
        {
            "medcycle.io.source._read_file": True,
            "medcycle.cohort.findings.require_usable": True,
            "medcycle.cohort.findings.vet": True,
        },
    ),
    "prepare": Command(
        lambda folder: (
            *("prepare", folder / "out", "--mr", folder / "mr", "--ct", folder / "ct"),
            *("--config", "demo", "--workers", 1, *AS_OPTIONS),
        ),
        _prepared,
        {
            "medcycle.io.source._read_file": True,
            "medcycle.cohort.vetting.vet": True,
            "medcycle.cohort.one_case.prepare_volume": False,
            "medcycle.cohort.one_case.profile_of": False,
            "medcycle.io.source.sha256_of": True,
        },
    ),
    "register": Command(
        lambda folder: ("register", folder / "out", "--mr", folder / "mr", "--ct", folder / "ct", "--no-model"),
        _registered,
        {
            "medcycle.io.source._read_file": True,
            "medcycle.registering.one_pair.vet": True,
            "medcycle.registering.one_pair.register_rigid": False,
            "medcycle.registering.one_pair.resample_to": False,
        },
    ),
    "evaluate": Command(
        lambda folder: ("evaluate", "--real", folder / "ct", "--synthetic", folder / "ct", "--output", folder / "out"),
        _scored,
        {"medcycle.io.source._read_file": True, "medcycle.evaluation.scoring.scores_of": False},
    ),
    "synthesize": Command(
        lambda folder: ("synthesize", folder / "model.pt", folder / "mr", folder / "out"),
        lambda folder: {path.parent.name for path in (folder / "out").glob("*/synthesis.json")},
        {
            "medcycle.io.source._read_file": True,
            "medcycle.synthesis.runner.vet": True,
            "medcycle.synthesis.runner.predicted": False,
            "medcycle.synthesis.runner.write_case": True,
        },
    ),
}


def of_one_case() -> Iterator[Scenario]:
    """Every error in every place of every command: the others are done, and the one is named."""
    for name, command in COMMANDS.items():
        for number, (place, is_told) in enumerate(command.places.items()):
            for turn, (what, error) in enumerate(ERRORS.items()):
                if what == "no memory of a device" and "runner.predicted" not in place:
                    continue
                play = _one_fails(name, place, is_told, error)
                yield Scenario(f"{name}, {place.removeprefix('medcycle.')}: {what}", play, slow=number % 5 != turn)


def vanishing() -> Iterator[Scenario]:
    """A file that is gone before it is read."""
    moments = {
        "medcycle.io.source._read_file": tuple(COMMANDS),
        "medcycle.cohort.catalogue.cohort_key": ("prepare",),
        "medcycle.cohort.one_case.prepare_volume": ("prepare",),
        "medcycle.registering.driver.match_patients": ("register",),
        "medcycle.synthesis.driver.load_method": ("synthesize",),
    }
    for place, names in moments.items():
        for name in names:
            last = place.rpartition(".")[2]
            yield Scenario(f"{name}, before {last}", _one_vanishes(name, place), slow=last in ("load_method", "vet"))


def of_disks() -> Iterator[Scenario]:
    """An output that can't be written, for all cases alike."""
    for name in COMMANDS:
        yield Scenario(f"{name} to a full disk", _to_a_disk(name, "size=64k", "no room left"))
        yield Scenario(f"{name} to a disk that fills while it is synced", _unsynced(name))
        slow = name not in ("inspect", "evaluate")
        yield Scenario(f"{name} to a disk that is read-only", _to_a_disk(name, "ro", ""), slow)
        yield Scenario(f"{name} below a file", _below(name, "file"), slow)
        yield Scenario(f"{name} below a link to nowhere", _below(name, "dangling"), slow)
        yield Scenario(f"{name} into a link to itself", _below(name, "loop"), slow=False)
        yield Scenario(f"{name} to a long name", _below(name, "x" * 300), slow)


def lay(stage: Stage) -> None:
    """Scans, a method, and a registration that takes no time."""
    lay_scans(stage.folder)
    (stage.folder / "model.pt").write_bytes(model())
    stage.patch.setattr(
        "medcycle.registering.one_pair.register_rigid", lambda *_, **__: Registration(np.eye(4), 0.0, 0.0, 1.0)
    )


def _one_fails(name: str, place: str, is_told: bool, error: Callable[[], Exception]) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        command, calls, bad = COMMANDS[name], [0], f"{'ct' if name == 'evaluate' else 'mr'}/{BAD}.nii"
        work = _named(place)

        def failing(*given: Any, **named: Any) -> Any:
            calls[0] += 1
            told = [str(getattr(one, "path", one)) for one in given if isinstance(one, Path | Source)]
            if any(bad in text for text in told) if is_told else calls[0] == 2:
                raise error()
            return work(*given, **named)

        with pytest.MonkeyPatch.context() as patch:
            _replace(patch, place, failing)
            _done_but_one(stage, name)
        status, printed = stage.call(*command.call(stage.folder))  # what failed then is tried again
        assert status == 0, printed
        assert command.done(stage.folder) == {BAD} | SOUND

    return play


def _one_vanishes(name: str, place: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        work = _named(place)

        def vanishing(*given: Any, **named: Any) -> Any:
            for kind in ("mr", "ct") if name == "evaluate" else ("mr",):
                (stage.folder / kind / f"{BAD}.nii").unlink(missing_ok=True)
            return work(*given, **named)

        with pytest.MonkeyPatch.context() as patch:
            _replace(patch, place, vanishing)
            _done_but_one(stage, name)

    return play


def _done_but_one(stage: Stage, name: str) -> None:
    status, printed = stage.call(*COMMANDS[name].call(stage.folder))
    assert status == 1, printed
    (told,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert BAD in told, printed
    assert COMMANDS[name].done(stage.folder) == SOUND


def _to_a_disk(name: str, options: str, told: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        disk = stage.folder / "disk"
        disk.mkdir()
        with _mounted(disk, options):
            if "size" in options:
                _fill(disk)
            before = list(disk.rglob("*"))
            _refused(stage, name, disk / "out", told)
            assert [path for path in disk.rglob("*") if path.is_file()] == before

    return play


@contextmanager
def _mounted(place: Path, options: str) -> Iterator[None]:
    """A disk of its own, for those who may mount one."""
    call = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(call, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(2**12)):
                pass
        except OSError:
            pass


def _unsynced(name: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        stage.patch.setattr("medcycle.io.files.os.fsync", full)
        _refused(stage, name, stage.folder / "out", "no room left")
        assert not [path for path in (stage.folder / "out").rglob("*") if path.is_file()]

    return play


def _below(name: str, place: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        lay(stage)
        (stage.folder / "file").write_bytes(b"x")
        (stage.folder / "dangling").symlink_to("gone/far")
        (stage.folder / "loop").symlink_to("loop")
        before = sorted(stage.folder.rglob("*"))
        _refused(stage, name, stage.folder / place / ("" if place == "loop" else "out"), "")
        if place not in ("dangling", "loop"):  # a folder may be made where a link points to
            assert sorted(stage.folder.rglob("*")) == before
        assert (stage.folder / "file").read_bytes() == b"x"

    return play


def _refused(stage: Stage, name: str, output: Path, told: str) -> None:
    """The call ends by an error that names the output."""
    given = COMMANDS[name].call(stage.folder)
    out = stage.folder / ("out.json" if name == "inspect" else "out")
    status, printed = stage.call(*(output if word == out else word for word in given))
    if status == 0:
        assert "dangling" in str(output) or "loop" in str(output), printed  # what a link points to was made
        return
    assert "a bug in medcycle" not in printed, printed
    (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert told in line, printed
    assert str(output)[:200] in line or "disk" in line, printed


def _named(place: str) -> Callable[..., Any]:
    module, _, name = place.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def _replace(patch: pytest.MonkeyPatch, place: str, by: Callable[..., Any]) -> None:
    module, _, name = place.rpartition(".")
    patch.setattr(import_module(module), name, by)  # a function may hide the module from a dotted name
