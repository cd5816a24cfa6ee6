"""What comes late, twice or in part, and what goes wrong on the way, loses nothing and is made once."""

import time
from pathlib import Path

import pytest

from medcycle.io.dicom.export import write_dicom
from medcycle.node.making import Translator
from tests.node.support import (
    Archive,
    Sender,
    head_series,
    quick_ct,
    running,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_a_full_spool_refuses_and_nothing_is_lost(tmp_path: Path) -> None:
    first, second = head_series("A1"), head_series("B2")
    room = int(1.6 * sum(len(item.PixelData) + 1500 for item in first))
    with running(tmp_path / "spool", 1, limits={"spool_bytes": room, "longest_pause": 0.2}) as (node, log):
        statuses = Sender(node.port).send([*first, *second])
        assert statuses[: len(first)] == [0] * len(first)
        assert statuses[-1] == 0xA700
        log.wait_for("job 1: synthesised")
        assert "job 2: an instance was refused: no room in the spool" in log
        time.sleep(0.3)  # longer than the quiet time: what came of the second is no whole series
        assert "job 2: complete" not in log
    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        log.wait_for("job 1: sent to ARCHIVE")
        Sender(node.port).send_until_taken(second)
        log.wait_for("job 2: sent to ARCHIVE")
    assert sorted(map(len, archive.series().values())) == [len(first)] * 2


@pytest.mark.slow
def test_an_archive_that_is_down_or_refuses_is_tried_again(tmp_path: Path) -> None:
    slices, down = head_series("A1"), Archive()
    with down.running() as archive:
        port = archive.port
    with running(tmp_path / "spool", port) as (node, log):
        Sender(node.port).send(slices)
        log.wait_for("can't be reached", 2)
        archive = Archive(refuse_first=2)
        with archive.running(port):
            log.wait_for("refuses with status 0xA700", 2)
            log.wait_for("sent to ARCHIVE")
    assert len({item.SOPInstanceUID for item in archive.stored}) == len(archive.stored) == len(slices)


@pytest.mark.slow
def test_what_was_sent_is_not_made_again_unless_it_has_changed(tmp_path: Path) -> None:
    slices = head_series("A1")
    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        sender = Sender(node.port)
        sender.send(slices)
        log.wait_for("job 1: sent to ARCHIVE")
        sender.send(slices)
        log.wait_for("job 2: the same as job 1")
        sender.send(slices[5:9])
        log.wait_for(f"job 3: 4 of the {len(slices)} instances as job 1")
        assert len(archive.series()) == 1
        slices[7].PixelData = bytes(reversed(slices[7].PixelData))
        sender.send(slices[5:9])
        log.wait_for("job 4: refused: only a part of the series of job 1 came again")
        sender.send(slices)
        log.wait_for("job 5: sent to ARCHIVE")
    assert [len(made) for made in archive.series().values()] == [len(slices)] * 2
    with running(tmp_path / "spool", archive.port) as (node, log):
        Sender(node.port).send(slices)
        log.wait_for("job 6: the same as job 5")


@pytest.mark.slow
def test_slices_that_come_during_the_synthesis_belong_to_it(tmp_path: Path) -> None:
    slices, counts = head_series("A1"), []

    def slowly(volume, check, tell):
        counts.append(volume.array.shape[2])
        if len(counts) == 1:
            Sender(node.port).send(slices[-4:])
        return quick_ct(volume, check, tell)

    with (
        Archive().running() as archive,
        running(tmp_path / "spool", archive.port, Translator(slowly, "")) as (node, log),
    ):
        Sender(node.port).send(slices[:-4])
        log.wait_for("sent to ARCHIVE")
    assert counts == [len(slices) - 4, len(slices)]
    assert [len(made) for made in archive.series().values()] == [len(slices)]


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_sender_that_breaks_off_is_waited_for(comes_back: bool, tmp_path: Path) -> None:
    slices = head_series("A1")
    with (
        Archive().running() as archive,
        running(tmp_path / "spool", archive.port, limits={"return_seconds": 60.0 if comes_back else 1.0}) as (
            node,
            log,
        ),
    ):
        with Sender(node.port).association() as association:
            for item in slices[:-4]:
                association.send_c_store(item)
            association.abort()
        if comes_back:
            time.sleep(2 * node.settings.quiet_time)
            assert "complete" not in log
            Sender(node.port).send(slices[-6:])
            log.wait_for("sent to ARCHIVE")
        else:
            log.wait_for("job 1: refused: its sender broke off")
            Sender(node.port).send(slices[5:])
            log.wait_for("job 2: refused: only a part of the series of job 1 came again")
            Sender(node.port).send(slices)
            log.wait_for("sent to ARCHIVE")
    assert [len(made) for made in archive.series().values()] == [len(slices)]


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [28] * 5  # more often than a series is tried

    def write(*given, **how):
        if left:
            raise OSError(left.pop(), "no space left on device")
        return write_dicom(*given, **how)

    monkeypatch.setattr("medcycle.node.making.write_dicom", write)
    with (
        Archive().running() as archive,
        running(tmp_path / "spool", archive.port, limits={"pause": 0.01}) as (node, log),
    ):
        Sender(node.port).send(head_series("A1"))
        log.wait_for("sent to ARCHIVE")
    assert sum("disk is full" in line for line in log.lines) == 5
    assert log.lines[-1] == "stopped: 1 sent, 0 refused, 0 repeated"


def test_what_fails_by_itself_is_tried_again_and_then_refused(tmp_path: Path) -> None:
    def fails(volume, check, tell):
        raise MemoryError

    with running(tmp_path / "spool", 1, Translator(fails, ""), limits={"pause": 0.01}) as (node, log):
        Sender(node.port).send(head_series("A1"))
        log.wait_for("job 1: refused: needs more memory")
    assert sum("attempt" in line for line in log.lines) == 2
