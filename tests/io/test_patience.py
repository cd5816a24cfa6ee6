"""What doesn't answer is given up."""

import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from medcycle.cohort.findings import inspect_paths
from medcycle.errors import UnreadableFile, UsageError
from medcycle.io import write_nifti
from medcycle.io.dicom.frames import read_image_file
from medcycle.io.nifti import read_nifti
from medcycle.io.patience import longest_read, within_time
from tests.io.series import MR, written

DISCOVER = import_module("medcycle.io.discover")  # whose name the package gives to a function


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MEDCYCLE_READ_SECONDS", "0.2")
    longest_read.cache_clear()
    yield
    longest_read.cache_clear()


def test_a_volume_that_does_not_answer_is_a_case_that_fails(tmp_path: Path, hurry: None, monkeypatch) -> None:
    for name in ("a", "b", "c"):
        write_nifti(MR, tmp_path / f"{name}.nii.gz")
    gone = threading.Event()

    def hanging(path: Path) -> object:
        return gone.wait(30) if path.name == "b.nii.gz" else read_nifti(path)

    monkeypatch.setattr("medcycle.io.source._read_file", hanging)
    began = time.monotonic()
    found = {one.name: one for one in inspect_paths([tmp_path])}
    assert time.monotonic() - began < 10
    assert [one.verdict for one in found.values()] == ["sound", "refused", "sound"]
    assert "reading took more than 0.2 s; check the disk" in found["b"].reason
    gone.set()


def test_a_header_that_does_not_answer_makes_its_series_irregular(tmp_path: Path, hurry: None, monkeypatch) -> None:
    files = written(tmp_path)
    gone = threading.Event()

    def hanging(path: Path) -> object:
        return gone.wait(30) if path == files[3] else read_image_file(path)

    monkeypatch.setattr(DISCOVER, "read_image_file", hanging)
    (found,) = (one for one in inspect_paths([tmp_path]) if one.verdict != "skipped")
    assert found.verdict == "irregular"
    gone.set()


def test_errors_and_values_come_through(tmp_path: Path) -> None:
    assert within_time(lambda: within_time(lambda: 3, tmp_path), tmp_path) == 3
    with pytest.raises(ZeroDivisionError):
        within_time(lambda: 1 // 0, tmp_path)
    threads = threading.active_count()
    for _ in range(20):
        within_time(lambda: None, tmp_path)
    assert threading.active_count() <= threads + 1


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan", "1e300"])
def test_a_wrong_limit_is_told(given: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MEDCYCLE_READ_SECONDS", given)
    longest_read.cache_clear()
    with pytest.raises(UsageError, match="MEDCYCLE_READ_SECONDS"):
        within_time(lambda: None, tmp_path)
    longest_read.cache_clear()


def test_slow_is_not_gone(tmp_path: Path, hurry: None) -> None:
    assert within_time(lambda: time.sleep(0.05), tmp_path) is None
    with pytest.raises(UnreadableFile, match="reading took more than"):
        within_time(lambda: time.sleep(0.5), tmp_path)
    assert within_time(lambda: 1, tmp_path) == 1
