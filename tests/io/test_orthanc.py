"""A round trip through a PACS: Orthanc, as Debian has it, on loopback and in a folder of its own."""

import email.parser
import email.policy
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage

from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.series import grid_of, read_headers
from medcycle.phantom.dicom_series import Identity
from tests.io.support import saved, source_series, square, structure_set

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

STARTS_WITHIN = 60
"""seconds"""


@dataclass(frozen=True)
class Pacs:
    http: int
    dicom: int

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


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None or not PLUGIN.exists():
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    folder, ports = tmp_path_factory.mktemp("orthanc"), free_ports(2)
    settings = {
        "Name": "medcycle tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "TemporaryDirectory": str(folder),
        "HttpPort": ports[0],
        "DicomPort": ports[1],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            server = Pacs(*ports)
            wait_for(server, process, folder / "log.txt")
            yield server
        finally:
            process.terminate()
            process.wait(30)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for item in sockets:
        item.bind(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


def wait_for(server: Pacs, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            server.find("studies")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"Orthanc did not start: {log.read_text()[-2000:]}")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [("MR", "axial"), ("CT", "oblique")])
def test_a_series_comes_back_from_the_study_it_belongs_to(kind: str, name: str, pacs: Pacs, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source", name, kind, patient=Identity(f"PACS-{kind}"))
    headers, modality = read_headers(series), "ct" if kind == "MR" else "mr"
    drawn = structure_set(headers, {"Organ": [(square(grid_of(series), 8), headers[8])]})
    (rtstruct,) = saved([drawn], tmp_path / "drawn")
    pacs.store(series.files)
    files = write_dicom(
        made, tmp_path / "made", modality=modality, reference=series, origin=Origin("1"), rtstruct=rtstruct
    )
    pacs.store(files)

    study, written = headers[0].StudyInstanceUID, [pydicom.dcmread(file) for file in files[:-1]]
    found = {item["00080060"]: item["0020000E"] for item in pacs.find(f"studies/{study}/series")}
    assert found == {
        kind: headers[0].SeriesInstanceUID,
        modality.upper(): written[0].SeriesInstanceUID,
        "RTSTRUCT": pydicom.dcmread(files[-1]).SeriesInstanceUID,
    }
    (known,) = pacs.find(f"studies?StudyInstanceUID={study}")
    assert known["00100020"] == headers[0].PatientID
    instances = pacs.find(f"studies/{study}/series/{written[0].SeriesInstanceUID}/instances?includefield=00200052")
    assert {item["00200052"] for item in instances} == {headers[0].FrameOfReferenceUID}
    assert len(instances) == len(written)

    returned = {item.SOPInstanceUID: item for item in pacs.instances(study, written[0].SeriesInstanceUID)}
    assert returned.keys() == {item.SOPInstanceUID for item in written}
    for item in written:
        back = returned[item.SOPInstanceUID]
        assert back.PixelData == item.PixelData
        np.testing.assert_array_equal(back.pixel_array, item.pixel_array)
        assert back.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
        assert back.SyntheticData == "YES"
    (structures,) = pacs.instances(study, found["RTSTRUCT"])
    contour = structures.ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourData == drawn.ROIContourSequence[0].ContourSequence[0].ContourData
    if name == "axial":
        assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID in returned
