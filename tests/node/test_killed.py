"""A node that is killed in the middle of its work: every series arrives, and once."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import Dataset

from tests.forked import Forked
from tests.node.support import PATIENCE, Archive, Sender, head_series, in_threads, serve, wait_until
from tests.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


class Place:
    """Where a node runs, in one process after the other."""

    def __init__(self, folder: Path, archive: Archive) -> None:
        self.spool, self.hold, self.archive = folder / "spool", folder / "hold", archive
        self.hold.mkdir()
        (self.port,), self.logs = free_ports(1), []
        self.process: Forked | None = None
        self.deaths = 1000

    def start(self) -> None:
        log = self.spool.with_name(f"log{len(self.logs)}")
        self.logs.append(log)
        self.process = Forked(serve, self.spool, self.archive.port, self.port, self.hold, self.deaths, output=log)
        self.wait_for("listens on")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def stop(self) -> str:
        """As a service manager does; the last line of the log."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGTERM)
        assert self.process.ended(PATIENCE) == 0, self.printed
        return self.printed.splitlines()[-1]

    @property
    def printed(self) -> str:
        return "".join(log.read_text() for log in self.logs)

    def wait_for(self, text: str, count: int = 1) -> None:
        """In the log of the process that runs now."""
        wait_until(lambda: self.logs[-1].read_text().count(text) >= count, lambda: f"{text}: {self.printed}")

    def waiting(self) -> int:
        return sum(1 for _ in (self.spool / "jobs").glob("*/in/*"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Archive().running() as archive:
        made = Place(tmp_path, archive)
        made.start()
        yield made
        if made.process is not None and made.process.runs:
            made.process.kill()


def require_once(archive: Archive, series: Sequence[Sequence[Dataset]]) -> None:
    """Each source has one synthetic series, whole; an instance may have come twice, as it was."""
    found = archive.series().values()
    assert sorted(items[0].PatientID for items in found) == sorted(slices[0].PatientID for slices in series)
    for items in found:
        different = {item.SOPInstanceUID: item for item in items}
        (source,) = [slices for slices in series if slices[0].PatientID == items[0].PatientID]
        assert len(different) == len(source)
        assert all(item.PixelData == different[item.SOPInstanceUID].PixelData for item in items)


def test_in_the_middle_of_receiving(place: Place) -> None:
    series = [head_series(name) for name in ("A1", "B2")]
    senders = [threading.Thread(target=Sender(place.port).send_until_taken, args=(slices,)) for slices in series]
    for sender in senders:
        sender.start()
    wait_until(lambda: place.waiting() >= 9)
    place.kill()
    assert 9 <= place.waiting() < sum(map(len, series))
    place.start()
    for sender in senders:
        sender.join(PATIENCE)
    wait_until(lambda: place.printed.count("sent to ARCHIVE") >= 2, lambda: place.printed)
    assert "2 sent, 0 refused" in place.stop()
    require_once(place.archive, series)


def test_after_the_last_slice_of_a_sender_that_does_not_come_back(place: Place) -> None:
    slices = head_series("A1")
    with Sender(place.port).association() as association:
        assert {association.send_c_store(item).Status for item in slices} == {0}
        place.kill()  # before the association was released
    place.start()
    place.wait_for("they are taken for the whole series")
    place.wait_for("sent to ARCHIVE")
    assert "1 sent, 0 refused" in place.stop()
    require_once(place.archive, [slices])


def test_in_the_middle_of_synthesis(place: Place) -> None:
    series = [head_series(name) for name in ("A1", "B2")]
    (place.hold / "wait").touch()
    for slices in series:
        Sender(place.port).send(slices)
    wait_until((place.hold / "begun").exists)
    place.kill()
    (place.hold / "wait").unlink()
    place.start()
    assert "goes on: 0 sent" in place.printed
    place.wait_for("sent to ARCHIVE", 2)
    assert "2 sent, 0 refused" in place.stop()
    require_once(place.archive, series)


def test_in_the_middle_of_sending(place: Place) -> None:
    slices, reached, go_on = head_series("A1"), threading.Event(), threading.Event()

    def before_each(_dataset: Dataset) -> None:
        if len(place.archive.stored) == 5 and not go_on.is_set():
            reached.set()
            go_on.wait(PATIENCE)

    place.archive.before_each = before_each
    Sender(place.port).send(slices)
    assert reached.wait(PATIENCE)
    place.kill()
    go_on.set()
    place.start()
    place.wait_for("job 1: sent to ARCHIVE")
    assert "1 sent, 0 refused" in place.stop()
    require_once(place.archive, [slices])
    assert len(place.archive.stored) <= len(slices) + 1  # the one of which nobody knew whether it was there
    assert not list((place.spool / "jobs").iterdir())


def test_a_series_that_kills_the_program_is_given_up(place: Place) -> None:
    place.kill()
    place.deaths = 3
    place.start()
    (place.hold / "wait").touch()
    Sender(place.port).send(head_series("A1"))
    for _ in range(3):
        wait_until((place.hold / "begun").exists)
        (place.hold / "begun").unlink()
        place.kill()
        place.start()
    place.wait_for("job 1: refused: the program ended 3 times")
    (place.hold / "wait").unlink()
    Sender(place.port).send(head_series("B2"))
    place.wait_for("job 2: sent to ARCHIVE")
    assert "1 sent, 1 refused" in place.stop()


def test_a_signal_ends_it_gracefully_and_it_goes_on(place: Place) -> None:
    slices = head_series("A1")
    (place.hold / "wait").touch()
    Sender(place.port).send(slices)
    for _ in range(4):  # which is no failure of the series
        wait_until((place.hold / "begun").exists)
        place.stop()
        (place.hold / "begun").unlink()
        place.start()
    wait_until((place.hold / "begun").exists)
    with Sender(place.port).association() as association:  # an association that is open does not keep it
        begun = time.monotonic()
        assert place.stop() == "stopped: 0 sent, 0 refused, 0 repeated, 1 to be synthesised"
        assert time.monotonic() - begun < PATIENCE / 2
        wait_until(lambda: not association.is_established)
    (place.hold / "wait").unlink()
    place.start()
    wait_until(lambda: place.printed.count("sent to ARCHIVE") == 1, lambda: place.printed)
    place.stop()
    require_once(place.archive, [slices])


def test_at_any_time(place: Place) -> None:
    """Six series of two senders through nine kills."""
    chance = random.Random(5)
    series = [head_series(f"P{number}") for number in range(6)]

    def send(mine: Sequence[Sequence[Dataset]]) -> None:
        for slices in mine:
            Sender(place.port).send_until_taken(slices)

    def kill() -> None:
        for _ in range(9):
            time.sleep(chance.uniform(0.05, 0.6))
            place.kill()
            place.start()

    works: list[Callable[[], object]] = [lambda: send(series[:3]), lambda: send(series[3:]), kill]
    in_threads(works)
    wait_until(lambda: len(place.archive.series()) >= len(series), lambda: place.printed)
    wait_until(lambda: not list((place.spool / "jobs").iterdir()), lambda: place.printed)
    told = place.stop()
    assert "0 refused" in told, place.printed
    require_once(place.archive, series)
