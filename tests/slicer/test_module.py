"""The module of 3D Slicer with real processes, in a stand-in of Slicer: it has never been run in Slicer here."""

import importlib.util
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from medcycle.cli.main import execute
from medcycle.models import shipped_names
from medcycle.phantom import HeadPhantom, head_grid
from tests.slicer.fakes import Slicer, Volume

FILE = Path(__file__).parents[2] / "examples" / "slicer" / "MedcycleSynthesis.py"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in of the program is a shell script")


@pytest.fixture
def slicer() -> Slicer:
    return Slicer()


@pytest.fixture
def module(slicer: Slicer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    for name, fake in slicer.modules().items():
        monkeypatch.setitem(sys.modules, name, fake)
    spec = importlib.util.spec_from_file_location("MedcycleSynthesis", FILE)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(made.tempfile, "tempdir", str(tmp_path / "temporary"))
    return made


def left_over(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "temporary").glob("medcycle-*"))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Writes a script that stands for the program; without lines of its own, it is medcycle."""

    def write(lines: str = "") -> str:
        path = tmp_path / "medcycle"
        medcycle = f'exec {shlex.quote(sys.executable)} -m medcycle "$@"'
        path.write_text(f"#!/bin/sh\n{lines or medcycle}\n")
        path.chmod(0o755)
        return str(path)

    return write


def until(reached: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def panel(module: ModuleType, executable: str) -> Any:
    widget = module.MedcycleSynthesisWidget()
    widget.setup()
    widget.executable.currentPath = executable
    widget.executable.slots["currentPathChanged(QString)"](executable)
    return widget


def head() -> Volume:
    mr = HeadPhantom.random(5).mr(head_grid(spacing=(5, 5, 6)))
    affine = mr.grid.affine.copy()
    affine[:, [0, 1]] *= -1  # as Slicer has them after DICOM: left, posterior, superior
    return Volume("T1", mr.array.astype(np.float32), affine)


def wait_for(widget: Any) -> list[int]:
    """Lets the timer go off until it stops; what the bar showed."""
    shown = []

    def stopped() -> bool:
        widget.timer.slots["timeout()"]()
        shown.append(widget.bar.value)
        return not widget.timer.running

    until(stopped)
    return shown


@pytest.mark.slow
def test_a_volume_becomes_a_ct(
    module: ModuleType, slicer: Slicer, program: Callable[..., str], checkpoint: Path, tmp_path: Path
) -> None:
    widget, source = panel(module, program()), head()
    wait_for(widget)
    assert widget.model.items == shipped_names()
    widget.source.node, widget.output.node = source, Volume("mine")
    widget.model.currentText, widget.uncertainty.checked = str(checkpoint), True
    widget.apply.click()
    assert not slicer.errors
    assert widget.cancel.enabled
    shown = wait_for(widget)
    assert not slicer.errors
    assert shown == sorted(shown)
    assert shown[-1] > 0
    nib.save(nib.Nifti1Image(source.array, source.affine), tmp_path / "t1.nii.gz")
    call = ["synthesize", str(checkpoint), str(tmp_path / "t1.nii.gz"), str(tmp_path / "out"), "--uncertainty"]
    assert execute(call) == 0
    made, expected_error = slicer.layers["background"], slicer.layers["foreground"]
    assert made is widget.output.node
    for node, name in ((made, "sct"), (expected_error, "uncertainty")):
        expected = nib.load(tmp_path / "out" / "t1" / f"{name}.nii.gz")
        np.testing.assert_allclose(node.array, expected.get_fdata(), atol=1e-2)
        np.testing.assert_allclose(node.affine, source.affine, atol=1e-4)
    assert made.window == (400, 40)
    assert slicer.settings["MedcycleSynthesis/Executable"] == widget.executable.currentPath
    assert left_over(tmp_path) == []
    assert widget.apply.enabled


def test_the_mr_lies_under_the_ct(module: ModuleType, slicer: Slicer, program: Callable[..., str]) -> None:
    """A program that copies its input needs no network: $3 is the source, $4 the folder."""
    copying = '[ $1 = synthesize ] && mkdir -p "$4/source" && cp "$3" "$4/source/sct.nii.gz"'
    widget, source = panel(module, program(copying)), head()
    widget.source.node = source
    widget.apply.click()
    wait_for(widget)
    assert not slicer.errors
    assert slicer.layers["background"] is source
    made = slicer.layers["foreground"]
    assert made.name == "T1 synthetic CT"
    np.testing.assert_array_equal(made.array, source.array)


def test_progress_and_cancel(module: ModuleType, slicer: Slicer, program: Callable[..., str], tmp_path: Path) -> None:
    lines = f'[ $1 = models ] && exit\necho "synthesizing 30 % x" >&2\nsleep 300 &\necho $! >{tmp_path}/child\nwait'
    widget = panel(module, program(lines))
    widget.source.node = head()
    widget.apply.click()
    process = widget.logic.job.process

    def at_30() -> bool:
        widget.timer.slots["timeout()"]()
        return widget.bar.value == 30 and (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip()

    until(at_30)
    child = int((tmp_path / "child").read_text())
    assert is_alive(child)
    widget.cancel.click()
    assert process.poll() is not None
    until(lambda: not is_alive(child), 10)
    wait_for(widget)
    assert not slicer.errors
    assert not slicer.layers
    assert left_over(tmp_path) == []
    assert widget.status.text == "Cancelled."


def test_what_ignores_the_signal_is_killed(module: ModuleType, tmp_path: Path) -> None:
    job = module.Job(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], tmp_path)
    until(lambda: "ready" in job.printed())
    job.cancel(patience=0.3)
    assert job.status == -9
    assert job.error == ""


@pytest.mark.slow
def test_an_error_is_shown_in_a_line(
    module: ModuleType, slicer: Slicer, program: Callable[..., str], tmp_path: Path
) -> None:
    widget = panel(module, program())
    widget.source.node, widget.model.currentText = head(), "haed"
    widget.apply.click()
    wait_for(widget)
    (said,) = slicer.errors
    assert said.startswith("haed: no such checkpoint")
    assert "\n" not in said
    assert widget.status.text == said
    assert left_over(tmp_path) == []
    assert widget.apply.enabled


def test_what_can_not_be_started(module: ModuleType, slicer: Slicer, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module.found_executable() == ""
    for executable, reason in (("", "isn't on PATH"), (str(tmp_path / "none"), "can't be started")):
        widget = panel(module, executable)
        widget.source.node = head()
        widget.apply.click()
        assert reason in slicer.errors.pop()
        assert left_over(tmp_path) == []
        assert widget.logic.job is None
    widget.source.node = None
    widget.apply.click()
    assert slicer.errors == ["choose an MR volume"]


def test_a_status_without_a_word(module: ModuleType, tmp_path: Path) -> None:
    job = module.Job(["sh", "-c", "exit 3"], tmp_path)
    until(lambda: job.status is not None)
    assert job.error == "medcycle ended with status 3"


def test_arguments(module: ModuleType) -> None:
    given = module.synthesis_arguments("head", "a b.nii.gz", "out", uncertainty=True)
    assert given == ["synthesize", "head", "a b.nii.gz", "out", "--uncertainty"]


def test_what_slicer_tests_itself(module: ModuleType) -> None:
    module.MedcycleSynthesisTest("runTest").runTest()
