"""The set-up of docs/how-to/orthanc.md, as it is written there: Orthanc gives the node DICOMweb."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medcycle.cli.main import execute
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import Identity, write_dataset, write_series
from tests.io.support import structure_set
from tests.node.support import head_series, running, wait_until, with_meta
from tests.orthanc import Pacs, orthanc
from tests.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
DOCUMENT = HOW_TO / "orthanc.md"


def blocks(kind: str) -> list[str]:
    """What the document has of a kind of code."""
    return re.findall(rf"```{kind}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


@contextmanager
def as_documented(folder: Path, node_port: int, script: int) -> Iterator[Pacs]:
    """Orthanc with the settings and one of the scripts of the document, but for ports, paths and patience."""
    (settings,) = map(json.loads, blocks("json"))
    (folder / "medcycle.lua").write_text(blocks("lua")[script], encoding="utf-8")
    settings["DicomModalities"]["medcycle"][2] = node_port
    settings |= {"LuaScripts": [str(folder / "medcycle.lua")], "StableAge": 1}
    with orthanc(folder, **settings) as server:
        yield server


def series_of(pacs: Pacs, study: str) -> dict[str, list[str]]:
    """QIDO-RS: the series of a study, by modality."""
    found: dict[str, list[str]] = {}
    for item in pacs.find(f"studies/{study}/series"):
        found.setdefault(item["00080060"], []).append(item["0020000E"])
    return found


def test_mr_by_stow_gives_ct_by_qido_and_wado(tmp_path: Path) -> None:
    """With the shipped model, by the command line."""
    grid = head_grid(spacing=(3.0, 3.0, 5.0), orientation="LPS")
    files = write_series(HeadPhantom.random(3).mr(grid), tmp_path / "mr", modality="MR", identity=Identity("WEB1"))
    source = pydicom.dcmread(files[0])
    (tmp_path / "orthanc").mkdir()
    (port,) = free_ports(1)
    with as_documented(tmp_path / "orthanc", port, 0) as pacs:
        call = ["node", "--model", "head", "--port", str(port), "--spool", str(tmp_path / "spool"), "--quiet-time", "1"]
        call += ["--send-to", f"ORTHANC@127.0.0.1:{pacs.dicom}"]
        log = tmp_path / "log"
        with log.open("w") as stream:
            node = subprocess.Popen([sys.executable, "-m", "medcycle", *call], stdout=stream, stderr=stream)
        try:
            wait_until(lambda: "listens on" in log.read_text(), log.read_text)
            pacs.stow(files)
            wait_until(lambda: "sent to ORTHANC" in log.read_text(), lambda: log.read_text() + pacs.log.read_text())
        finally:
            node.send_signal(signal.SIGTERM)
            assert node.wait(60) == 0
        assert "stopped: 1 sent, 0 refused, 0 repeated" in log.read_text()
        found = series_of(pacs, source.StudyInstanceUID)
        assert found["MR"] == [source.SeriesInstanceUID]
        (synthetic,) = found["CT"]
        instances = pacs.instances(source.StudyInstanceUID, synthetic)
    assert len(instances) == len(files)
    assert {item.FrameOfReferenceUID for item in instances} == {source.FrameOfReferenceUID}
    assert {item.SyntheticData for item in instances} == {"YES"}
    middle = sorted(instances, key=lambda item: float(item.ImagePositionPatient[2]))[len(instances) // 2]
    hounsfield = middle.pixel_array.astype(float) - 1024
    assert hounsfield.min() == -1024
    assert hounsfield.max() > 300  # bone, which the MR has as no signal
    assert "WEB1" not in log.read_text()


def test_structure_sets_go_along(tmp_path: Path) -> None:
    slices = head_series("WEB2")
    for item in slices:
        item.Manufacturer = "Some scanner"
    drawn = with_meta(structure_set(slices, {"Organ": [(_square(slices[5]), slices[5])]}))
    files = [write_dataset(item, tmp_path / "in" / f"{number}.dcm") for number, item in enumerate([*slices, drawn])]
    (tmp_path / "orthanc").mkdir()
    (port,) = free_ports(1)
    with as_documented(tmp_path / "orthanc", port, 1) as pacs:
        with running(tmp_path / "spool", pacs.dicom, port=port) as (_, log):
            pacs.stow(files)
            log.wait_for("sent to ARCHIVE")
            log.wait_for("the same as job 1")  # the study has become stable again
            assert "refused" not in log
        found = series_of(pacs, slices[0].StudyInstanceUID)
        assert len(found["CT"]) == 1
        assert len(found["RTSTRUCT"]) == 2
        (made,) = set(found["RTSTRUCT"]) - {drawn.SeriesInstanceUID}
        (moved,) = pacs.instances(slices[0].StudyInstanceUID, made)
    contour = moved.ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourData == drawn.ROIContourSequence[0].ContourSequence[0].ContourData


def test_the_document_names_the_options_there_are(capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["node", "--help"]) == 0
    known = set(re.findall(r"--[a-z][a-z-]+", capfd.readouterr().out))
    pages = [DOCUMENT.read_text(encoding="utf-8"), (HOW_TO / "node.md").read_text(encoding="utf-8")]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(pages)))
    assert named - known <= {"--format"}


def _square(item: pydicom.Dataset) -> object:
    x, y, z = (float(v) for v in item.ImagePositionPatient)
    return np.array([[x + a, y + b, z] for a, b in ((60, 60), (120, 60), (120, 120), (60, 120))])
