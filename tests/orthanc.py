"""Orthanc, as Debian has it, on loopback and in a folder of its own."""

import email.parser
import email.policy
import io
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage

from tests.ports import free_ports

__all__ = ["Pacs", "orthanc"]

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

STARTS_WITHIN = 60
"""seconds"""


@dataclass(frozen=True)
class Pacs:
    http: int
    dicom: int
    log: Path

    def get(self, path: str, accept: str = "application/dicom+json") -> tuple[str, bytes]:
        """Content type and body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers["Content-Type"], answer.read()

    def find(self, path: str) -> list[dict[str, Any]]:
        """QIDO-RS: the attributes of each match, by tag, their first value."""
        _, body = self.get(f"/dicom-web/{path}")
        return [
            {tag: item["Value"][0] for tag, item in match.items() if item.get("Value")} for match in json.loads(body)
        ]

    def instances(self, study: str, series: str) -> list[pydicom.Dataset]:
        """WADO-RS: the files of a series."""
        kind, body = self.get(
            f"/dicom-web/studies/{study}/series/{series}", 'multipart/related; type="application/dicom"'
        )
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            f"Content-Type: {kind}\r\n\r\n".encode() + body
        )
        return [pydicom.dcmread(io.BytesIO(part.get_payload(decode=True))) for part in message.iter_parts()]

    def store(self, files: Sequence[Path]) -> None:
        """C-STORE."""
        pynetdicom = pytest.importorskip("pynetdicom", reason="pynetdicom comes with the dev extra")
        entity = pynetdicom.AE(ae_title="MEDCYCLE")
        for kind in (CTImageStorage, MRImageStorage, RTStructureSetStorage):
            entity.add_requested_context(kind, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", self.dicom, ae_title="ORTHANC")
        assert association.is_established
        try:
            assert [association.send_c_store(str(file)).Status for file in files] == [0] * len(files)
        finally:
            association.release()

    def stow(self, files: Sequence[Path]) -> None:
        """STOW-RS."""
        border = uuid.uuid4().hex
        parts = [
            f"--{border}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file.read_bytes() + b"\r\n"
            for file in files
        ]
        kind = f'multipart/related; type="application/dicom"; boundary={border}'
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/dicom-web/studies",
            data=b"".join(parts) + f"--{border}--\r\n".encode(),
            headers={"Content-Type": kind, "Accept": "application/dicom+json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
            assert not json.loads(answer.read()).get("00081198", {}).get("Value")  # FailedSOPSequence


@contextmanager
def orthanc(folder: Path, **settings: Any) -> Iterator[Pacs]:
    """A server with some more settings, or some instead of its own; skips where it is not installed."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None or not PLUGIN.exists():
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    http, dicom = free_ports(2)
    own: Mapping[str, Any] = {
        "Name": "medcycle tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "TemporaryDirectory": str(folder),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
    }
    ports = {"HttpPort": http, "DicomPort": dicom}
    (folder / "orthanc.json").write_text(json.dumps({**own, **settings, **ports}), encoding="utf-8")
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            server = Pacs(http, dicom, folder / "log.txt")
            wait_for(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def wait_for(server: Pacs, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            server.find("studies")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"Orthanc did not start: {server.log.read_text()[-2000:]}")
