"""The journal and the spool: what is said to be on the disk is there, and nothing is taken twice."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from medcycle.errors import DataError, UsageError
from medcycle.node.journal import HISTORY, Arrived, Journal
from medcycle.node.spool import Spool, SpoolFull
from tests.node.support import Archive, Sender, head_series, running


def item(name: str, digest: str = "d") -> Arrived:
    return Arrived("series", name, "image", digest, 10)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal")
    yield opened
    opened.close()


def test_a_job_goes_on_only_as_it_was_seen(journal: Journal) -> None:
    job = journal.begin("series")
    journal.receive(job.number, item("one"))
    seen = journal.job(job.number)
    journal.receive(job.number, item("two"))
    assert not journal.advance(seen, "complete")
    seen = journal.job(job.number)
    assert journal.advance(seen, "complete")
    seen = journal.job(job.number)
    journal.receive(job.number, item("two", "changed"))
    assert not journal.synthesised(seen, {"out/1": 5})
    assert journal.job(job.number).state == "received"
    assert journal.unsent(job.number) == []


def test_one_job_of_a_series_gets_its_instances_at_a_time(journal: Journal) -> None:
    job = journal.begin("series")
    with pytest.raises(Exception, match="UNIQUE"):
        journal.begin("series")
    journal.receive(job.number, item("one"))
    assert journal.advance(journal.job(job.number), "complete")
    assert journal.arriving("series") == journal.job(job.number)
    assert journal.synthesised(journal.job(job.number), {"a": 1, "b": 2})
    assert journal.arriving("series") is None
    other = journal.begin("series")
    assert other.number > job.number
    earlier, content = journal.earlier("series")
    assert (earlier.number, content) == (job.number, {"one": "d"})
    journal.confirm(job.number, "a")
    assert journal.unsent(job.number) == ["b"]
    assert journal.advance(journal.job(job.number), "sent")
    journal.cleaned(job.number, kept=False)
    assert journal.earlier("series") == (journal.job(job.number), {"one": "d"})
    assert journal.earlier("another") is None


def test_another_connection_sees_all_that_was_said(journal: Journal, tmp_path: Path) -> None:
    """As a process does that starts after this one was killed."""
    job = journal.begin("series")
    journal.receive(job.number, item("one"))
    journal.receive(job.number, item("one", "again"))
    journal.receive(job.number, item("two", ""))
    later = Journal(tmp_path / "journal")
    assert [(one.name, one.digest) for one in later.instances(job.number)] == [("one", "again"), ("two", "")]
    assert later.job(job.number).sender == "at work"
    later.cut_off()
    assert journal.job(job.number).sender == "cut off"
    journal.reopen(job.number)
    journal.break_off([job.number])
    later.cut_off()
    assert later.job(job.number).sender == "broke off"
    journal.release([job.number])
    assert later.job(job.number).sender == "ended"
    later.close()


def test_a_change_that_fails_leaves_nothing(journal: Journal) -> None:
    job = journal.begin("series")

    def fail_midway() -> None:
        with journal.change():
            journal.receive(job.number, item("one"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_midway()
    assert journal.instances(job.number) == []
    journal.receive(job.number, item("one"))
    assert len(journal.instances(job.number)) == 1


def test_threads_take_turns(journal: Journal) -> None:
    job = journal.begin("series")
    threads = [
        threading.Thread(
            target=lambda start=start: [journal.receive(job.number, item(f"{start}-{n}")) for n in range(20)]
        )
        for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.held(job.number) == 80
    assert journal.job(job.number).revision == 80


def test_old_jobs_are_forgotten(journal: Journal) -> None:
    with journal.change() as db:
        db.executemany(
            "INSERT INTO jobs (series, state, clean) VALUES (?, 'sent', 1)", [(str(n),) for n in range(HISTORY + 5)]
        )
    last = journal.begin("series")
    assert journal.advance(journal.job(last.number), "refused")
    journal.cleaned(last.number, kept=False)
    assert sum(journal.counts().values()) == HISTORY


@pytest.mark.parametrize("content", [b"junk" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_journal_is_an_error_in_words(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(content)
    with pytest.raises(DataError, match="not a journal, or damaged"):
        Journal(tmp_path / "journal")


def test_a_folder_of_something_else_is_no_spool(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="neither empty nor"):
        Spool(tmp_path, 10)


def test_a_spool_holds_what_it_may_and_is_private(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 100)
    with spool.new_file([b"x" * 60]) as path:
        spool.move(path, 1, "in/a.dcm")
    with spool.new_file([b"y" * 60]) as path, pytest.raises(SpoolFull):
        spool.move(path, 1, "in/b.dcm")
    with spool.new_file([b"z" * 40]) as path:
        spool.move(path, 1, "in/a.dcm")  # in its place
    with spool.new_file([b"y" * 60]) as path:
        spool.move(path, 1, "in/b.dcm")
    assert not list(spool.arriving.iterdir())
    assert spool.file(1, "in/a.dcm").read_bytes() == b"z" * 40
    assert (spool.folder.stat().st_mode & 0o077, spool.file(1, "in/a.dcm").stat().st_mode & 0o077) == (0, 0)
    spool.remove(1)
    spool.take(100)


def test_what_belongs_to_no_job_goes_at_the_start(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 100)
    for job in (1, 2):
        with spool.new_file([b"x" * 30]) as path:
            spool.move(path, job, "in/a.dcm")
    (spool.arriving / "torn").write_bytes(b"x" * 30)
    spool.tidy([2])
    assert [path.name for path in (spool.folder / "jobs").iterdir()] == ["2"]
    assert not list(spool.arriving.iterdir())
    spool.take(70)
    with pytest.raises(SpoolFull):
        spool.take(1)


def test_success_is_said_of_what_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a disk that can't hold a file, nor one that can't hold the journal, is passed over."""
    slices, fsync = head_series("A1"), os.fsync

    def fails(_handle: int) -> None:
        raise OSError(28, "no space left on device")

    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        monkeypatch.setattr("medcycle.node.spool.os.fsync", fails)
        assert Sender(node.port).send(slices[:2]) == [0xA700, 0xA700]
        monkeypatch.setattr("medcycle.node.spool.os.fsync", fsync)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "receive", lambda *_: fails(0))
            assert Sender(node.port).send(slices[:2]) == [0xA700, 0xA700]
        assert set(Sender(node.port).send(slices)) == {0}
        log.wait_for("sent to ARCHIVE")
    assert [len(made) for made in archive.series().values()] == [len(slices)]
