"""What a peer must not be able to do: stop the node, write where it likes, or take all of its memory and threads."""

import io
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

from medcycle.node.entity import WAITING
from tests.node.support import Archive, Sender, head_series, running, wait_until, with_meta

pytestmark = pytest.mark.usefixtures("one_thread")

dsutils = pytest.importorskip("pynetdicom.dsutils", reason="pynetdicom comes with the dev extra")
dimse_primitives = pytest.importorskip("pynetdicom.dimse_primitives", reason="pynetdicom comes with the dev extra")

PATHS = ["../../../../tmp/evil", "/etc/passwd", "a/b", "..", "1.2\0.3", "1.2.3 ", "C:\\x", "\x1b]0;x\x07"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):
    """One node for all of this, which does its work in the end, whatever was done to it."""
    folder = tmp_path_factory.mktemp("hostile")
    with Archive().running() as archive, running(folder / "spool", archive.port) as (node, log):
        yield node, log, folder
        good = head_series("GOOD")
        assert set(Sender(node.port).send(good)) == {0}
        log.wait_for("sent to ARCHIVE")
    (made,) = archive.series().values()
    assert (len(made), made[0].PatientID) == (len(good), "GOOD")


@pytest.fixture
def node_and_log(served):
    node, log, _ = served
    yield node, log
    with Sender(node.port).association() as association:
        assert association.send_c_echo().Status == 0


def encoded(dataset: Dataset) -> bytes:
    return dsutils.encode(dataset, False, True)


def store(port: int, sop_class: str, instance: str, content: bytes) -> int | None:
    """The status of C-STORE of any bytes under any names."""
    with Sender(port).association() as association:
        request = dimse_primitives.C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, instance
        request.DataSet = io.BytesIO(content)
        context = next(item for item in association.accepted_contexts if "MR Image" in item.abstract_syntax.name)
        association._reactor_checkpoint.clear()
        while not association._is_paused:
            time.sleep(0.001)
        association.dimse.send_msg(request, context.context_id)
        _, answer = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        return answer.Status if answer else None


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length", "ignore:A value of type")
@pytest.mark.parametrize("name", PATHS)
def test_uids_are_no_paths(name: str, node_and_log, served) -> None:
    node, log, folder = served
    slices = head_series("EVIL")
    for item in slices[:2]:
        item.StudyInstanceUID = item.SeriesInstanceUID = name
        item.SOPInstanceUID = name
        status = store(node.port, item.SOPClassUID, name, encoded(item))
        assert status in (0, 0xA900, 0xC000, None)
    names = {part for path in (folder / "spool").rglob("*") for part in path.relative_to(folder).parts}
    assert not any("evil" in part or "passwd" in part for part in names)
    assert not Path("/tmp/evil").exists()
    assert all(line.isprintable() for line in log.lines)


def test_what_is_not_what_it_is_called_gets_a_status(node_and_log) -> None:
    node, log = node_and_log
    item = head_series("A1")[0]
    content, uid = encoded(item), item.SOPInstanceUID
    assert store(node.port, CTImageStorage, uid, content) == 0xA900  # another class than it holds
    assert store(node.port, EnhancedMRImageStorage, uid, content) == 0xA900
    assert store(node.port, item.SOPClassUID, generate_uid(), content) == 0xA900
    assert store(node.port, item.SOPClassUID, uid, content[:-100]) == 0xC000  # torn in the pixels
    assert store(node.port, item.SOPClassUID, uid, content[:200]) in (0xA900, 0xC000)
    assert store(node.port, item.SOPClassUID, uid, b"\xff" * 5000) in (0xA900, 0xC000)
    nameless = Dataset()
    nameless.update(item)
    del nameless.SeriesInstanceUID
    assert store(node.port, item.SOPClassUID, uid, encoded(nameless)) in (0xA900, 0xC000)
    assert not any("Traceback" in line for line in log.lines)


def test_a_class_that_is_not_offered_is_not_taken(node_and_log) -> None:
    node, _ = node_and_log
    item = head_series("A1")[0]
    item.SOPClassUID = CTImageStorage
    with Sender(node.port).association() as association, pytest.raises(ValueError, match="No presentation context"):
        association.send_c_store(with_meta(item, ExplicitVRLittleEndian))


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        struct.pack(">BBL", 1, 0, 2**32 - 1) + b"\0" * 2**21,  # an association request of 4 GiB
        struct.pack(">BBL", 4, 0, 50) + b"\xff" * 50,
        struct.pack(">BBL", 1, 0, 68) + b"\xff" * 68,
        b"\x01",
        b"",
    ],
    ids=["http", "tls", "huge", "data first", "junk", "cut", "nothing"],
)
def test_bytes_that_are_no_dicom_end_their_connection(content: bytes, node_and_log) -> None:
    node, _ = node_and_log
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(30)
        while connection.recv(4096):
            pass
    with Sender(node.port).association() as association:  # it goes on for others
        assert association.send_c_echo().Status == 0


def test_connections_that_say_nothing_take_no_place_of_a_sender(tmp_path: Path) -> None:
    """As port scanners and load balancers make them: closed at once, or left open."""
    with running(tmp_path / "spool", 1, limits={"associations": 1}) as (node, _):
        for _ in range(3 * WAITING):
            socket.create_connection(("127.0.0.1", node.port)).close()
            with Sender(node.port).association() as association:
                assert association.send_c_echo().Status == 0
        silent = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(WAITING // 2)]
        with Sender(node.port).association() as association:
            assert association.send_c_echo().Status == 0
        for connection in silent:
            connection.close()


def test_more_than_fits_at_once_ends_the_connection(tmp_path: Path) -> None:
    """A peer that announces 4 GiB and goes on sending is cut off at the bound, and not when memory is full."""
    limits = {"instance_bytes": 2**20}
    with running(tmp_path / "spool", 1, limits=limits) as (node, _):
        with socket.create_connection(("127.0.0.1", node.port)) as connection:
            connection.settimeout(30)
            connection.sendall(struct.pack(">BBL", 1, 0, 2**32 - 1))
            sent = _sent_until_cut_off(connection, 2**26)
        assert sent < 2**25
        with Sender(node.port).association() as association:
            assert association.send_c_echo().Status == 0


def _sent_until_cut_off(connection: socket.socket, most: int) -> int:
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += connection.send(bytes(2**16))
    return sent


def test_silent_and_slow_peers_are_let_go(tmp_path: Path) -> None:
    limits = {"silence": 0.5, "associations": 1}
    with running(tmp_path / "spool", 1, limits=limits) as (node, _):
        silent = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(3)]
        silent[1].sendall(b"\x01\0\0")  # a part of a header, and no more
        silent[2].sendall(struct.pack(">BBL", 1, 0, 1000) + b"\0" * 10)
        for connection in silent:
            connection.settimeout(30)
            assert connection.recv(1000) == b"" or connection.recv(1000) == b""  # an abort may come first
            connection.close()

        def heard() -> bool:
            with Sender(node.port).association() as association:
                return association.is_established

        wait_until(heard)
