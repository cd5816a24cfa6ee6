"""A node in this process or in one that can be killed, senders, an archive, and series of tiny heads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RTStructureSetStorage,
)

from medcycle.cli.say import say
from medcycle.node import Limits, NodeSettings, Peer
from medcycle.node.making import Translator
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import Identity, dataset_of, slices_of
from medcycle.volume import Volume

pynetdicom = pytest.importorskip("pynetdicom", reason="pynetdicom comes with the dev extra")

from medcycle.node.node import Node  # noqa: E402 - needs pynetdicom
from medcycle.node.sender import at_once  # noqa: E402

SPACING = (8.0, 8.0, 16.0)
"""mm; a head of 14 slices of 24 by 30 pixels"""

PATIENCE = 60.0
"""Seconds that a test waits for what should come in a moment."""

QUIET = 0.2
"""seconds"""

NAME, BIRTH_DATE = "Öhlerking^Walpurga", "19411224"


def head_series(patient: str, *, seed: int = 3, study: str = "study") -> list[Dataset]:
    """The slices of a small MR of a head, from below."""
    grid = head_grid(spacing=SPACING, orientation="LPS")
    identity, made = Identity(patient, seed), []
    for number, item in enumerate(slices_of(HeadPhantom.random(seed).mr(grid)), 1):
        dataset = dataset_of(item, number, "MR", identity)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName, dataset.PatientBirthDate = NAME, BIRTH_DATE
        dataset.AccessionNumber, dataset.SeriesDescription = f"ACC{patient}", f"t1 {patient} routine"
        made.append(with_meta(dataset))
    return made


def with_meta(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """Ready to be sent."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def quick_ct(volume: Volume, check: Callable[[], None], _tell: Callable[[str], None]) -> Volume:
    """In the place of a model: the signal as if it were HU."""
    check()
    return volume.with_array(volume.array * (1000 / max(float(volume.array.max()), 1.0)) - 500)


QUICK = Translator(quick_ct, "a stub")


@dataclass
class Sender:
    """A scanner, or an archive, that sends to a node."""

    port: int
    title: str = "SCANNER"
    syntaxes: Sequence[str] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)

    @contextmanager
    def association(self, *, bind: str = "127.0.0.1", called: str = "MEDCYCLE") -> Iterator[Any]:
        entity = pynetdicom.AE(self.title)
        entity.dimse_timeout = entity.acse_timeout = PATIENCE
        entity.add_requested_context("1.2.840.10008.1.1")
        for kind in (MRImageStorage, EnhancedMRImageStorage, RTStructureSetStorage, CTImageStorage):
            for syntax in self.syntaxes:
                entity.add_requested_context(kind, syntax)
        handlers = [(pynetdicom.evt.EVT_CONN_OPEN, at_once)]
        association = entity.associate(
            "127.0.0.1", self.port, ae_title=called, bind_address=(bind, 0), evt_handlers=handlers
        )
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def send(self, datasets: Sequence[Dataset], **how: Any) -> list[int | None]:
        """The statuses; None for those that got no answer."""
        with self.association(**how) as association:
            assert association.is_established
            return [association.send_c_store(dataset).get("Status") for dataset in datasets]

    def send_until_taken(self, datasets: Sequence[Dataset]) -> None:
        """As senders with a queue do: all that is not taken is sent again, also to a node that is down."""
        left, end = list(datasets), time.monotonic() + PATIENCE
        while left and time.monotonic() < end:
            with suppress(RuntimeError, ValueError), self.association() as association:
                while left and association.is_established:
                    if association.send_c_store(left[0]).get("Status") == 0:
                        left.pop(0)
                    else:
                        break
            if left:
                time.sleep(0.1)
        assert not left


@dataclass
class Archive:
    """An archive that counts what it is sent.

    Args:
        refuses: the status it gives to the first so many.
    """

    stored: list[Dataset] = field(default_factory=list)
    refuse_first: int = 0
    before_each: Callable[[Dataset], None] = lambda _dataset: None
    port: int = 0

    @contextmanager
    def running(self, port: int = 0) -> Iterator[Archive]:
        entity = pynetdicom.AE("ARCHIVE")
        for kind in (CTImageStorage, RTStructureSetStorage):
            entity.add_supported_context(kind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        handlers = [(pynetdicom.evt.EVT_C_STORE, self._store)]
        server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self.port = server.server_address[1]
        try:
            yield self
        finally:
            entity.shutdown()

    def _store(self, event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.before_each(dataset)
        if self.refuse_first > 0:
            self.refuse_first -= 1
            return 0xA700
        self.stored.append(dataset)
        return 0

    def series(self, modality: str = "CT") -> dict[str, list[Dataset]]:
        """What is stored, by SeriesInstanceUID; an instance that came twice is there twice."""
        found: dict[str, list[Dataset]] = {}
        for item in self.stored:
            if modality == item.Modality:
                found.setdefault(item.SeriesInstanceUID, []).append(item)
        return found


class Log:
    """The lines of a node's log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def __contains__(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def wait_for(self, text: str, count: int = 1) -> None:
        wait_until(lambda: sum(text in line for line in list(self.lines)) >= count, lambda: f"{text}: {self.lines}")


def wait_until(holds: Callable[[], bool], told: Callable[[], str] = str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"waited in vain: {told()}")
        time.sleep(0.01)


def settings(spool: Path, archive_port: int, **changes: Any) -> NodeSettings:
    quick = {"restart_seconds": 5.0, "pause": 0.2, "longest_pause": 0.5, "silence": 10.0}
    limits = Limits(**{**quick, **changes.pop("limits", {})})
    peer = Peer("ARCHIVE", "127.0.0.1", archive_port)
    return NodeSettings(spool, peer, **{"port": 0, "quiet_time": QUIET, "limits": limits, **changes})


@contextmanager
def running(
    spool: Path, archive_port: int, translator: Translator = QUICK, **changes: Any
) -> Iterator[tuple[Node, Log]]:
    """A node in this process."""
    log = Log()
    node = Node(settings(spool, archive_port, **changes), translator, log)
    with node.running():
        yield node, log


def in_threads(works: Sequence[Callable[[], object]]) -> None:
    """All at once; raises what the first of them raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if errors:
        raise errors[0]


def serve(spool: Path, archive_port: int, port: int, hold: Path, deaths: int) -> int:
    """A node, for a process of its own: until SIGTERM.

    A synthesis makes a file in `hold` that says it has begun, and goes on as soon as there is none called `wait`.
    """

    def translate(volume: Volume, check: Callable[[], None], tell: Callable[[str], None]) -> Volume:
        (hold / "begun").touch()
        while (hold / "wait").exists():
            check()
            time.sleep(0.02)
        return quick_ct(volume, check, tell)

    node = Node(
        settings(spool, archive_port, port=port, limits={"deaths": deaths}), Translator(translate, "a stub"), say
    )
    with node.ended_by_signals(), node.running():
        node.wait()
    return 0
